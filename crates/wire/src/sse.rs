//! Server-sent events, as bytes: cut a stream into whole events without copying them, read one,
//! write one.
//!
//! The events stay as they came, terminators and comments included, so that what is handed on is
//! what the provider sent.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

/// The event that closes a stream of OpenAI's.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An event was longer than the splitter was told to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {max} bytes")]
pub struct TooLong {
    /// The longest event that is accepted.
    pub max: usize,
}

/// Cuts a byte stream into raw events, each with the blank line that ends it.
///
/// How the stream is cut into pieces makes no difference to the events. An event that lies within
/// one piece is a slice of it. `\n`, `\r\n` and `\r` end lines, in any mix; `\r\r` ends an event at
/// once, so that a server that writes bare `\r` is not held back for a `\n` that never comes.
#[derive(Debug)]
pub struct Splitter {
    max: usize,
    /// The scanned beginning of an event whose end has not come yet.
    carry: BytesMut,
    /// What is still to be scanned.
    piece: Bytes,
    place: Place,
    first: bool,
    failed: bool,
}

/// Where in an event the scan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first byte of an event.
    Start,
    /// Inside a line.
    Line,
    /// After a `\r` that ended a line; a `\n` may belong to it.
    Return,
    /// After a `\n` that ended a line.
    Feed,
    /// After the `\r` of a blank line; the event is whole, but a `\n` may belong to it.
    BlankReturn,
}

impl Splitter {
    /// A splitter that refuses events longer than `max_event_bytes`.
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            max: max_event_bytes,
            carry: BytesMut::new(),
            piece: Bytes::new(),
            place: Place::Start,
            first: true,
            failed: false,
        }
    }

    /// Takes the next piece of the stream. Call [`next`](Self::next) until it is empty before the
    /// next piece, or the rest of the last one is copied.
    pub fn push(&mut self, piece: Bytes) {
        if self.piece.is_empty() {
            self.piece = piece;
        } else {
            let mut joined = BytesMut::from(std::mem::take(&mut self.piece));
            joined.extend_from_slice(&piece);
            self.piece = joined.freeze();
        }
    }

    /// The next whole event, `None` when more of the stream is needed. After [`TooLong`] there is
    /// nothing more.
    #[expect(clippy::should_implement_trait, reason = "`None` is no end here: more may be pushed")]
    pub fn next(&mut self) -> Option<Result<Bytes, TooLong>> {
        if self.failed {
            return None;
        }
        let end = self.scan();
        if self.carry.len() + end.unwrap_or(self.piece.len()) > self.max {
            self.failed = true;
            self.carry = BytesMut::new();
            self.piece = Bytes::new();
            return Some(Err(TooLong { max: self.max }));
        }
        let Some(end) = end else {
            self.carry.extend_from_slice(&self.piece);
            self.piece = Bytes::new();
            return None;
        };
        let head = self.piece.split_to(end);
        let event = if self.carry.is_empty() {
            head
        } else {
            self.carry.extend_from_slice(&head);
            self.carry.split().freeze()
        };
        Some(Ok(self.without_mark(event)))
    }

    /// The stream has ended: what came after the last blank line, if anything did. The events
    /// before it must have been taken with [`next`](Self::next).
    pub fn finish(&mut self) -> Option<Bytes> {
        self.carry.extend_from_slice(&self.piece);
        self.piece = Bytes::new();
        self.place = Place::Start;
        let rest = self.carry.split().freeze();
        let rest = self.without_mark(rest);
        (!rest.is_empty()).then_some(rest)
    }

    /// Where in the piece the event ends, its blank line included.
    fn scan(&mut self) -> Option<usize> {
        let piece: &[u8] = &self.piece;
        let mut at = 0;
        while let Some(&byte) = piece.get(at) {
            self.place = match (self.place, byte) {
                (Place::BlankReturn, b'\n') | (Place::Start | Place::Feed, b'\n') => {
                    self.place = Place::Start;
                    return Some(at + 1);
                }
                (Place::Return, b'\r') => {
                    self.place = Place::Start;
                    return Some(at + 1);
                }
                (Place::BlankReturn, _) => {
                    self.place = Place::Start;
                    return Some(at);
                }
                (Place::Start | Place::Feed, b'\r') => Place::BlankReturn,
                (Place::Line | Place::Return, b'\n') => Place::Feed,
                (Place::Line, b'\r') => Place::Return,
                _ => {
                    // Inside a line nothing matters but its end.
                    let rest = piece.get(at + 1..).unwrap_or_default();
                    at += memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                    Place::Line
                }
            };
            at += 1;
        }
        None
    }

    /// Takes the byte order mark off the first event of the stream.
    fn without_mark(&mut self, mut event: Bytes) -> Bytes {
        if std::mem::take(&mut self.first) && event.starts_with(BYTE_ORDER_MARK) {
            return event.split_off(BYTE_ORDER_MARK.len());
        }
        event
    }
}

/// What one raw event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its type, where it names one.
    pub event: Option<Cow<'a, str>>,
    /// Its data, several lines joined by `\n`; empty for a comment or a blank line.
    pub data: Cow<'a, [u8]>,
}

impl<'a> Event<'a> {
    /// Reads a raw event. Nothing is an error: lines that are not understood are ignored, as the
    /// standard has it.
    pub fn parse(raw: &'a [u8]) -> Self {
        let mut event = None;
        let mut data: Option<Cow<'a, [u8]>> = None;
        for line in lines(raw) {
            let (field, value) = field(line);
            match field {
                b"data" => match &mut data {
                    None => data = Some(Cow::Borrowed(value)),
                    Some(lines) => {
                        let lines = lines.to_mut();
                        lines.push(b'\n');
                        lines.extend_from_slice(value);
                    }
                },
                b"event" => event = Some(String::from_utf8_lossy(value)),
                _ => {}
            }
        }
        Self { event, data: data.unwrap_or_default() }
    }

    /// Whether this is `[DONE]`, which closes a stream of OpenAI's.
    pub fn is_done(&self) -> bool {
        self.data.trim_ascii() == b"[DONE]"
    }
}

/// Appends one event whose data is a JSON document. Line ends in it, which can only stand between
/// its tokens, become spaces: many clients read one line of data only.
pub fn write_data(out: &mut Vec<u8>, json: &[u8]) {
    out.reserve(json.len() + 8);
    out.extend_from_slice(b"data: ");
    let start = out.len();
    out.extend_from_slice(json);
    if memchr2(b'\n', b'\r', json).is_some() {
        for byte in out.iter_mut().skip(start) {
            if matches!(*byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
    out.extend_from_slice(b"\n\n");
}

/// The lines of an event, without their ends. A `\r\n` yields an empty line more, which says
/// nothing.
fn lines(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at_checked(end)?;
        rest = after.get(1..).unwrap_or_default();
        Some(line)
    })
}

/// A line's field and value; a comment has an empty field.
fn field(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = memchr::memchr(b':', line) else {
        return (line, b"");
    };
    let (field, value) = line.split_at_checked(colon).unwrap_or((line, b""));
    let value = value.strip_prefix(b":").unwrap_or(value);
    (field, value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut splitter = Splitter::new(1_000);
        let mut events = Vec::new();
        for piece in pieces {
            splitter.push(Bytes::copy_from_slice(piece));
            while let Some(event) = splitter.next() {
                events.push(event.expect("short").to_vec());
            }
        }
        events.extend(splitter.finish().map(|rest| rest.to_vec()));
        events
    }

    #[test]
    fn every_kind_of_blank_line_ends_an_event() {
        let stream = b"data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\n\r\ndata: e\r\n\ndata: f";
        let expected: [&[u8]; 6] = [
            b"data: a\n\n",
            b"data: b\r\n\r\n",
            b"data: c\r\r",
            b"data: d\n\r\n",
            b"data: e\r\n\n",
            b"data: f",
        ];
        assert_eq!(events(&[stream]), expected);
    }

    #[test]
    fn a_piece_may_end_inside_a_line_end() {
        let expected: [&[u8]; 2] = [b"data: a\r\n\r\n", b"data: b\r\n\r\n"];
        assert_eq!(events(&[b"data: a\r", b"\n\r", b"\ndata: b\r\n\r\n"]), expected);
    }

    #[test]
    fn an_event_within_one_piece_is_not_copied() {
        let piece = Bytes::from_static(b"data: a\n\ndata: b\n\nda");
        let mut splitter = Splitter::new(100);
        splitter.push(piece.clone());
        for start in [0, 9] {
            let event = splitter.next().expect("an event").expect("short");
            assert_eq!(event.as_ptr(), piece[start..].as_ptr());
        }
        assert_eq!(splitter.next(), None);
    }

    #[test]
    fn events_come_at_once_also_with_bare_returns() {
        let mut splitter = Splitter::new(100);
        splitter.push(Bytes::from_static(b"data: a\r\r"));
        assert_eq!(splitter.next(), Some(Ok(Bytes::from_static(b"data: a\r\r"))));
    }

    #[test]
    fn the_byte_order_mark_goes_wherever_it_is_cut() {
        let expected: [&[u8]; 1] = [b"data: a\n\n"];
        assert_eq!(events(&[b"\xef\xbb\xbfdata: a\n\n"]), expected);
        assert_eq!(events(&[b"\xef", b"\xbb\xbfda", b"ta: a\n\n"]), expected);
    }

    #[test]
    fn a_long_event_is_refused_and_nothing_follows() {
        for pieces in [vec!["data: 12345\n\n"], vec!["data: 1", "2345", "\n\n"]] {
            let mut splitter = Splitter::new(12);
            let mut seen = Vec::new();
            for piece in pieces {
                splitter.push(Bytes::from(piece));
                seen.extend(std::iter::from_fn(|| splitter.next()));
            }
            assert_eq!(seen, [Err(TooLong { max: 12 })]);
            splitter.push(Bytes::from_static(b"data: a\n\n"));
            assert_eq!(splitter.next(), None);
        }
    }

    #[test]
    fn several_data_lines_are_joined_and_one_is_borrowed() {
        let one = Event::parse(b"event: delta\ndata: {\"a\":1}\n\n");
        assert_eq!(one.event.as_deref(), Some("delta"));
        assert!(matches!(one.data, Cow::Borrowed(b"{\"a\":1}")));
        let two = Event::parse(b"data:{\r\ndata: }\r\nid: 7\r\n\r\n");
        assert_eq!(two.data.as_ref(), b"{\n}");
        let comment = Event::parse(b": ping\n\n");
        assert_eq!(comment, Event { event: None, data: Cow::Borrowed(b"") });
        assert!(Event::parse(b"data: [DONE]\n\n").is_done());
        assert!(Event::parse(b"data:[DONE]").is_done());
    }

    #[test]
    fn what_is_written_is_one_line() {
        let mut out = Vec::new();
        write_data(&mut out, b"{\n\"a\": 1\r\n}");
        assert_eq!(out, b"data: { \"a\": 1  }\n\n");
    }
}
