//! The sealed part of a backup: chunks of 256 KiB, each sealed for its place, the last one as the
//! last. All but that one have the same length, so nothing between them need be trusted.

use std::io::{Read, Write};

use vault::ChunkCipher;

use crate::BackupError;

/// Plain bytes of every chunk but the last.
const CHUNK: usize = 256 * 1024;
const SEALED: usize = CHUNK + ChunkCipher::OVERHEAD;

/// Seals what is written to it.
pub(crate) struct SealedWriter<W> {
    out: W,
    cipher: ChunkCipher,
    /// The chunk that is not full, or of which it is not known whether another one follows.
    plain: Vec<u8>,
    index: u64,
}

impl<W: Write> SealedWriter<W> {
    pub(crate) fn new(out: W, cipher: ChunkCipher) -> Self {
        Self { out, cipher, plain: Vec::with_capacity(CHUNK), index: 0 }
    }

    pub(crate) fn write(&mut self, mut data: &[u8]) -> Result<(), BackupError> {
        while !data.is_empty() {
            if self.plain.len() == CHUNK {
                self.seal(false)?;
            }
            let (now, later) = data.split_at((CHUNK - self.plain.len()).min(data.len()));
            self.plain.extend_from_slice(now);
            data = later;
        }
        Ok(())
    }

    /// Writes the last chunk, and gives back what it was written to.
    pub(crate) fn finish(mut self) -> Result<W, BackupError> {
        self.seal(true)?;
        self.out.flush().map_err(BackupError::io("write the backup"))?;
        Ok(self.out)
    }

    fn seal(&mut self, last: bool) -> Result<(), BackupError> {
        let sealed = self.cipher.seal_chunk(self.index, last, &self.plain)?;
        self.out.write_all(&sealed).map_err(BackupError::io("write the backup"))?;
        self.plain.clear();
        self.index += 1;
        Ok(())
    }
}

/// Opens what a [`SealedWriter`] wrote.
pub(crate) struct SealedReader<R> {
    input: R,
    cipher: ChunkCipher,
    /// What was read and not opened yet: a chunk and one byte, by which it is known not to be the
    /// last.
    sealed: Vec<u8>,
    index: u64,
    /// Where in the file the chunk begins that comes next.
    at: u64,
    ended: bool,
}

impl<R: Read> SealedReader<R> {
    /// Begins at byte `at` of the file.
    pub(crate) fn new(input: R, cipher: ChunkCipher, at: u64) -> Self {
        Self { input, cipher, sealed: Vec::with_capacity(SEALED + 1), index: 0, at, ended: false }
    }

    /// The next chunk; `None` behind the last.
    pub(crate) fn chunk(&mut self) -> Result<Option<Vec<u8>>, BackupError> {
        if self.ended {
            return Ok(None);
        }
        let missing = (SEALED + 1).saturating_sub(self.sealed.len());
        self.input
            .by_ref()
            .take(missing as u64)
            .read_to_end(&mut self.sealed)
            .map_err(BackupError::io("read the backup"))?;
        let last = self.sealed.len() <= SEALED;
        let length = self.sealed.len().min(SEALED);
        let rest = self.sealed.split_off(length);
        let chunk = std::mem::replace(&mut self.sealed, rest);
        let (from, to) = (self.at, self.at + length as u64);
        let plain = self.cipher.open_chunk(self.index, last, &chunk);
        let plain = plain.map_err(|_| match last {
            // A file that was cut ends within a chunk, or behind one that is not the last.
            true if length < SEALED
                || self.cipher.open_chunk(self.index, false, &chunk).is_ok() =>
            {
                BackupError::CutOff { at: to }
            }
            _ => BackupError::Damaged { from, to },
        })?;
        self.at = to;
        self.index += 1;
        self.ended = last;
        Ok(Some(plain))
    }
}

#[cfg(test)]
mod tests {
    use kernel::SystemRng;
    use vault::ContentKey;

    use super::*;

    fn key() -> ContentKey {
        ContentKey::generate(&SystemRng)
    }

    fn sealed(key: &ContentKey, plain: &[u8]) -> Vec<u8> {
        let mut writer = SealedWriter::new(Vec::new(), key.chunks("backup").unwrap());
        plain.chunks(10_007).for_each(|piece| writer.write(piece).unwrap());
        writer.finish().unwrap()
    }

    fn opened(key: &ContentKey, sealed: &[u8]) -> Result<Vec<u8>, BackupError> {
        let mut reader = SealedReader::new(sealed, key.chunks("backup").unwrap(), 100);
        let mut plain = Vec::new();
        while let Some(chunk) = reader.chunk()? {
            plain.extend(chunk);
        }
        Ok(plain)
    }

    #[test]
    fn what_is_sealed_opens_whatever_its_length() {
        let key = key();
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let plain = vec![0x5a; length];
            assert!(opened(&key, &sealed(&key, &plain)).unwrap() == plain, "{length}");
        }
    }

    #[test]
    fn a_cut_is_found_wherever_it_is() {
        let key = key();
        let sealed = sealed(&key, &vec![7; 3 * CHUNK + 9]);
        for end in [0, 1, SEALED - 1, SEALED, SEALED + 1, 2 * SEALED, sealed.len() - 1] {
            let error = opened(&key, &sealed[..end]).unwrap_err();
            assert!(matches!(error, BackupError::CutOff { .. }), "{end}: {error}");
        }
    }

    #[test]
    fn what_was_changed_or_moved_is_found_where_it_is() {
        let key = key();
        let good = sealed(&key, &vec![7; 3 * CHUNK + 9]);
        let mut changed = good.clone();
        changed[SEALED + 5] ^= 1;
        let error = opened(&key, &changed).unwrap_err();
        let (from, to) = (100 + SEALED as u64, 100 + 2 * SEALED as u64);
        assert!(
            matches!(error, BackupError::Damaged { from: f, to: t } if (f, t) == (from, to)),
            "{error}"
        );
        let mut moved = good.clone();
        moved[..2 * SEALED].rotate_left(SEALED);
        assert!(matches!(opened(&key, &moved), Err(BackupError::Damaged { .. })));
        let mut left_out = good.clone();
        left_out.drain(SEALED..2 * SEALED);
        assert!(matches!(opened(&key, &left_out), Err(BackupError::Damaged { .. })));
        let longer = [&good[..], &[0; 7]].concat();
        assert!(opened(&key, &longer).is_err());
    }
}
