//! A call on its way to a provider.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use kernel::{Operation, RequestId};

/// What a provider is asked to do. The body is the client's own, unedited: the provider names its
/// model in it and translates it.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// The id of the client's request, sent along as `x-request-id`.
    pub id: RequestId,
    /// What is asked for.
    pub operation: Operation,
    /// The model's name at the provider.
    pub model: Arc<str>,
    /// The client's JSON body.
    pub body: Bytes,
    /// Whether the client asked for a stream. A provider always asks its upstream for the usage
    /// of a stream; whether the client sees it is the gateway's business.
    pub stream: bool,
    /// Headers of the client that go along: `OpenAI-Beta`, `traceparent`, ... Never credentials.
    pub headers: HeaderMap,
    /// What is left of the whole call's time.
    pub deadline: Duration,
}
