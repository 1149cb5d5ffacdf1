//! Service tiers: what nobody waits for is asked for where it costs half, and what is more urgent
//! than others, or dearer, only where an administrator has granted it.
//!
//! OpenAI prices its tier `flex` as it prices its Batch API. The lines of a batch go there when the
//! price table knows what that costs; what a line did cost is told by its answer's tier.

use bytes::Bytes;
use kernel::{Operation, ProjectId, ServiceTier, Timestamp};
use memchr::memmem;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use wire::envelope::{Envelope, replace_tier};

use crate::Inbound;
use crate::admit::Admitted;
use crate::price::PriceTable;
use crate::snapshot::Snapshot;
use crate::target::Target;

/// How urgent a call is on this node. Nobody waits for a batch's.
pub(crate) fn of(
    snapshot: &Snapshot,
    project: &ProjectId,
    envelope: &Envelope,
    inbound: &Inbound,
) -> ServiceTier {
    match inbound.batch {
        Some(_) => ServiceTier::Flex,
        None => snapshot.tier(project, asked(envelope)),
    }
}

/// The tier that a call gets which asks for one.
pub(crate) fn granted(
    snapshot: &Snapshot,
    project: &ProjectId,
    envelope: &Envelope,
) -> Option<ServiceTier> {
    asked(envelope).map(|asked| snapshot.tier(project, Some(asked)))
}

/// The tier that a call asks for. What else there is (`auto`, and what only the provider knows) asks
/// for nothing here.
fn asked(envelope: &Envelope) -> Option<ServiceTier> {
    let asked = envelope.service_tier.as_deref()?;
    ServiceTier::ALL.into_iter().find(|tier| tier.as_str() == asked)
}

const FLEX: &str = "flex";
const ASKED: &[u8] = br#""service_tier":"flex","#;

#[derive(Deserialize)]
struct Said<'a> {
    /// Also a null, which is something said.
    #[serde(borrow, default, deserialize_with = "present")]
    service_tier: Option<&'a RawValue>,
}

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(value).map(Some)
}

/// The body as this target is asked: in the tier that the project may have, if the client asks for
/// another; in the one at half price, where nobody waits, there is one, and the client has not chosen
/// one itself.
pub(crate) fn ask(
    admitted: &Admitted,
    target: &Target,
    operation: Operation,
    body: Bytes,
) -> Bytes {
    let (inbound, identified) = (&admitted.inbound, &admitted.identified);
    let asked = asked(&admitted.envelope);
    let granted = granted(&identified.snapshot, &identified.caller.project, &admitted.envelope);
    let body = match granted {
        Some(tier) if granted != asked => replace_tier(&body, tier.as_str()).unwrap_or(body),
        _ => body,
    };
    let vendor = if target.vendor_endpoint { &*target.provider_kind } else { "" };
    let place = (&*target.provider_name, vendor, &*target.model);
    let prices = &identified.snapshot.prices;
    if inbound.batch.is_none() || !is_cheaper(prices, place, operation, inbound.arrived) {
        return body;
    }
    flexible(&body).unwrap_or(body)
}

/// Whether such a call has a price at half price. `vendor`: whose own endpoint the provider is.
fn is_cheaper(
    prices: &PriceTable,
    (provider, vendor, model): (&str, &str, &str),
    operation: Operation,
    at: Timestamp,
) -> bool {
    let has_tiers = matches!(operation, Operation::ChatCompletions | Operation::Responses);
    vendor == "openai" && has_tiers && prices.row(provider, vendor, model, Some(FLEX), at).is_some()
}

/// The body with the tier in it; `None` where it says something about tiers itself.
fn flexible(body: &[u8]) -> Option<Bytes> {
    let said: Said<'_> = serde_json::from_slice(body).ok()?;
    if said.service_tier.is_some() {
        return None;
    }
    // It has a model, so another field follows.
    let start = body.iter().position(|byte| *byte == b'{')? + 1;
    let (head, rest) = body.split_at_checked(start)?;
    Some(Bytes::from([head, ASKED, rest].concat()))
}

/// The tier that a whole answer says it was given in.
pub(crate) fn answered_in(body: &[u8]) -> Option<String> {
    // Most answers of others than OpenAI name none, and need not be read.
    memmem::find(body, b"\"service_tier\"")?;
    let said: Said<'_> = serde_json::from_slice(body).ok()?;
    serde_json::from_str(said.service_tier?.get()).ok()
}

/// Whether it is the one that list prices are of.
pub(crate) fn is_standard(tier: &str) -> bool {
    matches!(tier, "default" | "standard" | "auto")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_half_a_price_is_asked_for_at_it() {
        let prices = PriceTable::embedded().unwrap();
        let now = Timestamp::from_secs(1_800_000_000);
        let cheaper =
            |vendor, model, operation| is_cheaper(&prices, ("main", vendor, model), operation, now);
        assert!(cheaper("openai", "gpt-5-mini", Operation::ChatCompletions));
        assert!(cheaper("openai", "gpt-5-mini-2025-08-07", Operation::Responses));
        assert!(!cheaper("openai", "gpt-5-mini", Operation::Completions));
        assert!(!cheaper("openai", "gpt-4o", Operation::ChatCompletions));
        assert!(!cheaper("", "gpt-5-mini", Operation::ChatCompletions), "a compatible server");
        assert!(!cheaper("anthropic", "gpt-5-mini", Operation::ChatCompletions));
    }

    #[test]
    fn a_body_asks_for_the_tier_once() {
        let asked = flexible(br#" {"model":"m","input":"x"}"#).unwrap();
        assert_eq!(asked, &br#" {"service_tier":"flex","model":"m","input":"x"}"#[..]);
        for own in [
            r#"{"model":"m","service_tier":"priority"}"#,
            r#"{"service_tier":"auto","model":"m"}"#,
            r#"{"service_tier":null,"model":"m"}"#,
            "[]",
            "nonsense",
        ] {
            assert_eq!(flexible(own.as_bytes()), None, "{own}");
        }
    }

    #[test]
    fn an_answer_tells_its_tier() {
        let tier = |body: &str| answered_in(body.as_bytes());
        assert_eq!(tier(r#"{"id":"x","service_tier":"flex"}"#).as_deref(), Some("flex"));
        for nothing in [r#"{"service_tier":7}"#, r#"{"service_tier":null}"#, "{}", "[1]"] {
            assert_eq!(tier(nothing), None, "{nothing}");
        }
    }
}
