//! What a collector receives.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use kernel::{Clock, Operation, Outcome};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use telemetry::{Format, Metrics, Otlp, OtlpConfig};
use testkit::{FakeClock, SeededRng};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::call;
use crate::collector::Collector;

const TAKEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const LATER: &str =
    "HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n";
const NEVER: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";

const PATIENCE: Duration = Duration::from_secs(20);
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn config(endpoint: String) -> OtlpConfig {
    let mut headers = HeaderMap::new();
    let mut key = HeaderValue::from_static("canary-secret");
    key.set_sensitive(true);
    headers.insert("x-api-key", key);
    OtlpConfig {
        endpoint,
        headers,
        traces: true,
        metrics: true,
        logs: true,
        sample_ratio: 1.0,
        interval: Duration::from_secs(3_600),
        service_name: "kijun".to_owned(),
        instance: "node-1".to_owned(),
    }
}

fn open(config: OtlpConfig) -> (Arc<Metrics>, Otlp) {
    let metrics = Metrics::new(Arc::new(FakeClock::at(crate::BEGAN)));
    let otlp = Otlp::new(config, &metrics, Arc::new(SeededRng::new(1))).unwrap().unwrap();
    (metrics, otlp)
}

fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|one| one.key == key)?.value.as_ref()?.value.as_ref()
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    match value(attributes, key) {
        Some(Value::StringValue(text)) => text,
        other => panic!("{key} is {other:?}"),
    }
}

fn spans(collector: &Collector) -> Vec<Span> {
    let mut spans = Vec::new();
    for posted in collector.posted("/v1/traces") {
        let message = ExportTraceServiceRequest::decode(&*posted.body).unwrap();
        for resource in message.resource_spans {
            let origin = resource.resource.unwrap();
            assert_eq!(text(&origin.attributes, "service.name"), "kijun");
            assert_eq!(text(&origin.attributes, "service.instance.id"), "node-1");
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    spans
}

#[tokio::test]
async fn a_call_is_a_span_with_its_true_times() {
    let collector = Collector::answering(&[TAKEN]).await;
    let (_, otlp) = open(config(collector.endpoint()));
    let watch = otlp.span_watch().unwrap();
    let exporting = otlp.start();
    watch.settled(&call(), Some(PARENT));
    let mut alone = call();
    (alone.outcome, alone.status, alone.operation) =
        (Outcome::UpstreamBroken, 200, Operation::Responses);
    watch.settled(&alone, None);
    exporting.finish(PATIENCE).await;

    let spans = spans(&collector);
    assert_eq!(spans.len(), 2);
    let (child, root) = (&spans[0], &spans[1]);
    assert_eq!(child.name, "chat fast");
    assert_eq!(child.trace_id[..2], [0x0a, 0xf7]);
    assert_eq!(child.parent_span_id, [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]);
    assert_eq!(child.start_time_unix_nano, 1_700_000_000_000_000_000);
    assert_eq!(child.end_time_unix_nano, 1_700_000_001_250_000_000);
    assert!(child.status.is_none());
    for (key, wanted) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.request.model", "fast"),
        ("gen_ai.response.model", "gpt-4o-mini-2024-07-18"),
        ("openai.api.type", "chat_completions"),
        ("kijun.provider", "east"),
        ("kijun.project.id", "proj_1"),
        ("kijun.service_tier", "priority"),
    ] {
        assert_eq!(text(&child.attributes, key), wanted, "{key}");
    }
    let wanted = Some(&Value::IntValue(101));
    assert_eq!(value(&child.attributes, "gen_ai.usage.output_tokens"), wanted);
    assert_eq!(value(&child.attributes, "kijun.cost"), Some(&Value::DoubleValue(0.0015)));
    assert_eq!(value(&child.attributes, "error.type"), None);

    assert!(root.parent_span_id.is_empty());
    assert_eq!(root.trace_id[..6], [0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00], "the request's id");
    assert_eq!(root.status.as_ref().unwrap().message, "upstream_broken");
    assert_eq!(text(&root.attributes, "error.type"), "upstream_broken");
    assert_eq!(text(&root.attributes, "openai.api.type"), "responses");
    for posted in collector.posted("/v1/traces") {
        assert!(posted.head.contains("x-api-key: canary-secret\r\n"), "{}", posted.head);
        assert!(posted.head.contains("content-type: application/x-protobuf\r\n"));
        let personal = posted.body.windows(15).any(|part| part == b"canary-end-user");
        assert!(!personal, "the end user is nobody else's business");
    }
}

#[tokio::test]
async fn metrics_are_those_that_prometheus_reads() {
    let collector = Collector::answering(&[TAKEN]).await;
    let (metrics, otlp) = open(config(collector.endpoint()));
    gateway::Watch::settled(&*metrics, &call(), None);
    otlp.start().finish(PATIENCE).await;

    let posted = collector.posted("/v1/metrics");
    assert_eq!(posted.len(), 1, "once, at the end");
    let message = ExportMetricsServiceRequest::decode(&*posted[0].body).unwrap();
    let found = &message.resource_metrics[0].scope_metrics[0].metrics;
    let by_name = |name: &str| found.iter().find(|metric| metric.name == name).unwrap();
    let Some(Data::Histogram(durations)) = &by_name("gen_ai.client.operation.duration").data else {
        panic!("no histogram");
    };
    assert_eq!(by_name("gen_ai.client.operation.duration").unit, "s");
    assert_eq!(durations.aggregation_temporality, 2, "cumulative");
    let point = &durations.data_points[0];
    assert_eq!((point.count, point.sum), (1, Some(1.25)));
    assert_eq!(point.explicit_bounds.len() + 1, point.bucket_counts.len());
    assert_eq!(text(&point.attributes, "gen_ai.request.model"), "fast");
    assert_eq!(value(&point.attributes, "error.type"), None);
    let Some(Data::Sum(calls)) = &by_name("kijun.calls").data else { panic!("no sum") };
    assert!(calls.is_monotonic);
    assert_eq!(text(&calls.data_points[0].attributes, "kijun.outcome"), "completed");
    assert!(found.iter().all(|metric| metric.name != "kijun.refusals"), "there were none");

    let text = metrics.exposition(Format::Prometheus);
    assert!(text.contains("kijun_telemetry_exported_total{signal=\"metrics\"} "), "{text}");
    assert!(text.contains("kijun_telemetry_dropped_total{signal=\"metrics\"} 0\n"), "{text}");
}

#[tokio::test]
async fn logs_are_sent_but_for_those_of_the_export_itself() {
    let collector = Collector::answering(&[TAKEN]).await;
    let (_, otlp) = open(config(collector.endpoint()));
    let subscriber = tracing_subscriber::registry().with(otlp.log_bridge());
    let exporting = otlp.start();
    tracing::subscriber::with_default(subscriber, || {
        tracing::warn!(target: "gateway::journal", waiting = 7, why = %"disk", "the disk is full");
        tracing::info!(target: "telemetry::otlp", "not this one");
        tracing::info!(target: "hyper::client", "nor this one");
    });
    exporting.finish(PATIENCE).await;

    let posted = collector.posted("/v1/logs");
    let message = ExportLogsServiceRequest::decode(&*posted[0].body).unwrap();
    let records = &message.resource_logs[0].scope_logs[0].log_records;
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!((record.severity_number, record.severity_text.as_str()), (13, "WARN"));
    let body = record.body.as_ref().unwrap().value.clone();
    assert_eq!(body, Some(Value::StringValue("the disk is full".to_owned())));
    assert_eq!(value(&record.attributes, "waiting"), Some(&Value::IntValue(7)));
    assert_eq!(text(&record.attributes, "why"), "disk");
    let now = FakeClock::at(crate::BEGAN).now().as_micros() as u64 * 1_000;
    assert_eq!(record.time_unix_nano, now);
}

#[tokio::test]
async fn a_collector_that_is_busy_is_asked_again() {
    let collector = Collector::answering(&[LATER, LATER, TAKEN]).await;
    let (metrics, otlp) =
        open(OtlpConfig { metrics: false, logs: false, ..config(collector.endpoint()) });
    let watch = otlp.span_watch().unwrap();
    assert!(otlp.log_bridge().is_none());
    for _ in 0..600 {
        watch.settled(&call(), None);
    }
    let exporting = otlp.start();
    // A full batch leaves at once; when it is there, it was asked for three times.
    let arrived = async {
        while !metrics
            .exposition(Format::Prometheus)
            .contains("exported_total{signal=\"traces\"} 512")
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, arrived).await.unwrap();
    assert_eq!(collector.posted("/v1/traces").len(), 3);
    exporting.finish(PATIENCE).await;
    assert_eq!(spans(&collector).len(), 3 * 512 + 88);
}

#[tokio::test]
async fn what_is_refused_or_has_no_room_is_counted_and_nobody_waits() {
    let collector = Collector::answering(&[NEVER]).await;
    let (metrics, otlp) =
        open(OtlpConfig { metrics: false, logs: false, ..config(collector.endpoint()) });
    let watch = otlp.span_watch().unwrap();
    for _ in 0..3_000 {
        watch.settled(&call(), None);
    }
    let dropped =
        |count: u32| format!("kijun_telemetry_dropped_total{{signal=\"traces\"}} {count}\n");
    assert!(metrics.exposition(Format::Prometheus).contains(&dropped(3_000 - 2_048)));
    otlp.start().finish(PATIENCE).await;
    assert!(metrics.exposition(Format::Prometheus).contains(&dropped(3_000)));
    assert_eq!(collector.posted("/v1/traces").len(), 4, "asked once for each batch");
}

#[tokio::test]
async fn without_a_collector_there_is_nothing() {
    let metrics = Metrics::new(Arc::new(FakeClock::at(crate::BEGAN)));
    let none = Otlp::new(config(String::new()), &metrics, Arc::new(SeededRng::new(1))).unwrap();
    assert!(none.is_none());
    assert!(!metrics.exposition(Format::Prometheus).contains("kijun_telemetry"));
}

#[test]
fn what_is_secret_is_not_shown() {
    assert!(!format!("{:?}", config(String::new())).contains("canary"));
}
