//! One span for each call, made after it was settled, with the times at which it really began and
//! ended. It holds numbers, names and ids, never content and never who the end user was.

use gateway::{Refusal, Watch};
use kernel::{CallRecord, Operation, Outcome, RequestId};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span, Status, span::SpanKind, status::StatusCode,
};

use super::attributes::{self, Origin, decimal, flag, number, text};
use super::carrier::Carrier;
use super::queue::{Feed, Queue};
use super::tally::Signal;
use super::trace_parent::{TraceParent, hex};
use crate::Metrics;
use crate::convention::{self, Vendor};

/// A call that gets a span.
#[derive(Debug)]
pub(crate) struct Seen {
    record: CallRecord,
    ids: Ids,
}

/// Where a span stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ids {
    trace: [u8; 16],
    span: [u8; 8],
    parent: Option<[u8; 8]>,
}

/// Chooses the calls that get a span.
#[derive(Debug)]
pub(crate) struct SpanWatch {
    feed: Feed<Box<Seen>>,
    ratio: f64,
}

impl SpanWatch {
    pub(crate) fn new(feed: Feed<Box<Seen>>, ratio: f64) -> Self {
        Self { feed, ratio }
    }
}

impl Watch for SpanWatch {
    fn settled(&self, record: &CallRecord, traceparent: Option<&str>) {
        if let Some(ids) = chosen(&record.id, traceparent, self.ratio) {
            self.feed.offer(Box::new(Seen { record: record.clone(), ids }));
        }
    }

    fn refused(&self, _refusal: &Refusal, _operation: Operation) {}
}

/// Where the span of a call stands, if it is to have one. Whether a trace is kept is its client's
/// choice, where it made one.
///
/// Without a client's trace, the request's id is the trace's, so that whoever has the one finds the
/// other. Its last seven bytes are random, which W3C's `random` flag says of it, and are compared
/// with the share as all do who sample consistently.
fn chosen(id: &RequestId, traceparent: Option<&str>, ratio: f64) -> Option<Ids> {
    let own: [u8; 16] = hex(id.as_str().strip_prefix(RequestId::PREFIX)?)?;
    let span = last(&own);
    if let Some(parent) = traceparent.and_then(TraceParent::parse) {
        let ids = Ids { trace: parent.trace, span, parent: Some(parent.span) };
        return parent.sampled.then_some(ids);
    }
    let drawn = u64::from_be_bytes(span) & ((1 << 56) - 1);
    let kept = (drawn as f64) < ratio * (1u64 << 56) as f64;
    kept.then_some(Ids { trace: own, span, parent: None })
}

fn last(bytes: &[u8; 16]) -> [u8; 8] {
    let [.., a, b, c, d, e, f, g, h] = *bytes;
    [a, b, c, d, e, f, g, h]
}

/// Sends spans until the node stops.
pub(crate) async fn send(
    mut queue: Queue<Box<Seen>>,
    carrier: &Carrier,
    origin: &Origin,
    metrics: &Metrics,
) {
    let mut stopping = carrier.stopping();
    while let Some(batch) = queue.next(&mut stopping).await {
        let mut spans = Vec::with_capacity(batch.len());
        for seen in &batch {
            spans.push(span(&seen.record, seen.ids, &metrics.vendor(&seen.record.provider)));
        }
        let items = spans.len();
        let scope = ScopeSpans { scope: attributes::scope(), spans, ..ScopeSpans::default() };
        let resource = ResourceSpans {
            resource: origin.resource(),
            scope_spans: vec![scope],
            ..ResourceSpans::default()
        };
        let message = ExportTraceServiceRequest { resource_spans: vec![resource] };
        carrier.deliver(Signal::Traces, &message, items).await;
    }
}

fn span(record: &CallRecord, ids: Ids, vendor: &Vendor) -> Span {
    let micros = u64::try_from(record.started_at.as_micros()).unwrap_or(0);
    let failed = !matches!(record.outcome, Outcome::Completed | Outcome::ClientClosed);
    let status = failed.then(|| Status {
        message: record.outcome.as_str().to_owned(),
        code: StatusCode::Error.into(),
    });
    Span {
        trace_id: ids.trace.to_vec(),
        span_id: ids.span.to_vec(),
        parent_span_id: ids.parent.map(|parent| parent.to_vec()).unwrap_or_default(),
        // Kept, and random where it is ours.
        flags: if ids.parent.is_some() { 0b01 } else { 0b11 },
        name: format!("{} {}", convention::operation_name(record.operation), record.model),
        kind: SpanKind::Client.into(),
        start_time_unix_nano: micros.saturating_mul(1_000),
        end_time_unix_nano: micros.saturating_add(record.duration_us).saturating_mul(1_000),
        attributes: described(record, vendor),
        status,
        ..Span::default()
    }
}

fn described(record: &CallRecord, vendor: &Vendor) -> Vec<KeyValue> {
    let mut all = by_convention(record, vendor);
    all.extend([
        text("kijun.request.id", record.id.as_str()),
        text("kijun.organization.id", record.organization.as_str()),
        text("kijun.project.id", record.project.as_str()),
        text("kijun.api_key.id", record.api_key.as_str()),
        text("kijun.outcome", record.outcome.as_str()),
        text("kijun.service_tier", record.service_tier.as_str()),
        number("kijun.attempts", record.attempts.into()),
        flag("kijun.usage.estimated", record.usage.estimated),
    ]);
    if !record.provider.is_empty() {
        all.push(text("kijun.provider", &record.provider));
    }
    all.extend(record.batch.as_ref().map(|batch| text("kijun.batch.id", batch.as_str())));
    all.extend(record.cost.map(|cost| decimal("kijun.cost", cost.as_nanos() as f64 / 1e9)));
    let seconds = |micros: u64| micros as f64 / 1e6;
    all.extend(record.first_byte_us.map(|first| decimal("kijun.first_byte", seconds(first))));
    all
}

fn by_convention(record: &CallRecord, vendor: &Vendor) -> Vec<KeyValue> {
    let usage = &record.usage;
    let mut all = vec![
        text("gen_ai.operation.name", convention::operation_name(record.operation)),
        text("gen_ai.request.model", &record.model),
        text("openai.api.type", record.operation.as_str()),
        flag("gen_ai.request.stream", record.stream),
        number("http.response.status_code", record.status.into()),
    ];
    if !record.provider.is_empty() {
        all.push(text("gen_ai.provider.name", &*vendor.name));
        all.push(text("gen_ai.response.model", &record.upstream_model));
    }
    all.extend(vendor.address.as_ref().map(|address| text("server.address", address)));
    all.extend(vendor.port.map(|port| number("server.port", port.into())));
    all.extend(record.response.as_ref().map(|id| text("gen_ai.response.id", id.as_str())));
    for (key, tokens) in [
        ("gen_ai.usage.input_tokens", usage.input),
        ("gen_ai.usage.output_tokens", usage.output),
        ("gen_ai.usage.cache_read.input_tokens", usage.input_cached),
        ("gen_ai.usage.cache_creation.input_tokens", usage.input_cache_write),
        ("gen_ai.usage.reasoning.output_tokens", usage.output_reasoning),
    ] {
        if tokens > 0 {
            all.push(number(key, tokens));
        }
    }
    if record.outcome != Outcome::Completed {
        all.push(text("error.type", record.outcome.as_str()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0";

    fn id(last: &str) -> RequestId {
        format!("req_0123456789ab{last:0>20}").into()
    }

    #[test]
    fn a_client_decides_about_its_own_traces() {
        let kept = chosen(&id("1"), Some(&format!("{PARENT}1")), 0.0).unwrap();
        assert_eq!((kept.trace[0], kept.parent.unwrap()[0]), (0x0a, 0xb7));
        assert_eq!(kept.span, [0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(chosen(&id("1"), Some(&format!("{PARENT}0")), 1.0), None);
    }

    #[test]
    fn otherwise_a_share_is_kept_by_the_last_seven_bytes() {
        let (low, high) = (id("3fffffffffffff"), id("c0000000000000"));
        assert!(chosen(&low, None, 0.5).is_some());
        assert!(chosen(&high, None, 0.5).is_none());
        assert!(chosen(&high, Some("nonsense"), 1.0).is_some());
        assert!(chosen(&low, None, 0.0).is_none());
        let ids = chosen(&low, None, 1.0).unwrap();
        assert_eq!(
            (ids.trace[..6].to_vec(), ids.parent),
            (vec![1, 0x23, 0x45, 0x67, 0x89, 0xab], None)
        );
    }

    #[test]
    fn an_id_of_another_shape_gets_no_span() {
        assert_eq!(chosen(&"req_7".into(), None, 1.0), None);
    }
}
