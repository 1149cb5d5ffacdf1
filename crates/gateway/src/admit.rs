//! Phase *admit*: may this call go out. From here on the call has a receipt, and leaves a record
//! whatever happens to it.

use std::iter;
use std::sync::Arc;

use admission::{Estimate, Limiter, RateLimitHeaders, Spending, Subject};
use kernel::catalog::Fallback;
use kernel::{CallRecord, Money, Operation, Outcome, ServiceTier, Timestamp, Usage};
use wire::envelope::Envelope;

use crate::identify::Identified;
use crate::route::Alias;
use crate::settle::{Opening, Receipt, Settler};
use crate::snapshot::Snapshot;
use crate::tokenizer::BYTES_PER_TOKEN;
use crate::{Inbound, Refusal, tier};

/// Output tokens that limits reserve when the client sets no maximum.
const USUAL_OUTPUT: u64 = 256;
/// Output tokens that budgets reserve then: money that is gone does not flow back.
const CAREFUL_OUTPUT: u64 = 4_096;

/// A call that may go out.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) inbound: Inbound,
    pub(crate) envelope: Envelope,
    pub(crate) alias: Arc<Alias>,
    pub(crate) receipt: Receipt,
    pub(crate) limits: RateLimitHeaders,
    pub(crate) identified: Identified,
}

/// What a call is admitted by.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) limiter: Limiter,
    pub(crate) spending: Spending,
}

/// Checks the request, the project's models, every limit and every budget; opens the receipt.
///
/// It waits only where nodes share what they count: for a moment, when this node's own share of a
/// limit or a budget is used up.
pub(crate) async fn admit(
    settler: &Arc<Settler>,
    gate: &Gate,
    identified: Identified,
    mut inbound: Inbound,
) -> Result<Admitted, Refusal> {
    let envelope = Envelope::parse(inbound.operation, &inbound.body).map_err(Refusal::Request)?;
    let (snapshot, caller) = (&identified.snapshot, &identified.caller);
    snapshot.models.check(&caller.project, &envelope.model)?;
    let alias = Arc::clone(snapshot.routes.resolve(&envelope.model, inbound.operation)?);

    let subject = Subject {
        organization: &caller.organization,
        project: &caller.project,
        key: &caller.key,
        end_user: envelope.end_user.as_deref(),
        model: &alias.name,
    };
    // Reserved before the call; settlement puts the real count in its place.
    let estimate = Estimate { tokens: needs(&envelope, inbound.operation, USUAL_OUTPUT).total() };
    let permit = gate.limiter.admit(&snapshot.rules, &subject, estimate).await?;
    let limits = permit.headers();
    let budgets = &snapshot.budgets;
    let asked = tier::granted(snapshot, &caller.project, &envelope);
    let price = match budgets.is_empty() {
        true => None,
        false => {
            let needs = needs(&envelope, inbound.operation, CAREFUL_OUTPUT);
            dearest(&alias, snapshot, inbound.operation, asked, &needs, inbound.arrived)
        }
    };
    let reservation = gate.spending.reserve(budgets, &subject, inbound.arrived, price).await?;

    let record = CallRecord {
        id: inbound.id.clone(),
        started_at: inbound.arrived,
        duration_us: 0,
        first_byte_us: None,
        organization: caller.organization.clone(),
        project: caller.project.clone(),
        api_key: caller.key.clone(),
        service_account: caller.service_account.clone(),
        end_user: envelope.end_user.clone(),
        response: inbound.response.clone(),
        batch: inbound.batch.clone(),
        operation: inbound.operation,
        model: alias.name.to_string(),
        provider: String::new(),
        upstream_model: String::new(),
        stream: envelope.stream,
        status: 0,
        outcome: Outcome::Stopped,
        attempts: 0,
        service_tier: tier::of(snapshot, &caller.project, &envelope, &inbound),
        usage: Usage::default(),
        cost: None,
    };
    let receipt = settler.open(Opening {
        record,
        permit,
        reservation,
        snapshot: Arc::clone(snapshot),
        body: inbound.body.clone(),
        input_bytes: envelope.input_bytes,
        price_kind: None,
        traceparent: inbound.headers.get("traceparent").cloned(),
        place: None,
        _room: inbound.room.take(),
    });
    Ok(Admitted { inbound, envelope, alias, receipt, limits, identified })
}

/// What a call may use: its input by its length, and as much output as may come.
fn needs(envelope: &Envelope, operation: Operation, usual: u64) -> Usage {
    let output = envelope.max_output_tokens.unwrap_or(usual).saturating_mul(envelope.choices);
    Usage {
        input: envelope.input_bytes / BYTES_PER_TOKEN,
        output: if operation.streams() { output } else { 0 },
        ..Usage::default()
    }
}

/// What that costs at the dearest target that may be asked, at list price or in the tier that is
/// asked for; `None` where none has a price.
fn dearest(
    alias: &Alias,
    snapshot: &Snapshot,
    operation: Operation,
    asked: Option<ServiceTier>,
    needs: &Usage,
    at: Timestamp,
) -> Option<Money> {
    let resolve = |fallback: &Fallback| snapshot.routes.resolve(&fallback.model, operation).ok();
    let fallbacks = alias.fallbacks.iter().filter_map(resolve).map(|alias| &**alias);
    let targets = iter::once(alias).chain(fallbacks).flat_map(|alias| &alias.targets);
    let costs = targets.flat_map(|target| {
        let vendor = if target.vendor_endpoint { &*target.provider_kind } else { "" };
        let (provider, model) = (&*target.provider_name, &*target.model);
        let cost = move |tier| snapshot.prices.cost(provider, vendor, model, tier, needs, at);
        [cost(None), asked.and_then(|tier| cost(Some(tier.as_str())))]
    });
    costs.flatten().max()
}
