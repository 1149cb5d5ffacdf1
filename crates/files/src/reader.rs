//! Reading a file: any range of it, or a stream.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use futures_util::stream::try_unfold;
use store::{BlobRow, FileRow};
use vault::ContentKey;

use crate::{Blobs, FilesError, Lines, sealed};

/// Bytes that are read at once: enough that the disk and the network are busy, few enough that
/// many can be read at once.
const WINDOW: u64 = 1024 * 1024;

/// A file that is read. What it was when it was opened is what is read; bytes that are deleted
/// meanwhile are an error, never a gap.
#[derive(Debug, Clone)]
pub struct Reader(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    blobs: Blobs,
    key: Arc<ContentKey>,
    file: FileRow,
    segments: Vec<Segment>,
}

/// A blob, and where in the file its bytes are.
#[derive(Debug)]
struct Segment {
    blob: String,
    start: u64,
    bytes: u64,
}

impl Reader {
    pub(crate) fn new(
        blobs: Blobs,
        key: Arc<ContentKey>,
        file: FileRow,
        rows: Vec<BlobRow>,
    ) -> Self {
        let mut start = 0;
        let segments = rows.into_iter().map(|BlobRow { blob, bytes }| {
            let segment = Segment { blob, start, bytes };
            start += bytes;
            segment
        });
        let segments = segments.collect();
        Self(Arc::new(Opened { blobs, key, file, segments }))
    }

    /// The file.
    pub fn file(&self) -> &FileRow {
        &self.0.file
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.0.file.bytes
    }

    /// Up to `length` bytes from `offset` on: fewer only where the file ends. All of them are in
    /// memory at once.
    ///
    /// # Errors
    /// When the bytes cannot be read, or are not those that were written.
    pub async fn read_range(&self, offset: u64, length: u64) -> Result<Bytes, FilesError> {
        let end = offset.saturating_add(length).min(self.size());
        if offset >= end {
            return Ok(Bytes::new());
        }
        let first = self.read_some(offset..end).await?;
        if offset + first.len() as u64 == end {
            return Ok(first);
        }
        let mut joined = BytesMut::with_capacity(usize::try_from(end - offset).unwrap_or_default());
        joined.extend_from_slice(&first);
        while offset + (joined.len() as u64) < end {
            let more = self.read_some(offset + joined.len() as u64..end).await?;
            joined.extend_from_slice(&more);
        }
        Ok(joined.freeze())
    }

    /// The bytes of a range, piece by piece, cut to the file's end.
    pub fn stream(
        &self,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes, FilesError>> + Send + use<> {
        let end = range.end.min(self.size());
        try_unfold((self.clone(), range.start), move |(reader, at)| async move {
            if at >= end {
                return Ok(None);
            }
            let piece = reader.read_some(at..end).await?;
            let next = at + piece.len() as u64;
            Ok(Some((piece, (reader, next))))
        })
    }

    /// The file's lines from `offset` on, which is where a line begins.
    pub fn lines(&self, offset: u64, longest: usize) -> Lines {
        Lines::new(self.clone(), offset, longest)
    }

    /// The first bytes of a range that is not empty: up to the next border of a window, or the end
    /// of a blob.
    pub(crate) async fn read_some(&self, range: Range<u64>) -> Result<Bytes, FilesError> {
        let Opened { blobs, key, file, segments } = &*self.0;
        let at = segments.partition_point(|segment| segment.start + segment.bytes <= range.start);
        let Some(segment) = segments.get(at) else {
            // The row promises more bytes than its blobs have.
            return Err(FilesError::Missing { blob: format!("of {}", file.id) });
        };
        let start = range.start - segment.start;
        let border = (start / WINDOW + 1) * WINDOW;
        let end = (range.end - segment.start).min(border).min(segment.bytes);
        sealed::read(blobs, key, &segment.blob, segment.bytes, start..end).await
    }
}
