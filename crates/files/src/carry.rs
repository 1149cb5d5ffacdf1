//! Blobs as they lie in their store, for backups: carried sealed, and opened only to see whether
//! they are whole.

use std::ops::Range;

use bytes::Bytes;
use vault::{ChunkCipher, ContentKey, VaultError};

use crate::FilesError;
use crate::blob::{Blobs, Draft, is_name};
use crate::sealed::{SEALED_CHUNK, damaged, sealed_len};

impl Blobs {
    /// How many sealed bytes a blob has in whose plain form there are so many.
    pub const fn sealed_len(bytes: u64) -> u64 {
        sealed_len(bytes)
    }

    /// Exactly these sealed bytes of a blob.
    ///
    /// # Errors
    /// [`FilesError::Missing`] when the blob is not there.
    pub async fn read_sealed(&self, blob: &str, range: Range<u64>) -> Result<Bytes, FilesError> {
        self.read(blob, range).await
    }

    /// Begins a blob whose bytes are sealed already, under the name that they were sealed for.
    ///
    /// # Errors
    /// [`FilesError::Invalid`] when no blob has such a name.
    pub async fn write_sealed(&self, blob: &str) -> Result<Carried, FilesError> {
        match is_name(blob) {
            true => Ok(Carried(self.draft(blob).await?)),
            false => Err(FilesError::invalid("blob", "no blob has such a name")),
        }
    }
}

/// A sealed blob on its way in. Dropped before it is finished, it leaves nothing.
#[derive(Debug)]
pub struct Carried(Draft);

impl Carried {
    /// Appends bytes. Pieces of a megabyte or so are best.
    ///
    /// # Errors
    /// When the blob store does not take them.
    pub async fn write(&mut self, data: Bytes) -> Result<(), FilesError> {
        self.0.write(data).await
    }

    /// Makes the blob appear.
    ///
    /// # Errors
    /// When the blob store does not take it.
    pub async fn finish(self) -> Result<(), FilesError> {
        self.0.finish().await
    }
}

/// Opens a blob's sealed bytes as they pass.
#[derive(Debug)]
pub struct BlobCheck {
    blob: String,
    cipher: ChunkCipher,
    waiting: Vec<u8>,
    /// The number of the chunk that waits.
    index: u64,
    /// Plain bytes so far.
    bytes: u64,
}

impl BlobCheck {
    /// Begins with the blob of this name.
    ///
    /// # Errors
    /// When the key cannot be derived.
    pub fn new(key: &ContentKey, blob: &str) -> Result<Self, FilesError> {
        let cipher = key.chunks(blob).map_err(damaged(blob))?;
        Ok(Self { blob: blob.to_owned(), cipher, waiting: Vec::new(), index: 0, bytes: 0 })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`FilesError::Damaged`] when they are not the blob's.
    pub fn feed(&mut self, data: &[u8]) -> Result<(), FilesError> {
        self.waiting.extend_from_slice(data);
        let chunk = usize::try_from(SEALED_CHUNK).unwrap_or(usize::MAX);
        // A chunk behind which nothing stands may be the last.
        while self.waiting.len() > chunk {
            let rest = self.waiting.split_off(chunk);
            let chunk = std::mem::replace(&mut self.waiting, rest);
            self.open(&chunk, false)?;
        }
        Ok(())
    }

    /// Says whether that was all of a blob of so many plain bytes.
    ///
    /// # Errors
    /// [`FilesError::Damaged`] when it was not.
    pub fn finish(mut self, bytes: u64) -> Result<(), FilesError> {
        let last = std::mem::take(&mut self.waiting);
        self.open(&last, true)?;
        match self.bytes == bytes {
            true => Ok(()),
            false => Err(damaged(&self.blob)(VaultError::Damaged)),
        }
    }

    fn open(&mut self, chunk: &[u8], last: bool) -> Result<(), FilesError> {
        let plain = self.cipher.open_chunk(self.index, last, chunk);
        self.bytes += plain.map_err(damaged(&self.blob))?.len() as u64;
        self.index += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use kernel::SystemRng;

    use super::*;
    use crate::blob::{BlobConfig, new_name};
    use crate::sealed::SealedWriter;

    fn blobs() -> (tempfile::TempDir, Blobs) {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(BlobConfig::Folder(folder.path().into())).unwrap();
        (folder, blobs)
    }

    async fn write(blobs: &Blobs, key: &ContentKey, bytes: usize) -> (String, u64) {
        let mut writer = SealedWriter::begin(blobs, key, new_name(&SystemRng)).await.unwrap();
        writer.write(&vec![7; bytes]).await.unwrap();
        writer.finish().await.unwrap()
    }

    #[tokio::test]
    async fn a_blob_is_carried_as_it_lies() {
        let key = ContentKey::generate(&SystemRng);
        let ((_one, here), (_two, there)) = (blobs(), blobs());
        for plain in [0, 1, 65_536, 200_000] {
            let (blob, bytes) = write(&here, &key, plain).await;
            let all = 0..Blobs::sealed_len(bytes);
            let sealed = here.read_sealed(&blob, all.clone()).await.unwrap();
            let mut carried = there.write_sealed(&blob).await.unwrap();
            carried.write(sealed.clone()).await.unwrap();
            carried.finish().await.unwrap();
            assert_eq!(there.read_sealed(&blob, all).await.unwrap(), sealed);
            let mut check = BlobCheck::new(&key, &blob).unwrap();
            sealed.chunks(1_000).for_each(|piece| check.feed(piece).unwrap());
            check.finish(bytes).unwrap();
        }
        assert!(there.write_sealed("../../etc/passwd").await.is_err());
    }

    #[tokio::test]
    async fn what_is_not_whole_is_found() {
        let key = ContentKey::generate(&SystemRng);
        let (_folder, blobs) = blobs();
        let (blob, bytes) = write(&blobs, &key, 150_000).await;
        let sealed = blobs.read_sealed(&blob, 0..Blobs::sealed_len(bytes)).await.unwrap();
        let check = |sealed: &[u8], bytes| {
            let mut check = BlobCheck::new(&key, &blob).unwrap();
            check.feed(sealed).and_then(|()| check.finish(bytes))
        };
        assert!(check(&sealed, bytes).is_ok());
        assert!(check(&sealed, bytes + 1).is_err());
        assert!(check(&sealed[..sealed.len() - 1], bytes).is_err());
        assert!(check(&sealed[..2 * 65_552], 131_072).is_err(), "cut between two chunks");
        let mut changed = sealed.to_vec();
        changed[70_000] ^= 1;
        assert!(check(&changed, bytes).is_err());
    }
}
