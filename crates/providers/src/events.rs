//! Event streams that are changed on their way, event by event. Streams that need no change do
//! not come through here.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use wire::sse::Splitter;
use wire::translate::StreamTranslator;

use crate::{EventStream, StreamBreak};

/// The longest single event: a tool call's arguments may be megabytes.
pub(crate) const MOST_EVENT_BYTES: usize = 32 * 1024 * 1024;

/// What is done to each event.
pub(crate) trait Edit: Send + Unpin {
    /// Whether a piece of whole events, none of which is pending, may pass as it is.
    fn leaves(&self, piece: &[u8]) -> bool;

    /// Takes one raw event with its terminator and appends what becomes of it.
    fn event(&mut self, event: &[u8], out: &mut Vec<u8>) -> Result<(), StreamBreak>;

    /// Takes the end of the stream.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), StreamBreak>;
}

/// An event stream under an edit.
pub(crate) struct Edited<B, E> {
    inner: B,
    edit: E,
    splitter: Splitter,
    /// Bytes of an event that is not complete are in the splitter.
    pending: bool,
    /// The inner stream ended; a break waits here until what came before it is handed out.
    end: Option<Option<StreamBreak>>,
}

impl<B, E> Edited<B, E>
where
    B: Body<Data = Bytes, Error = StreamBreak> + Send + Unpin + 'static,
    E: Edit + 'static,
{
    /// Puts the edit behind the stream.
    pub(crate) fn boxed(inner: B, edit: E) -> EventStream {
        let splitter = Splitter::new(MOST_EVENT_BYTES);
        Box::pin(Self { inner, edit, splitter, pending: false, end: None })
    }
}

impl<B, E: Edit> Edited<B, E> {
    /// What becomes of a piece, empty if it completes no event, and the break that follows it.
    fn piece(&mut self, piece: Bytes) -> (Bytes, Option<StreamBreak>) {
        let whole = piece.ends_with(b"\n\n");
        if !self.pending && whole && self.edit.leaves(&piece) {
            return (piece, None);
        }
        self.pending = !whole;
        let mut out = Vec::with_capacity(piece.len() * 2);
        self.splitter.push(piece);
        let broken = self.events(&mut out).err();
        (Bytes::from(out), broken)
    }

    fn events(&mut self, out: &mut Vec<u8>) -> Result<(), StreamBreak> {
        while let Some(event) = self.splitter.next() {
            let event = event.map_err(|_too_long| StreamBreak::Invalid)?;
            self.edit.event(&event, out)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> (Bytes, Option<StreamBreak>) {
        let mut out = Vec::new();
        let broken = self.last_events(&mut out).err();
        (Bytes::from(out), broken)
    }

    fn last_events(&mut self, out: &mut Vec<u8>) -> Result<(), StreamBreak> {
        if let Some(last) = self.splitter.finish() {
            self.edit.event(&last, out)?;
        }
        self.edit.finish(out)
    }
}

impl<B, E> Body for Edited<B, E>
where
    B: Body<Data = Bytes, Error = StreamBreak> + Unpin,
    E: Edit,
{
    type Data = Bytes;
    type Error = StreamBreak;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamBreak>>> {
        let this = self.get_mut();
        loop {
            if let Some(broken) = &mut this.end {
                return Poll::Ready(broken.take().map(Err));
            }
            let (data, broken) = match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) => this.piece(piece),
                    Err(_trailers) => continue,
                },
                Some(Err(broken)) => (Bytes::new(), Some(broken)),
                None => {
                    this.end = Some(None);
                    this.finish()
                }
            };
            if broken.is_some() {
                this.end = Some(broken);
            }
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.end, Some(None))
    }
}

/// A vendor's stream that becomes OpenAI's.
pub(crate) struct Translation(pub(crate) Box<dyn StreamTranslator>);

impl Edit for Translation {
    fn leaves(&self, _piece: &[u8]) -> bool {
        false
    }

    fn event(&mut self, event: &[u8], out: &mut Vec<u8>) -> Result<(), StreamBreak> {
        self.0.push(event, out).map_err(log_bad_answer)
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), StreamBreak> {
        self.0.finish(out).map_err(log_bad_answer)
    }
}

fn log_bad_answer(_: wire::translate::BadAnswer) -> StreamBreak {
    // The error may quote what the provider said, and that may be content.
    tracing::warn!("a provider's stream could not be translated and was broken off");
    StreamBreak::Invalid
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    /// Marks each event.
    struct Marked;

    impl Edit for Marked {
        fn leaves(&self, piece: &[u8]) -> bool {
            memchr::memmem::find(piece, b"edit").is_none()
        }

        fn event(&mut self, event: &[u8], out: &mut Vec<u8>) -> Result<(), StreamBreak> {
            out.push(b'>');
            out.extend_from_slice(event);
            match memchr::memmem::find(event, b"bad") {
                Some(_) => Err(StreamBreak::Invalid),
                None => Ok(()),
            }
        }

        fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), StreamBreak> {
            out.extend_from_slice(b"fin");
            Ok(())
        }
    }

    async fn read(pieces: Vec<Result<&'static str, StreamBreak>>) -> (String, Option<StreamBreak>) {
        let frames =
            pieces.into_iter().map(|p| p.map(|t| Frame::data(Bytes::from_static(t.as_bytes()))));
        let inner = StreamBody::new(futures_util::stream::iter(frames));
        let mut stream = Edited::boxed(inner, Marked);
        let mut text = String::new();
        while let Some(frame) = stream.frame().await {
            match frame {
                Ok(frame) => text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap()),
                Err(broken) => return (text, Some(broken)),
            }
        }
        (text, None)
    }

    #[tokio::test]
    async fn events_are_edited_wherever_they_are_split() {
        let pieces =
            vec![Ok("data: a\n\n"), Ok("data: ed"), Ok("it\n"), Ok("\ndata: b"), Ok("\n\n")];
        let (text, broken) = read(pieces).await;
        assert_eq!(text, "data: a\n\n>data: edit\n\n>data: b\n\nfin");
        assert_eq!(broken, None);
    }

    #[tokio::test]
    async fn a_break_comes_after_what_came_before_it() {
        let pieces = vec![Ok("data: edit\n\ndata: lo"), Err(StreamBreak::Lost)];
        assert_eq!(read(pieces).await, (">data: edit\n\n".to_owned(), Some(StreamBreak::Lost)));
    }

    #[tokio::test]
    async fn what_came_in_one_piece_with_a_bad_event_is_not_lost() {
        for pieces in [
            vec![Ok("data: edit\n\ndata: bad\n\ndata: after\n\n"), Ok("data: after\n\n")],
            vec![Ok("data: edit\n\ndata: bad\n\n")],
        ] {
            let expected = ">data: edit\n\n>data: bad\n\n".to_owned();
            assert_eq!(read(pieces).await, (expected, Some(StreamBreak::Invalid)));
        }
        let unended = vec![Ok("data: edit\n\ndata: bad")];
        let expected = ">data: edit\n\n>data: bad".to_owned();
        assert_eq!(read(unended).await, (expected, Some(StreamBreak::Invalid)));
    }
}
