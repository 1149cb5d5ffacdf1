//! A blob's bytes as they are stored: chunks of 64 KiB, each sealed for its place.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use vault::{ChunkCipher, ContentKey, VaultError};

use crate::FilesError;
use crate::blob::{Blobs, Draft};

/// Plain bytes of every chunk but the last.
pub(crate) const CHUNK: u64 = 64 * 1024;
const CHUNK_LEN: usize = CHUNK as usize;
pub(crate) const SEALED_CHUNK: u64 = CHUNK + ChunkCipher::OVERHEAD as u64;
/// Sealed bytes that go to the blob store at once.
const PIECE: usize = 1024 * 1024;

/// Seals a blob on its way in. Dropped before it is finished, it leaves nothing.
pub(crate) struct SealedWriter {
    blob: String,
    cipher: ChunkCipher,
    draft: Draft,
    /// The chunk that is not full, or of which it is not known whether another one follows.
    plain: Vec<u8>,
    /// Sealed chunks that have not left yet.
    sealed: BytesMut,
    /// The number of the next chunk.
    index: u64,
    /// Plain bytes so far.
    bytes: u64,
}

impl SealedWriter {
    /// Begins a blob under a name that none had before.
    pub(crate) async fn begin(
        blobs: &Blobs,
        key: &ContentKey,
        blob: String,
    ) -> Result<Self, FilesError> {
        let cipher = key.chunks(&blob).map_err(damaged(&blob))?;
        let draft = blobs.draft(&blob).await?;
        let plain = Vec::with_capacity(CHUNK_LEN);
        Ok(Self { blob, cipher, draft, plain, sealed: BytesMut::new(), index: 0, bytes: 0 })
    }

    /// Plain bytes so far.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) async fn write(&mut self, mut data: &[u8]) -> Result<(), FilesError> {
        while !data.is_empty() {
            if self.plain.len() == CHUNK_LEN {
                self.seal(false)?;
            }
            let room = (CHUNK_LEN - self.plain.len()).min(data.len());
            let (now, later) = data.split_at(room);
            self.plain.extend_from_slice(now);
            self.bytes += now.len() as u64;
            data = later;
            if self.sealed.len() >= PIECE {
                self.draft.write(self.sealed.split().freeze()).await?;
            }
        }
        Ok(())
    }

    /// Makes the blob appear. Returns its name and how many plain bytes it has.
    pub(crate) async fn finish(mut self) -> Result<(String, u64), FilesError> {
        self.seal(true)?;
        self.draft.write(self.sealed.split().freeze()).await?;
        self.draft.finish().await?;
        Ok((self.blob, self.bytes))
    }

    fn seal(&mut self, last: bool) -> Result<(), FilesError> {
        let sealed = self.cipher.seal_chunk(self.index, last, &self.plain);
        let sealed = sealed.map_err(damaged(&self.blob))?;
        if self.sealed.is_empty() {
            self.sealed.reserve(PIECE + sealed.len());
        }
        self.sealed.extend_from_slice(&sealed);
        self.plain.clear();
        self.index += 1;
        Ok(())
    }
}

impl std::fmt::Debug for SealedWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedWriter")
            .field("blob", &self.blob)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// The plain bytes of a range of a blob that has `bytes` of them in all. The range is not empty.
pub(crate) async fn read(
    blobs: &Blobs,
    key: &ContentKey,
    blob: &str,
    bytes: u64,
    range: Range<u64>,
) -> Result<Bytes, FilesError> {
    let last_chunk = bytes.saturating_sub(1) / CHUNK;
    let first = range.start / CHUNK;
    let end = (range.end.saturating_sub(1) / CHUNK).min(last_chunk) + 1;
    let sealed_range = first * SEALED_CHUNK..(end * SEALED_CHUNK).min(sealed_len(bytes));
    let sealed = blobs.read(blob, sealed_range).await?;
    let cipher = key.chunks(blob).map_err(damaged(blob))?;
    let sealed_chunk = usize::try_from(SEALED_CHUNK).unwrap_or(usize::MAX);
    let mut plain = BytesMut::with_capacity(sealed.len());
    for (index, chunk) in (first..).zip(sealed.chunks(sealed_chunk)) {
        let opened = cipher.open_chunk(index, index == last_chunk, chunk);
        plain.extend_from_slice(&opened.map_err(damaged(blob))?);
    }
    let before = usize::try_from(range.start - first * CHUNK).unwrap_or(usize::MAX);
    let wanted = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let plain = plain.freeze();
    if plain.len() < before.saturating_add(wanted) {
        return Err(damaged(blob)(VaultError::Damaged));
    }
    Ok(plain.slice(before..before + wanted))
}

/// How long a blob of so many plain bytes is as it is stored. An empty one has one empty chunk.
pub(crate) const fn sealed_len(bytes: u64) -> u64 {
    let chunks = if bytes == 0 { 1 } else { bytes.div_ceil(CHUNK) };
    bytes + chunks * ChunkCipher::OVERHEAD as u64
}

pub(crate) fn damaged(blob: &str) -> impl FnOnce(VaultError) -> FilesError {
    move |source| FilesError::Damaged { blob: blob.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use kernel::SystemRng;

    use super::*;
    use crate::blob::{BlobConfig, new_name};

    struct Bench {
        blobs: Blobs,
        key: ContentKey,
        folder: tempfile::TempDir,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let blobs = Blobs::open(BlobConfig::Folder(folder.path().into())).unwrap();
            Self { blobs, key: ContentKey::generate(&SystemRng), folder }
        }

        async fn write(&self, data: &[u8], piece: usize) -> String {
            let name = new_name(&SystemRng);
            let mut writer = SealedWriter::begin(&self.blobs, &self.key, name).await.unwrap();
            for piece in data.chunks(piece) {
                writer.write(piece).await.unwrap();
            }
            let (blob, bytes) = writer.finish().await.unwrap();
            assert_eq!(bytes, data.len() as u64);
            blob
        }

        async fn read(
            &self,
            blob: &str,
            bytes: usize,
            range: Range<usize>,
        ) -> Result<Bytes, FilesError> {
            let range = range.start as u64..range.end as u64;
            read(&self.blobs, &self.key, blob, bytes as u64, range).await
        }

        fn path(&self, blob: &str) -> std::path::PathBuf {
            self.folder.path().join(&blob[..2]).join(blob)
        }
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 7u32;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    #[tokio::test]
    async fn every_range_around_every_border_is_read_as_it_was_written() {
        let bench = Bench::new();
        for length in
            [1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 3 * CHUNK_LEN, 20 * CHUNK_LEN + 5]
        {
            let data = noise(length);
            let blob = bench.write(&data, 100_003).await;
            let stored = std::fs::metadata(bench.path(&blob)).unwrap().len();
            assert_eq!(stored, sealed_len(length as u64), "{length}");
            let mut borders =
                vec![0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, length - 1, length];
            borders.retain(|at| *at <= length);
            for start in &borders {
                for end in borders.iter().filter(|end| *end > start) {
                    let read = bench.read(&blob, length, *start..*end).await.unwrap();
                    assert!(read == data[*start..*end], "{start}..{end} of {length}");
                }
            }
        }
    }

    #[tokio::test]
    async fn an_empty_blob_is_one_sealed_chunk() {
        let bench = Bench::new();
        let blob = bench.write(b"", 1).await;
        assert_eq!(std::fs::metadata(bench.path(&blob)).unwrap().len(), sealed_len(0));
    }

    #[tokio::test]
    async fn nothing_is_stored_in_plain() {
        let bench = Bench::new();
        let canary = b"canary-in-the-blob".repeat(10_000);
        let blob = bench.write(&canary, 4_096).await;
        let stored = std::fs::read(bench.path(&blob)).unwrap();
        assert!(!stored.windows(6).any(|window| window == b"canary"));
    }

    #[tokio::test]
    async fn what_was_changed_cut_moved_or_swapped_does_not_open() {
        let bench = Bench::new();
        let length = 3 * CHUNK_LEN + 9;
        let (one, two) =
            (bench.write(&noise(length), length).await, bench.write(&noise(length), length).await);
        let good = std::fs::read(bench.path(&one)).unwrap();
        let damage = |stored: Vec<u8>| std::fs::write(bench.path(&one), stored).unwrap();
        let chunk = SEALED_CHUNK as usize;

        let mut changed = good.clone();
        changed[chunk + 5] ^= 1;
        damage(changed);
        assert!(bench.read(&one, length, 0..CHUNK_LEN).await.is_ok(), "its first chunk is whole");
        let error = bench.read(&one, length, CHUNK_LEN..CHUNK_LEN + 1).await.unwrap_err();
        assert!(matches!(error, FilesError::Damaged { .. }), "{error}");

        // A file that ends where a chunk ends, and whose row was made to fit.
        damage(good[..2 * chunk].to_vec());
        let cut = bench.read(&one, 2 * CHUNK_LEN, CHUNK_LEN..2 * CHUNK_LEN).await;
        assert!(matches!(cut, Err(FilesError::Damaged { .. })));
        assert!(
            bench.read(&one, length, 0..length).await.is_err(),
            "it is shorter than its row says"
        );

        let mut moved = good.clone();
        moved[..2 * chunk].rotate_left(chunk);
        damage(moved);
        assert!(bench.read(&one, length, 0..1).await.is_err());

        damage(std::fs::read(bench.path(&two)).unwrap());
        assert!(bench.read(&one, length, 0..1).await.is_err());
        assert!(bench.read(&two, length, 0..1).await.is_ok());

        damage(good);
        assert!(bench.read(&one, length, 0..length).await.is_ok());
        let other = ContentKey::generate(&SystemRng);
        assert!(read(&bench.blobs, &other, &one, length as u64, 0..1).await.is_err());
    }
}
