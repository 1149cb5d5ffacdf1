//! A client must go on reading what it asked for: one that stops holds a connection, a call and a
//! provider's answer open for ever.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use providers::WriteTurn;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::places::Place;

/// A connection that breaks when nothing of what waits to be sent goes out for too long, and writes
/// in its turn.
pub(crate) struct Reading<S> {
    stream: S,
    turn: WriteTurn,
    patience: Patience,
    /// Its place, for as long as it is there: a WebSocket outlives the HTTP that it began with.
    _place: Option<Place>,
}

/// How long nothing may go out; `None`: for ever.
struct Patience {
    lasts: Option<Duration>,
    /// Since nothing goes out. Only a connection that is stuck has a timer.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S> Reading<S> {
    /// Watches a connection; without patience it waits for ever.
    pub(crate) fn new(stream: S, patience: Option<Duration>, place: Option<Place>) -> Self {
        let patience = Patience { lasts: patience, stuck: None };
        Self { stream, turn: WriteTurn::default(), patience, _place: place }
    }
}

impl Patience {
    /// What an attempt to send brought, unless it is one too many.
    fn judge<T>(
        &mut self,
        attempt: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if attempt.is_ready() {
            self.stuck = None;
            return attempt;
        }
        let Some(lasts) = self.lasts else { return Poll::Pending };
        let timer = self.stuck.get_or_insert_with(|| Box::pin(sleep(lasts)));
        ready!(timer.as_mut().poll(context));
        let message = format!("the client read nothing for {} s", lasts.as_secs());
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Reading<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Reading<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, turn, patience, .. } = self.get_mut();
        turn.write(context, |context| {
            patience.judge(Pin::new(stream).poll_write(context, data), context)
        })
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, turn, patience, .. } = self.get_mut();
        turn.write(context, |context| {
            patience.judge(Pin::new(stream).poll_write_vectored(context, data), context)
        })
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let attempt = Pin::new(&mut self.stream).poll_flush(context);
        self.patience.judge(attempt, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let attempt = Pin::new(&mut self.stream).poll_shutdown(context);
        self.patience.judge(attempt, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(120);

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_is_cut_off() {
        let (ours, theirs) = duplex(8);
        let mut ours = Reading::new(ours, Some(PATIENCE), None);
        let error = ours.write_all(b"more than fits").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_is_served() {
        let (ours, mut theirs) = duplex(8);
        let mut ours = Reading::new(ours, Some(PATIENCE), None);
        let slow = async {
            for _ in 0..100 {
                tokio::time::sleep(PATIENCE - Duration::from_secs(1)).await;
                theirs.read_u8().await.unwrap();
            }
        };
        let (sent, ()) = tokio::join!(ours.write_all(&[7; 100]), slow);
        sent.unwrap();
    }
}
