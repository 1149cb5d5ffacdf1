//! A streamed answer on its way to the client: metered as it passes, settled before its end.
//!
//! Whole events pass at once and unchanged; only a usage the client did not ask for is taken out.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame};
use kernel::Outcome;
use providers::{EventStream, StreamBreak};
use tokio::time::{Sleep, sleep};
use wire::meter::{Forward, OutputText, StreamMeter};
use wire::sse::Splitter;

use crate::call::Turn;
use crate::idempotency::Ticket;
use crate::settle::{Consumed, Receipt};

/// The largest event that is passed on: an image in base64, or a megabyte of tool arguments.
const LARGEST_EVENT: usize = 32 * 1024 * 1024;
/// After `[DONE]`, how long the provider may take to end its body so that its connection can be
/// used again. The client has everything by then.
const GRACE: Duration = Duration::from_secs(1);

/// The body of a streamed answer. Dropping it hangs up on the provider and settles the call.
pub struct MeteredStream {
    upstream: Option<EventStream>,
    splitter: Splitter,
    meter: StreamMeter,
    receipt: Option<Receipt>,
    grace: Option<Pin<Box<Sleep>>>,
    /// Held until the answer ends.
    _turn: Turn,
    /// Keeps the answer for its `Idempotency-Key`.
    ticket: Option<(Ticket, HeaderMap)>,
}

impl MeteredStream {
    pub(crate) fn new(
        upstream: EventStream,
        meter: StreamMeter,
        receipt: Receipt,
        turn: Turn,
    ) -> Self {
        Self {
            upstream: Some(upstream),
            splitter: Splitter::new(LARGEST_EVENT),
            meter,
            receipt: Some(receipt),
            grace: None,
            _turn: turn,
            ticket: None,
        }
    }

    /// Keeps the answer by this ticket, once it is complete.
    pub(crate) fn kept_by(mut self, ticket: Option<(Ticket, HeaderMap)>) -> Self {
        self.ticket = ticket;
        self
    }

    /// Reads a piece's events and says what of it the client gets; with an event that is too long,
    /// that is what came before it.
    fn pass(&mut self, piece: Bytes) -> (Bytes, Result<(), StreamBreak>) {
        self.splitter.push(piece);
        let mut out = Outgoing::default();
        while let Some(event) = self.splitter.next() {
            let Ok(event) = event else { return (out.into_bytes(), Err(StreamBreak::Invalid)) };
            out.hand_on(self.meter.read(&event), event);
        }
        (out.into_bytes(), Ok(()))
    }

    fn consumed(&mut self) -> Consumed {
        let usage = self.meter.usage();
        let output = match usage {
            Some(_) => OutputText::default(),
            None => self.meter.output().clone(),
        };
        let tier = self.meter.service_tier().map(str::to_owned);
        Consumed { usage, output, tier }
    }

    /// Takes what the provider sent next; returns what of it the client gets.
    fn take(&mut self, sent: Option<Result<Frame<Bytes>, StreamBreak>>) -> Bytes {
        match sent {
            Some(Ok(frame)) => {
                let Ok(piece) = frame.into_data() else { return Bytes::new() };
                if let Some(receipt) = &mut self.receipt {
                    receipt.first_byte();
                }
                let (out, whole) = self.pass(piece);
                let out = self.leaving(out);
                match whole {
                    Ok(()) => out,
                    Err(broken) => Outgoing::joined(out, self.end(Err(broken))),
                }
            }
            Some(Err(broken)) => self.end(Err(broken)),
            None => {
                let mut tail = Outgoing::default();
                if let Some(rest) = self.splitter.finish() {
                    // A last event without its blank line would run into the next.
                    let event = Bytes::from([&rest[..], b"\n\n"].concat());
                    tail.hand_on(self.meter.read(&event), event);
                }
                let tail = self.leaving(tail.into_bytes());
                Outgoing::joined(tail, self.end(Ok(())))
            }
        }
    }

    /// Bytes on their way out. With `[DONE]` among them, the call is settled first.
    fn leaving(&mut self, out: Bytes) -> Bytes {
        if let Some((ticket, _)) = &mut self.ticket {
            ticket.gather(&out);
        }
        if self.meter.is_done() {
            self.settle_as_said();
        }
        out
    }

    /// Settles a stream that ended; returns what is still to be told to the client.
    fn end(&mut self, how: Result<(), StreamBreak>) -> Bytes {
        self.upstream = None;
        if self.receipt.is_none() {
            return Bytes::new();
        }
        let broken = match how {
            // Some servers end without a word: the client gets one.
            Ok(()) if !self.meter.finish_reasons().is_empty() => {
                let done = self.leaving(Bytes::from_static(b"data: [DONE]\n\n"));
                self.settle_as_said();
                return done;
            }
            // The provider has told the client itself.
            _ if self.meter.error().is_some() => {
                self.settle_as_said();
                return Bytes::new();
            }
            Ok(()) => StreamBreak::Lost,
            Err(broken) => broken,
        };
        let outcome = match broken {
            StreamBreak::Idle | StreamBreak::Deadline => Outcome::TimedOut,
            StreamBreak::Lost | StreamBreak::Invalid => Outcome::UpstreamBroken,
        };
        self.settle(outcome);
        error_event(broken, self.meter.reads_response())
    }

    /// Settles a stream that its provider brought to an end of its own: an answer, or an error.
    fn settle_as_said(&mut self) {
        if self.receipt.is_none() {
            return;
        }
        if self.meter.error().is_some() {
            self.settle(Outcome::UpstreamBroken);
            return;
        }
        self.settle(Outcome::Completed);
        if let Some((ticket, headers)) = self.ticket.take() {
            ticket.keep_gathered(headers);
        }
    }

    fn settle(&mut self, outcome: Outcome) {
        if let Some(receipt) = self.receipt.take() {
            receipt.settle(outcome, 200, self.consumed());
        }
    }
}

impl Body for MeteredStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        loop {
            let Some(upstream) = this.upstream.as_mut() else { return Poll::Ready(None) };
            let polled = upstream.as_mut().poll_frame(context);
            if this.meter.is_done() {
                // The client has everything; this is only about using the connection again.
                if polled.is_pending() {
                    let grace = this.grace.get_or_insert_with(|| Box::pin(sleep(GRACE)));
                    ready!(grace.as_mut().poll(context));
                }
                this.upstream = None;
                continue;
            }
            let out = this.take(ready!(polled));
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out))));
            }
        }
    }
}

impl Drop for MeteredStream {
    /// The client hung up, or the node stops.
    fn drop(&mut self) {
        if let Some(receipt) = self.receipt.take() {
            let consumed = self.consumed();
            receipt.cut_off(consumed);
        }
    }
}

/// Events that leave together. One that leaves alone is not copied.
#[derive(Default)]
struct Outgoing {
    first: Option<Bytes>,
    joined: BytesMut,
}

impl Outgoing {
    fn joined(first: Bytes, second: Bytes) -> Bytes {
        let mut out = Self::default();
        out.push(first);
        out.push(second);
        out.into_bytes()
    }

    fn hand_on(&mut self, how: Forward, event: Bytes) {
        match how {
            Forward::AsIs => self.push(event),
            Forward::Edited(edited) => self.push(edited),
            Forward::Drop => {}
        }
    }

    fn push(&mut self, event: Bytes) {
        if self.joined.is_empty() && self.first.is_none() {
            self.first = Some(event);
            return;
        }
        if let Some(first) = self.first.take() {
            self.joined.extend_from_slice(&first);
        }
        self.joined.extend_from_slice(&event);
    }

    fn into_bytes(self) -> Bytes {
        self.first.unwrap_or_else(|| self.joined.freeze())
    }
}

/// An error event, which the official SDKs raise as an `APIError`. There is no `[DONE]` after it.
fn error_event(broken: StreamBreak, response: bool) -> Bytes {
    let code = match broken {
        StreamBreak::Lost => "upstream_connection_lost",
        StreamBreak::Idle | StreamBreak::Deadline => "upstream_timeout",
        StreamBreak::Invalid => "upstream_invalid_stream",
    };
    let message = broken.to_string();
    if response {
        let error = serde_json::json!({
            "type": "error", "code": code, "message": message, "param": null,
        });
        return Bytes::from(format!("event: error\ndata: {error}\n\n"));
    }
    let error = serde_json::json!({"error": {
        "message": message, "type": "server_error", "param": null, "code": code,
    }});
    Bytes::from(format!("data: {error}\n\n"))
}
