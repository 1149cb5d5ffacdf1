//! The journal's files: numbered segments that only grow, and a cursor that says how far they
//! have been carried to the database.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{Step, Steps};

const CURSOR: &str = "cursor";

/// A place in the journal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Position {
    /// The segment's number, from 1.
    pub(super) segment: u64,
    /// Bytes into it.
    pub(super) offset: u64,
}

pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes the segment `number`, for appending.
pub(super) fn create(folder: &Path, number: u64) -> io::Result<File> {
    OpenOptions::new().create_new(true).append(true).mode(0o600).open(path(folder, number))
}

/// The numbers of the segments in the folder, in order.
pub(super) fn list(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".journal"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Up to `most` bytes from `from` on; empty at the segment's end.
pub(super) fn read(folder: &Path, from: Position, most: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path(folder, from.segment))?;
    file.seek(SeekFrom::Start(from.offset))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Bytes from `from` to the end of the last segment.
pub(super) fn bytes_from(folder: &Path, from: Position) -> io::Result<u64> {
    let mut bytes = 0;
    for number in list(folder)?.into_iter().filter(|number| *number >= from.segment) {
        let length = fs::metadata(path(folder, number))?.len();
        let carried = if number == from.segment { from.offset } else { 0 };
        bytes += length.saturating_sub(carried);
    }
    Ok(bytes)
}

pub(super) fn remove(folder: &Path, number: u64) -> io::Result<()> {
    fs::remove_file(path(folder, number))
}

/// How far the journal has been carried; the very beginning if nobody knows.
pub(super) fn read_cursor(folder: &Path) -> io::Result<Position> {
    match fs::read_to_string(folder.join(CURSOR)) {
        Ok(text) => Ok(parse_cursor(&text).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Position::default()),
        Err(error) => Err(error),
    }
}

/// Remembers how far the journal has been carried. Losing this only means carrying some records
/// again, which changes nothing.
pub(super) fn write_cursor(folder: &Path, at: Position, steps: &Steps) -> io::Result<()> {
    let next = folder.join("cursor.next");
    fs::write(&next, format!("{} {}\n", at.segment, at.offset))?;
    steps.take(Step::CursorWritten);
    fs::rename(next, folder.join(CURSOR))?;
    steps.take(Step::CursorMoved);
    Ok(())
}

fn parse_cursor(text: &str) -> Option<Position> {
    let (segment, offset) = text.trim().split_once(' ')?;
    Some(Position { segment: segment.parse().ok()?, offset: offset.parse().ok()? })
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.journal"))
}
