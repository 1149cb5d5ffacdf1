//! Blobs, sealed in chunks as they stream.
//!
//! Each blob has a cipher key of its own, derived from its project's key and its id. A chunk's nonce
//! is its number and whether it is the last, so chunks that were changed, left out, put into another
//! order or taken from another blob do not open, and a blob that was cut off has no last chunk.

use std::fmt;

use aws_lc_rs::aead::{self, LessSafeKey, NONCE_LEN, Nonce};

use crate::VaultError;
use crate::cipher::TAG_LEN;

/// Seals and opens the chunks of one blob; from [`ContentKey::chunks`](crate::ContentKey::chunks).
pub struct ChunkCipher(LessSafeKey);

impl ChunkCipher {
    /// Bytes by which a sealed chunk is longer than what it holds.
    pub const OVERHEAD: usize = TAG_LEN;

    pub(crate) const fn new(key: LessSafeKey) -> Self {
        Self(key)
    }

    /// Encrypts chunk number `index` of the blob. `last` says that none follows; the last chunk may
    /// be empty, and of an empty blob it is the only one.
    ///
    /// # Errors
    /// [`VaultError::NotSealed`] when the chunk is longer than the cipher allows (64 GiB).
    pub fn seal_chunk(&self, index: u64, last: bool, data: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut sealed = Vec::with_capacity(data.len() + TAG_LEN);
        sealed.extend_from_slice(data);
        self.0
            .seal_in_place_append_tag(nonce(index, last), aead::Aad::empty(), &mut sealed)
            .map_err(|_| VaultError::NotSealed)?;
        Ok(sealed)
    }

    /// What chunk number `index` holds.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] when this is not that chunk of that blob, whole.
    pub fn open_chunk(&self, index: u64, last: bool, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut text = sealed.to_vec();
        let length = self
            .0
            .open_in_place(nonce(index, last), aead::Aad::empty(), &mut text)
            .map_err(|_| VaultError::Damaged)?
            .len();
        text.truncate(length);
        Ok(text)
    }
}

impl fmt::Debug for ChunkCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChunkCipher(..)")
    }
}

/// The chunk's number, three bytes of zero, and 1 for the last chunk.
fn nonce(index: u64, last: bool) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[..8].copy_from_slice(&index.to_be_bytes());
    bytes[11] = u8::from(last);
    Nonce::assume_unique_for_key(bytes)
}

#[cfg(test)]
mod tests {
    use kernel::SystemRng;

    use super::*;
    use crate::ContentKey;

    #[test]
    fn chunks_open_in_their_place_alone() {
        let key = ContentKey::generate(&SystemRng);
        let blob = key.chunks("blob-1").unwrap();
        let sealed = blob.seal_chunk(3, false, b"three").unwrap();
        assert_eq!(sealed.len(), 5 + ChunkCipher::OVERHEAD);
        assert_eq!(key.chunks("blob-1").unwrap().open_chunk(3, false, &sealed).unwrap(), b"three");

        let damaged = |opened| matches!(opened, Err(VaultError::Damaged));
        assert!(damaged(blob.open_chunk(4, false, &sealed)), "moved");
        assert!(damaged(blob.open_chunk(3, true, &sealed)), "taken for the last");
        assert!(damaged(key.chunks("blob-2").unwrap().open_chunk(3, false, &sealed)), "swapped");
        let other = ContentKey::generate(&SystemRng).chunks("blob-1").unwrap();
        assert!(damaged(other.open_chunk(3, false, &sealed)), "of another project");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(damaged(blob.open_chunk(3, false, &changed)), "byte {at} changed");
            assert!(damaged(blob.open_chunk(3, false, &sealed[..at])), "cut at {at}");
        }
    }

    #[test]
    fn an_empty_blob_is_one_empty_last_chunk() {
        let blob = ContentKey::generate(&SystemRng).chunks("blob-1").unwrap();
        let sealed = blob.seal_chunk(0, true, b"").unwrap();
        assert_eq!(sealed.len(), ChunkCipher::OVERHEAD);
        assert_eq!(blob.open_chunk(0, true, &sealed).unwrap(), b"");
        assert!(blob.open_chunk(0, false, &sealed).is_err());
    }

    #[test]
    fn every_chunk_has_a_nonce_of_its_own() {
        let bytes = |index, last| *nonce(index, last).as_ref();
        assert_eq!(bytes(0, false), [0; 12]);
        assert_eq!(bytes(258, true), [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1]);
        assert_ne!(bytes(1, false), bytes(1, true));
    }
}
