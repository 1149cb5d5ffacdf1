//! A streamed answer that is kept: its chunks pass at once, under the id that it is kept by, and it
//! is in the store before its `[DONE]` leaves.

use bytes::Bytes;
use futures_util::stream;
use gateway::idempotency::Ticket;
use gateway::stream::MeteredStream;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use serde_json::value::RawValue;
use wire::sse::{self, Event, Splitter};

use super::gather::Gathering;
use super::keep::Keeping;
use super::members::Members;
use crate::EventBody;
use crate::events;

/// A stream on its way to the client. Dropping it hangs up on the provider; nothing is kept then.
pub(super) struct KeptStream {
    upstream: Box<MeteredStream>,
    splitter: Splitter,
    gathering: Gathering,
    keeping: Option<Keeping>,
    ticket: Option<(Ticket, HeaderMap)>,
    /// What ends the stream, once it is reached.
    end: Option<Bytes>,
}

impl KeptStream {
    pub(super) fn new(
        upstream: Box<MeteredStream>,
        keeping: Keeping,
        ticket: Option<(Ticket, HeaderMap)>,
    ) -> Self {
        Self {
            upstream,
            // The gateway has cut it into events, none of which is too long.
            splitter: Splitter::new(usize::MAX),
            gathering: Gathering::default(),
            keeping: Some(keeping),
            ticket,
            end: None,
        }
    }

    /// The stream as the body of an answer.
    pub(super) fn into_body(self) -> EventBody {
        events::body(stream::unfold(self, |mut stream| async {
            let piece = stream.next().await?;
            Some((piece, stream))
        }))
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(end) = self.end.take() {
                self.keep().await;
                return Some(end);
            }
            let frame = self.upstream.frame().await?.ok()?;
            let Ok(piece) = frame.into_data() else { continue };
            let out = self.pass(piece);
            if let Some((ticket, _)) = &mut self.ticket {
                ticket.gather(&out);
                ticket.gather(self.end.as_deref().unwrap_or_default());
            }
            if !out.is_empty() {
                return Some(out);
            }
        }
    }

    /// Reads a piece's events and says what of it goes on at once.
    fn pass(&mut self, piece: Bytes) -> Bytes {
        self.splitter.push(piece);
        let mut out = Vec::new();
        while let Some(Ok(event)) = self.splitter.next() {
            let parsed = Event::parse(&event);
            if parsed.is_done() {
                self.end = Some(event);
                break;
            }
            self.gathering.add(&parsed.data);
            let keeping = self.keeping.as_ref();
            match keeping.and_then(|keeping| edited(keeping, &parsed.data)) {
                Some(Edited::Chunk(chunk)) => sse::write_data(&mut out, &chunk),
                Some(Edited::UsageAlone) => {}
                None => out.extend_from_slice(&event),
            }
        }
        Bytes::from(out)
    }

    async fn keep(&mut self) {
        let Some(completion) = std::mem::take(&mut self.gathering).finish() else { return };
        if let Some(keeping) = self.keeping.take() {
            keeping.keep(completion).await;
        }
        if let Some((ticket, headers)) = self.ticket.take() {
            ticket.keep_gathered(headers);
        }
    }
}

/// What goes to the client in the place of a chunk.
enum Edited {
    /// This.
    Chunk(Vec<u8>),
    /// Nothing: it only told the usage, which the client did not ask for.
    UsageAlone,
}

/// A chunk under the id that its answer is kept by, without the usage that we asked for alone;
/// `None` for what is no chunk.
fn edited(keeping: &Keeping, chunk: &[u8]) -> Option<Edited> {
    let mut members = Members::read(chunk)?;
    let choices = members.get("choices")?;
    if !keeping.shows_usage() {
        let alone = choices.starts_with('[') && choices.trim_matches(['[', ']', ' ']).is_empty();
        if alone && members.get("usage").is_some_and(|usage| usage.starts_with('{')) {
            return Some(Edited::UsageAlone);
        }
        members.remove("usage");
    }
    let id = serde_json::to_string(keeping.id()).ok()?;
    members.put("id", RawValue::from_string(id).ok()?);
    Some(Edited::Chunk(members.to_json()))
}
