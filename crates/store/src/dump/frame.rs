//! The frames of a dump, written and read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::schema::Table;
use crate::StoreError;
use crate::columns::unreadable;

const MAGIC: &[u8] = b"kijun dump 1\n";
const HEAD: u8 = b'H';
const ROWS: u8 = b'R';
const END: u8 = b'E';
/// The letter and the length.
const FRAME_HEAD: usize = 5;

/// What a dump begins with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) schema_version: i64,
    pub(super) tables: Vec<Table>,
}

/// What a dump ends with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) rows: BTreeMap<String, u64>,
}

/// A value of a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    Null,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A part of a dump.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Frame {
    Head(Head),
    /// Rows of the table with this number.
    Rows(usize, Vec<Vec<Value>>),
    End(End),
}

/// The first bytes of a dump.
pub(super) fn head(head: &Head) -> Result<Vec<u8>, StoreError> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(frame(HEAD, &json(head)?)?);
    Ok(bytes)
}

/// The last bytes of a dump.
pub(super) fn end(end: &End) -> Result<Vec<u8>, StoreError> {
    frame(END, &json(end)?)
}

/// Rows of one table, on their way into a frame.
pub(super) struct RowsWriter {
    table: u16,
    rows: u32,
    values: Vec<u8>,
}

impl RowsWriter {
    pub(super) fn of(table: usize) -> Result<Self, StoreError> {
        let table = u16::try_from(table).map_err(|_| broken("it has too many tables"))?;
        Ok(Self { table, rows: 0, values: Vec::new() })
    }

    pub(super) fn push(&mut self, value: &Value) -> Result<(), StoreError> {
        let out = &mut self.values;
        let bytes: &[u8] = match value {
            Value::Null => {
                out.push(0);
                return Ok(());
            }
            Value::Number(number) => {
                out.push(1);
                push_number(*number, out);
                return Ok(());
            }
            Value::Text(text) => {
                out.push(2);
                text.as_bytes()
            }
            Value::Bytes(bytes) => {
                out.push(3);
                bytes
            }
        };
        out.extend_from_slice(&length(bytes.len())?);
        out.extend_from_slice(bytes);
        Ok(())
    }

    pub(super) fn end_row(&mut self) {
        self.rows += 1;
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The frame with the rows so far; none if there are none.
    pub(super) fn take(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        if self.rows == 0 {
            return Ok(None);
        }
        let mut body = Vec::with_capacity(self.values.len() + 6);
        body.extend_from_slice(&self.table.to_be_bytes());
        body.extend_from_slice(&self.rows.to_be_bytes());
        body.append(&mut self.values);
        self.rows = 0;
        frame(ROWS, &body).map(Some)
    }
}

/// A dump as it comes in, in pieces of any length.
#[derive(Default)]
pub(super) struct Frames {
    waiting: Vec<u8>,
    /// The columns of each table; `None` before the head.
    columns: Option<Vec<usize>>,
    ended: bool,
}

impl Frames {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// The next frame that is whole.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, StoreError> {
        let magic = if self.columns.is_none() { MAGIC.len() } else { 0 };
        let Some(((kind, length), _)) = self
            .waiting
            .get(magic..)
            .and_then(|rest| rest.split_first_chunk::<FRAME_HEAD>())
            .map(|([kind, length @ ..], rest)| ((*kind, u32::from_be_bytes(*length)), rest))
        else {
            return Ok(None);
        };
        if magic > 0 && !self.waiting.starts_with(MAGIC) {
            return Err(broken("it does not begin as a dump does, or a newer Kijun wrote it"));
        }
        if self.ended {
            return Err(broken("something follows its end"));
        }
        let start = magic + FRAME_HEAD;
        let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        let Some(body) = self.waiting.get(start..end) else { return Ok(None) };
        let frame = read(kind, body, self.columns.as_deref())?;
        match &frame {
            Frame::Head(head) => {
                let columns = head.tables.iter().map(|table| table.columns.len());
                self.columns = Some(columns.collect());
            }
            Frame::Rows(..) => {}
            Frame::End(_) => self.ended = true,
        }
        self.waiting.drain(..end);
        Ok(Some(frame))
    }

    /// Says whether the dump was whole.
    pub(super) fn finish(&self) -> Result<(), StoreError> {
        match self.ended && self.waiting.is_empty() {
            true => Ok(()),
            false => Err(broken("it ends too early")),
        }
    }
}

fn read(kind: u8, body: &[u8], columns: Option<&[usize]>) -> Result<Frame, StoreError> {
    let json = |error: serde_json::Error| broken(error.to_string());
    match (kind, columns) {
        (HEAD, None) => Ok(Frame::Head(serde_json::from_slice(body).map_err(json)?)),
        (ROWS, Some(columns)) => rows(body, columns),
        (END, Some(_)) => Ok(Frame::End(serde_json::from_slice(body).map_err(json)?)),
        _ => Err(broken("a part of it is of no known kind, or out of order")),
    }
}

fn rows(body: &[u8], columns: &[usize]) -> Result<Frame, StoreError> {
    let mut rest = Rest(body);
    let table = usize::from(u16::from_be_bytes(rest.take()?));
    let count = u32::from_be_bytes(rest.take()?);
    let columns = *columns.get(table).ok_or_else(|| broken("it has rows of no table"))?;
    let mut rows = Vec::new();
    for _ in 0..count {
        rows.push((0..columns).map(|_| rest.value()).collect::<Result<_, _>>()?);
    }
    match rest.0.is_empty() {
        true => Ok(Frame::Rows(table, rows)),
        false => Err(broken("a table has more values than columns")),
    }
}

/// What is not read yet of a frame.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(short)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        let length = usize::try_from(u32::from_be_bytes(self.take()?)).unwrap_or(usize::MAX);
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(short)?;
        self.0 = rest;
        Ok(taken.to_vec())
    }

    fn number(&mut self) -> Result<i64, StoreError> {
        let mut folded = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take()?;
            folded |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed());
            }
        }
        Err(broken("a number is too long"))
    }

    fn value(&mut self) -> Result<Value, StoreError> {
        Ok(match self.take()? {
            [0] => Value::Null,
            [1] => Value::Number(self.number()?),
            [2] => {
                let text = String::from_utf8(self.bytes()?);
                Value::Text(text.map_err(|_| broken("a text is not UTF-8"))?)
            }
            [3] => Value::Bytes(self.bytes()?),
            _ => return Err(broken("a value is of no known kind")),
        })
    }
}

/// A number in as few bytes as it needs, since most are small: its sign folded into the last bit,
/// then seven bits to a byte, the lowest first, with the eighth where another byte follows.
fn push_number(number: i64, out: &mut Vec<u8>) {
    let mut folded = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while folded >= 0x80 {
        out.push((folded & 0x7f) as u8 | 0x80);
        folded >>= 7;
    }
    out.push(folded as u8);
}

fn frame(kind: u8, body: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(FRAME_HEAD + body.len());
    bytes.push(kind);
    bytes.extend_from_slice(&length(body.len())?);
    bytes.extend_from_slice(body);
    Ok(bytes)
}

fn length(length: usize) -> Result<[u8; 4], StoreError> {
    let length = u32::try_from(length).map_err(|_| broken("a value is longer than 4 GiB"))?;
    Ok(length.to_be_bytes())
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| broken(error.to_string()))
}

fn short() -> StoreError {
    broken("a part of it is cut off")
}

pub(super) fn broken(reason: impl Into<String>) -> StoreError {
    unreadable("dump", reason)
}

#[cfg(test)]
mod tests {
    use super::super::schema::{Column, Kind};
    use super::*;

    fn table() -> Table {
        let column = |name: &str, kind| Column { name: name.into(), kind };
        Table {
            name: "song".into(),
            columns: vec![column("id", Kind::Number), column("text", Kind::Text)],
        }
    }

    fn dump(rows: &[Vec<Value>]) -> Vec<u8> {
        let mut bytes = head(&Head { schema_version: 7, tables: vec![table()] }).unwrap();
        let mut writer = RowsWriter::of(0).unwrap();
        for row in rows {
            row.iter().for_each(|value| writer.push(value).unwrap());
            writer.end_row();
        }
        bytes.extend(writer.take().unwrap().unwrap_or_default());
        let counts = BTreeMap::from([("song".to_owned(), rows.len() as u64)]);
        bytes.extend(end(&End { rows: counts }).unwrap());
        bytes
    }

    fn some_rows() -> Vec<Vec<Value>> {
        vec![
            vec![Value::Number(i64::MIN), Value::Text("本\n".into())],
            vec![Value::Null, Value::Bytes(vec![0, 255])],
            vec![Value::Number(-1), Value::Text(String::new())],
            vec![Value::Number(i64::MAX), Value::Text("a".repeat(300))],
            vec![Value::Number(63), Value::Text("b".into())],
            vec![Value::Number(-64), Value::Text("c".into())],
            vec![Value::Number(64), Value::Text("d".into())],
        ]
    }

    fn read_all(dump: &[u8], piece: usize) -> Result<Vec<Frame>, StoreError> {
        let mut frames = Frames::default();
        let mut all = Vec::new();
        for piece in dump.chunks(piece) {
            frames.feed(piece);
            while let Some(frame) = frames.next()? {
                all.push(frame);
            }
        }
        frames.finish().map(|()| all)
    }

    #[test]
    fn a_dump_is_read_as_it_was_written_in_pieces_of_any_length() {
        let dump = dump(&some_rows());
        for piece in [1, 2, 7, dump.len()] {
            let frames = read_all(&dump, piece).unwrap();
            let [Frame::Head(head), Frame::Rows(0, rows), Frame::End(end)] = &frames[..] else {
                panic!("{frames:?}")
            };
            assert_eq!((head.schema_version, &head.tables), (7, &vec![table()]));
            assert_eq!(rows, &some_rows());
            assert_eq!(end.rows["song"], some_rows().len() as u64);
        }
    }

    #[test]
    fn a_table_without_rows_has_no_frame() {
        assert_eq!(read_all(&dump(&[]), 100).unwrap().len(), 2);
    }

    #[test]
    fn what_is_cut_off_or_goes_on_or_is_something_else_is_refused() {
        let dump = dump(&some_rows());
        for end in 0..dump.len() {
            assert!(read_all(&dump[..end], 10).is_err(), "cut at {end}");
        }
        let longer = [&dump[..], b"E\0\0\0\0"].concat();
        assert!(read_all(&longer, 10).unwrap_err().to_string().contains("follows its end"));
        assert!(read_all(b"SQLite format 3\0 and so on", 10).is_err());
    }
}
