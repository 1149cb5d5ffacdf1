//! What is asked for, and what comes of it.

use admission::RateLimitHeaders;
use bytes::Bytes;
use gateway::room::Room;
use http::{HeaderMap, StatusCode};
use kernel::{BatchId, RequestId, Timestamp};

use crate::events::EventBody;

/// A request for a response.
pub struct Asked {
    /// The request's id, which is also its record's.
    pub id: RequestId,
    /// When it arrived.
    pub arrived: Timestamp,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its JSON body.
    pub body: Bytes,
    /// The room that the body takes, until the response is made.
    pub room: Option<Room>,
    /// The batch that it is of.
    pub batch: Option<BatchId>,
}

/// A response that was begun, or is there already.
pub struct Created {
    /// The status; the provider's, 200 as a rule.
    pub status: StatusCode,
    /// The provider's headers that are worth handing on.
    pub headers: HeaderMap,
    /// What is left of the tightest limits.
    pub limits: RateLimitHeaders,
    /// Whether this answer was given before, to the same `Idempotency-Key`.
    pub replayed: bool,
    /// The response.
    pub body: CreatedBody,
}

/// The body of an answer.
pub enum CreatedBody {
    /// The response as a JSON document.
    Whole(Bytes),
    /// Its events, all there already.
    Replay(Bytes),
    /// Its events as they come.
    Events(EventBody),
}

/// Takes out what has done its work when a response is begun: credentials, and the key that is
/// claimed for the response, not for its call.
pub(crate) fn forget_spent(headers: &mut HeaderMap) {
    for name in ["idempotency-key", "authorization", "x-api-key", "api-key", "cookie"] {
        headers.remove(name);
    }
}
