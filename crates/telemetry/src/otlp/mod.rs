//! The same for OpenTelemetry: spans of calls, metrics and logs, sent to a collector by OTLP over
//! HTTP in protobuf.
//!
//! Nothing waits for the collector. What happens is put into bounded queues, from which batches are
//! sent; what a queue has no room for, and what no attempt could deliver, is counted and let go.

mod attributes;
mod carrier;
mod log_bridge;
mod points;
mod queue;
mod spans;
mod tally;
mod trace_parent;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gateway::Watch;
use http::HeaderMap;
use kernel::SharedRng;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use log_bridge::LogBridge;
pub(crate) use tally::Tally;

use crate::{Metrics, TelemetryError};
use attributes::Origin;
use carrier::Carrier;
use queue::Queue;
use spans::{Seen, SpanWatch};
use tally::Signal;

/// Where the collector is, and what it gets.
#[derive(Debug, Clone)]
pub struct OtlpConfig {
    /// Its address, without a signal's path.
    pub endpoint: String,
    /// Sent along with everything; mark what is secret as sensitive.
    pub headers: HeaderMap,
    /// Whether it gets a span for each call.
    pub traces: bool,
    /// Whether it gets metrics.
    pub metrics: bool,
    /// Whether it gets logs.
    pub logs: bool,
    /// The share of calls that get a span where their client does not say.
    pub sample_ratio: f64,
    /// Time between two sendings of metrics.
    pub interval: Duration,
    /// `service.name`
    pub service_name: String,
    /// `service.instance.id`: this node, among those of the service.
    pub instance: String,
}

/// What is sent to a collector. Made first, so that it sees everything; sends once it is started.
#[derive(Debug)]
pub struct Otlp {
    metrics: Arc<Metrics>,
    carrier: Carrier,
    origin: Arc<Origin>,
    points_every: Option<Duration>,
    spans: Option<(Arc<SpanWatch>, Queue<Box<Seen>>)>,
    logs: Option<(LogBridge, Queue<log_bridge::Line>)>,
    stop: watch::Sender<bool>,
}

impl Otlp {
    /// Ready to be started; `None` if no collector is configured.
    ///
    /// # Errors
    /// When the configuration is wrong.
    pub fn new(
        config: OtlpConfig,
        metrics: &Arc<Metrics>,
        rng: SharedRng,
    ) -> Result<Option<Self>, TelemetryError> {
        if config.endpoint.is_empty() {
            return Ok(None);
        }
        let ratio = config.sample_ratio;
        if !(0.0..=1.0).contains(&ratio) {
            return Err(TelemetryError::Ratio { ratio });
        }
        let (stop, stopping) = watch::channel(false);
        let tally = &metrics.tally;
        let spans = config.traces.then(|| {
            let (feed, queue) = queue::bounded(Signal::Traces, tally);
            (Arc::new(SpanWatch::new(feed, ratio)), queue)
        });
        let logs = config.logs.then(|| {
            let (feed, queue) = queue::bounded(Signal::Logs, tally);
            (LogBridge::new(feed, Arc::clone(&metrics.clock)), queue)
        });
        let points_every = config.metrics.then_some(config.interval);
        if config.metrics {
            tally.begin(Signal::Metrics);
        }
        let origin = Arc::new(Origin::new(&config.service_name, &config.instance));
        let carrier =
            Carrier::new(&config.endpoint, config.headers, Arc::clone(tally), stopping, rng)?;
        let metrics = Arc::clone(metrics);
        Ok(Some(Self { metrics, carrier, origin, points_every, spans, logs, stop }))
    }

    /// Who must be told of calls, if there are to be spans of them.
    pub fn span_watch(&self) -> Option<Arc<dyn Watch>> {
        let (watch, _) = self.spans.as_ref()?;
        Some(Arc::clone(watch) as _)
    }

    /// What must be told of logs, if they are to be sent.
    pub fn log_bridge(&self) -> Option<LogBridge> {
        self.logs.as_ref().map(|(bridge, _)| bridge.clone())
    }

    /// Sends from now on.
    pub fn start(self) -> Exporting {
        let Self { metrics, carrier, origin, points_every, spans, logs, stop } = self;
        let carrier = Arc::new(carrier);
        let mut tasks = JoinSet::new();
        if let Some((_, queue)) = spans {
            let (carrier, origin, metrics) =
                (Arc::clone(&carrier), origin.clone(), metrics.clone());
            tasks.spawn(async move { spans::send(queue, &carrier, &origin, &metrics).await });
        }
        if let Some((_, queue)) = logs {
            let (carrier, origin) = (Arc::clone(&carrier), origin.clone());
            tasks.spawn(async move { log_bridge::send(queue, &carrier, &origin).await });
        }
        if let Some(every) = points_every {
            tasks.spawn(async move { points::send(every, &carrier, &origin, &metrics).await });
        }
        Exporting { tasks, stop }
    }
}

/// What sends to the collector; dropped, it ends at once.
pub struct Exporting {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Exporting {
    /// Sends what is left, once, and ends; at the latest when `patience` is over.
    pub async fn finish(mut self, patience: Duration) {
        let _ = self.stop.send(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, ended).await.is_err() {
            tracing::warn!("the collector took too long; the last telemetry is lost");
        }
    }
}

impl fmt::Debug for Exporting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exporting({} tasks)", self.tasks.len())
    }
}
