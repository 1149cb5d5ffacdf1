//! Log lines on their way to the collector, besides the standard error where they always go.

use std::fmt;
use std::sync::Arc;

use kernel::{SharedClock, Timestamp};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::attributes::{self, Origin, decimal, flag, number, text};
use super::carrier::Carrier;
use super::queue::{Feed, Queue};
use super::tally::Signal;

/// What the export itself, and what it rests on, has to say: sent along, it would cause more of
/// the same.
const OWN: [&str; 6] = ["telemetry", "reqwest", "hyper", "hyper_util", "rustls", "h2"];

/// Bytes that one value of a line may have.
const LONGEST_VALUE: usize = 4 * 1024;

/// A layer of `tracing` that hands log lines on.
#[derive(Clone)]
pub struct LogBridge {
    feed: Arc<Feed<Line>>,
    clock: SharedClock,
}

/// A log line.
#[derive(Debug)]
pub(crate) struct Line {
    at: Timestamp,
    level: Level,
    target: &'static str,
    fields: Fields,
}

impl LogBridge {
    pub(crate) fn new(feed: Feed<Line>, clock: SharedClock) -> Self {
        Self { feed: Arc::new(feed), clock }
    }
}

impl fmt::Debug for LogBridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogBridge")
    }
}

impl<S: Subscriber> Layer<S> for LogBridge {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        let root = metadata.target().split("::").next().unwrap_or_default();
        if OWN.contains(&root) {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.feed.offer(Line {
            at: self.clock.now(),
            level: *metadata.level(),
            target: metadata.target(),
            fields,
        });
    }
}

/// Sends log lines until the node stops.
pub(crate) async fn send(mut queue: Queue<Line>, carrier: &Carrier, origin: &Origin) {
    let mut stopping = carrier.stopping();
    while let Some(batch) = queue.next(&mut stopping).await {
        let log_records: Vec<LogRecord> = batch.into_iter().map(record).collect();
        let items = log_records.len();
        let scope = ScopeLogs { scope: attributes::scope(), log_records, ..ScopeLogs::default() };
        let resource = ResourceLogs {
            resource: origin.resource(),
            scope_logs: vec![scope],
            ..ResourceLogs::default()
        };
        let message = ExportLogsServiceRequest { resource_logs: vec![resource] };
        carrier.deliver(Signal::Logs, &message, items).await;
    }
}

fn record(line: Line) -> LogRecord {
    let nanos = u64::try_from(line.at.as_micros()).unwrap_or(0).saturating_mul(1_000);
    let Fields { message, mut others } = line.fields;
    others.push(text("kijun.log.target", line.target));
    LogRecord {
        time_unix_nano: nanos,
        observed_time_unix_nano: nanos,
        severity_number: severity(line.level).into(),
        severity_text: line.level.as_str().to_owned(),
        body: Some(AnyValue { value: Some(any_value::Value::StringValue(message)) }),
        attributes: others,
        ..LogRecord::default()
    }
}

const fn severity(level: Level) -> SeverityNumber {
    match level {
        Level::ERROR => SeverityNumber::Error,
        Level::WARN => SeverityNumber::Warn,
        Level::INFO => SeverityNumber::Info,
        Level::DEBUG => SeverityNumber::Debug,
        Level::TRACE => SeverityNumber::Trace,
    }
}

/// What a line says.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    others: Vec<KeyValue>,
}

impl Fields {
    fn put(&mut self, field: &Field, mut value: String) {
        value.truncate(value.floor_char_boundary(LONGEST_VALUE));
        match field.name() {
            "message" => self.message = value,
            name => self.others.push(text(name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.others.push(number(field.name(), value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.others.push(match u64::try_from(value) {
            Ok(value) => number(field.name(), value),
            Err(_) => decimal(field.name(), value as f64),
        });
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.others.push(decimal(field.name(), value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.others.push(flag(field.name(), value));
    }
}
