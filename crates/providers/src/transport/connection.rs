//! One HTTP/1.1 connection, polled in place by the task that makes the call.
//!
//! hyper would have its connections spawned. Then every piece of an answer costs a switch between
//! two tasks, and a hang-up has to travel from one to the other. Here a call owns its connection:
//! it polls it before it looks at the answer, and dropping the call closes the socket.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::client::TlsStream;

use super::TransportError;
use super::gate::Gate;
use super::turn::WriteTurn;

/// A connection with at most one request under way.
pub(super) struct Connection {
    http: http1::Connection<TokioIo<Socket>, Full<Bytes>>,
    sender: http1::SendRequest<Full<Bytes>>,
    gate: Arc<Gate>,
    /// The gate, as a waker.
    waker: Waker,
    /// The one timer. It lives as long as the connection and is moved only when it must ring
    /// earlier than it is set to, or has rung too early: as a rule never within a call.
    alarm: Pin<Box<Sleep>>,
    closed: bool,
    idle_since: Instant,
}

impl Connection {
    /// Prepares a fresh socket for requests.
    pub(super) async fn new(stream: Stream) -> Result<Box<Self>, TransportError> {
        let gate = Arc::new(Gate::default());
        let socket = Socket { stream, turn: WriteTurn::default(), gate: Arc::clone(&gate) };
        let (sender, http) = http1::Builder::new()
            .handshake(TokioIo::new(socket))
            .await
            .map_err(|_| TransportError::Lost)?;
        let now = Instant::now();
        Ok(Box::new(Self {
            http,
            sender,
            waker: Waker::from(Arc::clone(&gate)),
            gate,
            alarm: Box::pin(tokio::time::sleep_until(now + FIRST_ALARM)),
            closed: false,
            idle_since: now,
        }))
    }

    /// Sends a request and waits for the response's head until `limit`.
    pub(super) async fn ask(
        &mut self,
        request: Request<Full<Bytes>>,
        limit: Instant,
    ) -> Result<Response<Incoming>, TransportError> {
        self.gate.listen_afresh();
        let mut head = pin!(self.sender.send_request(request));
        let turn = std::future::poll_fn(|cx| self.turn(cx, limit, |own| head.as_mut().poll(own)));
        match turn.await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_parse() => Err(TransportError::Malformed),
            Ok(Err(_)) | Err(Stop::Closed) => Err(TransportError::Lost),
            Err(Stop::Elapsed) => Err(TransportError::NoFirstByte),
        }
    }

    /// The next piece of a response's body; `None` at its end.
    pub(super) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        limit: Instant,
        body: &mut Incoming,
    ) -> Poll<Result<Option<Bytes>, Stop>> {
        let turn = self.turn(cx, limit, |own| {
            loop {
                match Pin::new(&mut *body).poll_frame(own) {
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => return Poll::Ready(Ok(Some(data))),
                        // Trailers say nothing that a gateway hands on.
                        Err(_trailers) => {}
                    },
                    Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(Stop::Closed)),
                    Poll::Ready(None) => return Poll::Ready(Ok(None)),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        turn.map(|outcome| outcome.and_then(|piece| piece))
    }

    /// Whether the last request was met with silence: not one byte came back.
    pub(super) fn was_silent(&self) -> bool {
        !self.gate.has_heard()
    }

    /// Whether another request may be sent now. It notices a peer that closed meanwhile.
    pub(super) fn is_ready(&mut self) -> bool {
        if !self.closed {
            let mut nobody = Context::from_waker(Waker::noop());
            self.closed = Pin::new(&mut self.http).poll(&mut nobody).is_ready();
        }
        !self.closed && self.sender.is_ready()
    }

    /// Whether it can be kept for another request, as far as it knows.
    pub(super) fn may_rest(&self) -> bool {
        !self.closed && self.sender.is_ready()
    }

    /// Lays the connection aside until it is asked again.
    pub(super) fn rest(&mut self, now: Instant) {
        self.gate.forget_task();
        self.idle_since = now;
    }

    /// Since when it rests.
    pub(super) fn idle_since(&self) -> Instant {
        self.idle_since
    }

    /// Polls the connection, then what hangs on it, then the alarm.
    fn turn<T>(
        &mut self,
        cx: &mut Context<'_>,
        limit: Instant,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Stop>> {
        let Self { http, gate, waker, alarm, closed, .. } = self;
        let mut own = Context::from_waker(waker);
        gate.shut(cx.waker());
        // An error of the connection reaches whoever waits on it: the head or the body.
        *closed = *closed || Pin::new(http).poll(&mut own).is_ready();
        let outcome = match poll(&mut own) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending if *closed => Poll::Ready(Err(Stop::Closed)),
            Poll::Pending => poll_alarm(alarm, limit, &mut own).map(|()| Err(Stop::Elapsed)),
        };
        gate.open(outcome.is_pending());
        outcome
    }
}

/// Why a connection stopped in the middle of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The peer closed it, or spoke no HTTP.
    Closed,
    /// The limit passed.
    Elapsed,
}

/// Where a new connection's alarm stands; late enough to be in nobody's way.
const FIRST_ALARM: std::time::Duration = std::time::Duration::from_secs(600);

fn poll_alarm(alarm: &mut Pin<Box<Sleep>>, limit: Instant, cx: &mut Context<'_>) -> Poll<()> {
    if alarm.deadline() > limit {
        alarm.as_mut().reset(limit);
    }
    while alarm.as_mut().poll(cx).is_ready() {
        if Instant::now() >= limit {
            return Poll::Ready(());
        }
        alarm.as_mut().reset(limit);
    }
    Poll::Pending
}

/// A TCP stream, in the clear or under TLS.
pub(super) enum Stream {
    /// `http://`
    Plain(TcpStream),
    /// `https://`
    Tls(Box<TlsStream<TcpStream>>),
}

/// A stream that notes when bytes arrive, and writes in its turn.
struct Socket {
    stream: Stream,
    turn: WriteTurn,
    gate: Arc<Gate>,
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let outcome = match &mut this.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        };
        if buffer.filled().len() > before {
            this.gate.hear();
        }
        outcome
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, turn, .. } = self.get_mut();
        turn.write(cx, |cx| match stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        })
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, turn, .. } = self.get_mut();
        turn.write(cx, |cx| match stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Stream::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, slices),
        })
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(tcp) => tcp.is_write_vectored(),
            Stream::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// How long the alarm lets somebody wait until `limit`.
    async fn waited(alarm: &mut Pin<Box<Sleep>>, limit: Duration) -> Duration {
        let start = Instant::now();
        std::future::poll_fn(|cx| poll_alarm(alarm, start + limit, cx)).await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn the_alarm_rings_at_the_limit_wherever_it_stood() {
        let mut alarm = Box::pin(tokio::time::sleep(Duration::from_secs(100)));
        // Later than the limit, earlier than it, and long past.
        for seconds in [10, 30, 500, 1] {
            let limit = Duration::from_secs(seconds);
            let waited = waited(&mut alarm, limit).await;
            assert!(waited >= limit && waited < limit + Duration::from_millis(5), "{waited:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_limit_does_not_move_the_alarm() {
        let mut alarm = Box::pin(tokio::time::sleep(Duration::from_secs(10)));
        let (stood, limit) = (alarm.deadline(), Instant::now() + Duration::from_secs(60));
        let mut nobody = Context::from_waker(Waker::noop());
        assert!(poll_alarm(&mut alarm, limit, &mut nobody).is_pending());
        assert_eq!(alarm.deadline(), stood);
    }
}
