//! The body of a response: it owns the connection it comes from.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::connection::{Connection, Stop};
use super::pool::{Host, after};
use crate::StreamBreak;

/// Pieces that arrived together become one, up to this size: one frame to the client costs less
/// than many, and what is already here waits for nothing.
const TOGETHER: usize = 16 * 1024;

/// Room for the few events that usually come together.
const MODEST: usize = 4 * 1024;

/// A response's body as it arrives. Read to its end, its connection goes back to the pool; dropped
/// earlier, the socket is closed at once.
pub(crate) struct ResponseBody {
    flow: Option<Flow>,
    /// A break that came right behind data: the data goes first.
    broken: Option<StreamBreak>,
}

struct Flow {
    connection: Box<Connection>,
    incoming: Incoming,
    host: Arc<Host>,
    pace: Pace,
}

/// How long a body may take.
pub(super) struct Pace {
    /// The longest silence.
    pub(super) idle: Duration,
    /// When silence has lasted too long, as of the last piece.
    pub(super) silence_ends: Instant,
    /// When the whole call must be over.
    pub(super) total: Instant,
}

/// A body that could not be read as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It broke off.
    Broken(StreamBreak),
    /// It is longer than allowed.
    TooLong,
}

impl ResponseBody {
    pub(super) fn new(
        connection: Box<Connection>,
        incoming: Incoming,
        host: Arc<Host>,
        pace: Pace,
    ) -> Self {
        Self { flow: Some(Flow { connection, incoming, host, pace }), broken: None }
    }

    /// All of it, if it is no longer than `most` bytes.
    pub(crate) async fn whole(mut self, most: usize) -> Result<Bytes, Unread> {
        let expected = self.size_hint().exact().unwrap_or(0);
        if expected > most as u64 {
            return Err(Unread::TooLong);
        }
        let Some(first) = self.piece().await? else { return Ok(Bytes::new()) };
        if first.len() > most {
            return Err(Unread::TooLong);
        }
        let Some(second) = self.piece().await? else { return Ok(first) };
        // A length that the peer only claims reserves no more than a modest buffer.
        let claimed = usize::try_from(expected).unwrap_or(0).min(1024 * 1024);
        let mut all = BytesMut::with_capacity(claimed.max(first.len() + second.len()));
        all.extend_from_slice(&first);
        all.extend_from_slice(&second);
        loop {
            if all.len() > most {
                return Err(Unread::TooLong);
            }
            match self.piece().await? {
                Some(piece) => all.extend_from_slice(&piece),
                None => return Ok(all.freeze()),
            }
        }
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Unread> {
        std::future::poll_fn(|cx| self.poll_piece(cx)).await.map_err(Unread::Broken)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamBreak>> {
        let Some(flow) = &mut self.flow else { return Poll::Ready(Ok(None)) };
        let limit = flow.pace.silence_ends.min(flow.pace.total);
        let outcome = ready!(flow.connection.poll_piece(cx, limit, &mut flow.incoming));
        Poll::Ready(match outcome {
            Ok(Some(piece)) => {
                let now = Instant::now();
                flow.pace.silence_ends = after(now, flow.pace.idle);
                if now < flow.pace.total {
                    Ok(Some(piece))
                } else {
                    // A flood never waits for the alarm.
                    self.flow = None;
                    Err(StreamBreak::Deadline)
                }
            }
            Ok(None) => {
                if let Some(Flow { connection, incoming, host, .. }) = self.flow.take() {
                    drop(incoming);
                    host.put_back(connection);
                }
                Ok(None)
            }
            Err(stop) => {
                let broken = match stop {
                    Stop::Closed => StreamBreak::Lost,
                    Stop::Elapsed if limit == flow.pace.total => StreamBreak::Deadline,
                    Stop::Elapsed => StreamBreak::Idle,
                };
                self.flow = None;
                Err(broken)
            }
        })
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = StreamBreak;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamBreak>>> {
        let this = self.get_mut();
        if let Some(broken) = this.broken.take() {
            return Poll::Ready(Some(Err(broken)));
        }
        let first = match ready!(this.poll_piece(cx)) {
            Ok(Some(piece)) => piece,
            Ok(None) => return Poll::Ready(None),
            Err(broken) => return Poll::Ready(Some(Err(broken))),
        };
        let mut together = BytesMut::new();
        while first.len() < TOGETHER {
            match this.poll_piece(cx) {
                Poll::Ready(Ok(Some(piece))) => {
                    if together.is_empty() {
                        together.reserve(MODEST.max(first.len() + piece.len()));
                        together.extend_from_slice(&first);
                    }
                    together.extend_from_slice(&piece);
                    if together.len() >= TOGETHER {
                        break;
                    }
                }
                Poll::Ready(Err(broken)) => {
                    this.broken = Some(broken);
                    break;
                }
                Poll::Ready(Ok(None)) | Poll::Pending => break,
            }
        }
        let data = if together.is_empty() { first } else { together.freeze() };
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.flow.is_none() && self.broken.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.flow.as_ref().map_or_else(|| SizeHint::with_exact(0), |flow| flow.incoming.size_hint())
    }
}
