//! What a provider answers, in OpenAI's wire format.

use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::Body;
use kernel::Usage;

/// An answer: always a success; everything else is a [`Failure`](crate::Failure).
pub struct Answer {
    /// The provider's status, 200 as a rule.
    pub status: StatusCode,
    /// The provider's headers that are worth handing on (`x-request-id` becomes
    /// `x-upstream-request-id`; hop-by-hop ones, cookies and lengths are gone).
    pub headers: HeaderMap,
    /// The answer itself.
    pub body: AnswerBody,
}

/// The answer's body.
pub enum AnswerBody {
    /// A JSON document.
    Whole {
        /// The document.
        document: Bytes,
        /// The usage that it reports.
        usage: Option<Usage>,
    },
    /// Server-sent events, `data: {…}\n\n` each, closed by `data: [DONE]\n\n`.
    Events(EventStream),
}

/// Pieces of an event stream as they arrive: a piece may hold several events, or a part of one.
/// It ends with `None` when the provider finished, or with an error when it broke off.
pub type EventStream = Pin<Box<dyn Body<Data = Bytes, Error = StreamBreak> + Send>>;

/// Why a stream ended too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamBreak {
    /// The connection was lost.
    #[error("the provider's connection was lost in the middle of its answer")]
    Lost,
    /// Silence for longer than the idle time-out.
    #[error("the provider was silent for longer than its idle time-out")]
    Idle,
    /// The whole call took longer than its deadline.
    #[error("the call took longer than its deadline")]
    Deadline,
    /// What came is no valid stream.
    #[error("the provider sent something that is no valid event stream")]
    Invalid,
}
