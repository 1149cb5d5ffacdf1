//! Phase *admit*: may this call go out. From here on the call has a receipt, and leaves a record
//! whatever happens to it.

use std::sync::Arc;

use admission::{Estimate, Limiter, RateLimitHeaders, Subject};
use kernel::{CallRecord, Outcome, Usage};
use wire::envelope::Envelope;

use crate::identify::Identified;
use crate::route::Alias;
use crate::settle::{Opening, Receipt, Settler};
use crate::tokenizer::BYTES_PER_TOKEN;
use crate::{Inbound, Refusal};

/// Output tokens that are reserved when the client sets no maximum.
const USUAL_OUTPUT: u64 = 256;

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

/// Checks the request, the project's models and every limit; opens the receipt.
pub(crate) fn admit(
    settler: &Arc<Settler>,
    limiter: &Limiter,
    identified: Identified,
    inbound: Inbound,
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
    let output = envelope.max_output_tokens.unwrap_or(USUAL_OUTPUT).saturating_mul(envelope.n);
    let output = if inbound.operation.streams() { output } else { 0 };
    // Reserved before the call; settlement puts the real count in its place.
    let tokens = (envelope.input_bytes / BYTES_PER_TOKEN).saturating_add(output);
    let permit = limiter.admit(&snapshot.rules, &subject, Estimate { tokens })?;
    let limits = permit.headers();

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
        usage: Usage::default(),
        cost: None,
    };
    let receipt = settler.open(Opening {
        record,
        permit,
        snapshot: Arc::clone(snapshot),
        body: inbound.body.clone(),
        input_bytes: envelope.input_bytes,
        price_kind: None,
        tier: None,
    });
    Ok(Admitted { inbound, envelope, alias, receipt, limits, identified })
}
