//! Phase *arrive*: a request as it came in, read no further than governing it needs.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use kernel::{BatchId, Operation, RequestId, ResponseId, Timestamp};

use crate::room::Room;

/// The client's headers that go along to a provider. Everything else stays here: credentials,
/// cookies, addresses.
const FORWARDED: [&str; 4] = ["openai-beta", "anthropic-beta", "traceparent", "tracestate"];

/// A request to a model.
#[derive(Debug)]
pub struct Inbound {
    /// Its id, which the client gets as `x-request-id`.
    pub id: RequestId,
    /// When it arrived.
    pub arrived: Timestamp,
    /// What is asked for.
    pub operation: Operation,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its JSON body, decompressed.
    pub body: Bytes,
    /// The room that the body takes, until the call is settled.
    pub room: Option<Room>,
    /// The response that is being made, of the Responses API.
    pub response: Option<ResponseId>,
    /// The batch that it is of.
    pub batch: Option<BatchId>,
}

impl Inbound {
    /// The `Idempotency-Key`, if the client gave one.
    pub(crate) fn idempotency_key(&self) -> Option<&str> {
        self.headers.get("idempotency-key")?.to_str().ok().filter(|key| !key.is_empty())
    }

    /// How long the client is ready to wait: `x-kijun-timeout-ms`.
    pub(crate) fn patience(&self) -> Option<Duration> {
        let millis = self.headers.get("x-kijun-timeout-ms")?.to_str().ok()?.parse().ok()?;
        Some(Duration::from_millis(millis))
    }

    /// The headers that go along to the provider.
    pub(crate) fn forwarded(&self) -> HeaderMap {
        let mut forwarded = HeaderMap::new();
        for name in FORWARDED {
            if let Some(value) = self.headers.get(name) {
                forwarded.insert(HeaderName::from_static(name), value.clone());
            }
        }
        forwarded
    }
}
