//! A run's events as the body of an answer.

use std::convert::Infallible;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use gateway::idempotency::Ticket;
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, StreamBody};
use wire::responses::Event;

use crate::run::Run;

/// Server-sent events as they come. Dropping it hangs up on whoever makes them.
pub type EventBody = Pin<Box<dyn Body<Data = Bytes, Error = Infallible> + Send>>;

/// The body of these pieces.
pub(crate) fn body(pieces: impl Stream<Item = Bytes> + Send + 'static) -> EventBody {
    Box::pin(StreamBody::new(pieces.map(|piece| Ok(Frame::data(piece)))))
}

/// Events as they are sent, one after the other; the last one is followed by `[DONE]`.
pub(crate) fn sent(events: &[Event]) -> Bytes {
    let mut out = Vec::new();
    for event in events {
        out.extend_from_slice(&event.to_sse());
        if event.is_terminal() {
            out.extend_from_slice(wire::sse::DONE);
        }
    }
    Bytes::from(out)
}

/// The events of a run that its client's connection drives: a hang-up ends it.
pub(crate) fn of_run(run: Run) -> EventBody {
    body(stream::unfold(run, |mut run| async {
        let events = run.next().await?;
        Some((sent(&events), run))
    }))
}

/// The same events, kept for an `Idempotency-Key` once the last one is there. Those of a response
/// that failed are not kept, so that it can be asked for again.
pub(crate) fn gathered(events: EventBody, ticket: Ticket, headers: HeaderMap) -> EventBody {
    body(stream::unfold((events, Some((ticket, headers))), |(mut events, mut kept)| async {
        let piece = events.as_mut().frame().await.and_then(Result::ok)?;
        let piece = piece.into_data().unwrap_or_default();
        if let Some((ticket, _)) = &mut kept {
            ticket.gather(&piece);
        }
        if piece.ends_with(wire::sse::DONE)
            && memchr::memmem::find(&piece, b"event: response.failed\n").is_none()
            && let Some((ticket, headers)) = kept.take()
        {
            ticket.keep_gathered(headers);
        }
        Some((piece, (events, kept)))
    }))
}
