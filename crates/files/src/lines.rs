//! A file's lines, one after the other, in the memory of one.

use bytes::{Bytes, BytesMut};

use crate::{FilesError, Reader};

/// A line, and where it begins in the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    /// The first byte's place.
    pub offset: u64,
    /// The line without its end, which is a newline, with or without a carriage return.
    pub text: Bytes,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("offset", &self.offset).finish_non_exhaustive()
    }
}

/// The lines of a file; from [`Reader::lines`].
#[derive(Debug)]
pub struct Lines {
    reader: Reader,
    longest: usize,
    /// Where the next line begins.
    offset: u64,
    /// What has been read from there on.
    buffer: BytesMut,
    /// So many bytes of it hold no newline.
    searched: usize,
}

impl Lines {
    pub(crate) fn new(reader: Reader, offset: u64, longest: usize) -> Self {
        Self { reader, longest, offset, buffer: BytesMut::new(), searched: 0 }
    }

    /// The next line; `None` after the last. A newline at the end of the file begins no line.
    ///
    /// # Errors
    /// [`FilesError::LineTooLong`], and as [`Reader::read_range`].
    pub async fn next(&mut self) -> Result<Option<Line>, FilesError> {
        loop {
            let unseen = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', unseen) {
                let line = self.buffer.split_to(self.searched + at + 1).freeze();
                return self.line(&line).map(Some);
            }
            self.searched = self.buffer.len();
            // A carriage return may stand before a newline that has not come yet.
            if self.searched > self.longest + 1 {
                return Err(self.too_long());
            }
            let from = self.offset + self.buffer.len() as u64;
            if from >= self.reader.size() {
                let rest = self.buffer.split().freeze();
                return if rest.is_empty() { Ok(None) } else { self.line(&rest).map(Some) };
            }
            self.buffer.extend_from_slice(&self.reader.read_some(from..self.reader.size()).await?);
        }
    }

    fn line(&mut self, raw: &Bytes) -> Result<Line, FilesError> {
        let text = raw.strip_suffix(b"\n").unwrap_or(raw);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.len() > self.longest {
            return Err(self.too_long());
        }
        let line = Line { offset: self.offset, text: raw.slice_ref(text) };
        self.offset += raw.len() as u64;
        self.searched = 0;
        Ok(line)
    }

    fn too_long(&self) -> FilesError {
        FilesError::LineTooLong { offset: self.offset, limit: self.longest }
    }
}
