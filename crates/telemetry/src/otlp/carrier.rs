//! Brings messages to the collector, again and again for a while if it does not take them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kernel::SharedRng;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tokio::sync::watch;

use super::tally::{Signal, Tally};
use crate::TelemetryError;

/// How long one attempt may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How often a message is brought at most.
const ATTEMPTS: u32 = 5;

/// How long to wait after the first failure, doubled each time; half of it is random.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How long the collector may ask us to wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Bytes of the collector's answer that are read.
const ANSWER_BYTES: usize = 64 * 1024;

/// The way to the collector.
#[derive(Debug)]
pub(crate) struct Carrier {
    client: reqwest::Client,
    endpoint: String,
    headers: HeaderMap,
    tally: Arc<Tally>,
    stopping: Stopping,
    rng: SharedRng,
    /// Whether the last message did not arrive: an outage is told once.
    away: AtomicBool,
}

/// Why a message did not arrive.
enum Failed {
    /// It may arrive later; the collector may have said when.
    ForNow(String, Option<Duration>),
    /// The collector does not want it.
    ForGood(String),
}

impl Carrier {
    /// A way to this address.
    pub(crate) fn new(
        endpoint: &str,
        mut headers: HeaderMap,
        tally: Arc<Tally>,
        stopping: watch::Receiver<bool>,
        rng: SharedRng,
    ) -> Result<Self, TelemetryError> {
        let uri: http::Uri = endpoint.parse().map_err(|_| TelemetryError::Endpoint)?;
        let web = matches!(uri.scheme_str(), Some("http" | "https"));
        if !web || uri.host().is_none_or(str::is_empty) || uri.query().is_some() {
            return Err(TelemetryError::Endpoint);
        }
        let protobuf = HeaderValue::from_static("application/x-protobuf");
        headers.insert(header::CONTENT_TYPE, protobuf);
        let client = reqwest::Client::builder()
            .user_agent(concat!("kijun/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .pool_max_idle_per_host(1)
            .build()
            .map_err(|error| TelemetryError::Client { why: error.to_string() })?;
        Ok(Self {
            client,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            headers,
            tally,
            stopping: Stopping(stopping),
            rng,
            away: AtomicBool::new(false),
        })
    }

    /// When to stop.
    pub(crate) fn stopping(&self) -> Stopping {
        self.stopping.clone()
    }

    /// Brings a message that holds so many items. Once the node stops, there is one attempt.
    pub(crate) async fn deliver(&self, signal: Signal, message: &impl Message, items: usize) {
        let (body, items) = (Bytes::from(message.encode_to_vec()), items as u64);
        let mut stopping = self.stopping();
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            let (why, asked) = match self.post(signal, body.clone()).await {
                Ok(rejected) => return self.arrived(signal, items, rejected.min(items)),
                Err(Failed::ForNow(why, asked)) => (why, asked),
                Err(Failed::ForGood(why)) => return self.let_go(signal, items, &why),
            };
            if attempt == ATTEMPTS || stopping.now() {
                return self.let_go(signal, items, &why);
            }
            let drawn = pause.mul_f64(0.5 + self.rng.next_f64() / 2.0);
            let pausing = asked.unwrap_or(drawn).min(LONGEST_PAUSE);
            tokio::select! {
                () = tokio::time::sleep(pausing) => {}
                () = stopping.asked() => {}
            }
            pause *= 2;
        }
    }

    /// One attempt. Returns how many items the collector took and threw away.
    async fn post(&self, signal: Signal, body: Bytes) -> Result<u64, Failed> {
        let url = format!("{}/v1/{}", self.endpoint, signal.as_str());
        let request = self.client.post(url).headers(self.headers.clone()).body(body);
        // The address may hold a password.
        let failed = |error: reqwest::Error| Failed::ForNow(error.without_url().to_string(), None);
        let mut answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        if status.is_success() {
            let mut said = Vec::new();
            while let Ok(Some(chunk)) = answer.chunk().await {
                if said.len() + chunk.len() > ANSWER_BYTES {
                    break;
                }
                said.extend_from_slice(&chunk);
            }
            return Ok(rejected(&said));
        }
        let why = format!("it answered {status}");
        // These say "later", by the protocol; all others say "never".
        match status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                Err(Failed::ForNow(why, retry_after(answer.headers())))
            }
            _ => Err(Failed::ForGood(why)),
        }
    }

    fn arrived(&self, signal: Signal, items: u64, rejected: u64) {
        self.tally.exported(signal, items - rejected);
        if rejected > 0 {
            self.tally.dropped(signal, rejected);
            tracing::debug!(signal = signal.as_str(), rejected, "the collector took only a part");
        }
        if self.away.swap(false, Ordering::Relaxed) {
            tracing::info!("the collector takes telemetry again");
        }
    }

    fn let_go(&self, signal: Signal, items: u64, why: &str) {
        self.tally.dropped(signal, items);
        if !self.away.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                signal = signal.as_str(),
                why,
                "the collector does not take telemetry; it is let go until it does"
            );
        }
    }
}

/// What the collector did not keep of what it took. The answers for the three signals differ in
/// names only, not in how they are written.
fn rejected(answer: &[u8]) -> u64 {
    let partial = ExportTraceServiceResponse::decode(answer).ok().and_then(|it| it.partial_success);
    partial.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0))
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Whether the node stops.
#[derive(Debug, Clone)]
pub(crate) struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// Whether it does now.
    pub(crate) fn now(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it does.
    pub(crate) async fn asked(&mut self) {
        // It fails when nobody can ask any more.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// One for tests, and what asks it to stop.
    #[cfg(test)]
    pub(crate) fn pair() -> (watch::Sender<bool>, Self) {
        let (stop, stopping) = watch::channel(false);
        (stop, Self(stopping))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::logs::v1::{
        ExportLogsPartialSuccess, ExportLogsServiceResponse,
    };
    use testkit::SeededRng;

    fn carrier(endpoint: &str) -> Result<Carrier, TelemetryError> {
        let (_stop, Stopping(stopping)) = Stopping::pair();
        let rng = Arc::new(SeededRng::new(1));
        Carrier::new(endpoint, HeaderMap::new(), Arc::default(), stopping, rng)
    }

    #[test]
    fn only_addresses_of_collectors_are_taken() {
        for wrong in ["collector:4318", "ftp://c", "http://", "/v1/traces", "http://c/?x=1"] {
            assert!(matches!(carrier(wrong), Err(TelemetryError::Endpoint)), "{wrong}");
        }
        assert_eq!(carrier("http://c:4318/otlp/").unwrap().endpoint, "http://c:4318/otlp");
    }

    #[test]
    fn what_a_collector_rejects_is_read_for_every_signal() {
        let partial = ExportLogsPartialSuccess { rejected_log_records: 3, ..Default::default() };
        let answer = ExportLogsServiceResponse { partial_success: Some(partial) };
        assert_eq!(rejected(&answer.encode_to_vec()), 3);
        assert_eq!(rejected(b""), 0);
        assert_eq!(rejected(b"<html>"), 0);
    }

    #[test]
    fn a_collector_may_say_when() {
        let mut headers = HeaderMap::new();
        assert_eq!(retry_after(&headers), None);
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("7"));
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
    }
}
