//! The entries inside a backup: a line of JSON that says what comes, then its bytes in pieces, each
//! behind its length (4 bytes, big-endian), the last one empty.

use std::io::{BufRead, Read, Write};

use kernel::{Rng, Timestamp};
use serde::{Deserialize, Serialize};
use vault::PassphraseCost;

use crate::seal::{SealedReader, SealedWriter};
use crate::{BackupError, BackupKey, Head};

/// Bytes of the longest piece that this house writes, with room for a row of a database.
const LONGEST_PIECE: usize = 1 << 30;
/// Bytes of the longest line that names an entry.
const LONGEST_NAME: usize = 4096;

/// What an entry holds. They come in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    /// [`Manifest`](crate::Manifest), as JSON.
    Manifest,
    /// A file of a folder in the data directory.
    File {
        /// Which folder.
        folder: String,
        /// Which file.
        name: String,
    },
    /// The master keys, as their file has them.
    MasterKeys,
    /// The rows, as the store dumps them.
    Database,
    /// A blob, sealed as it lies in its store.
    Blob {
        /// Its name.
        blob: String,
        /// Whose it is.
        project: String,
        /// Its bytes, as their owner sent them.
        bytes: u64,
    },
    /// [`End`](crate::End), as JSON.
    End,
}

/// A backup on its way out.
pub(crate) struct Writer<W: Write>(SealedWriter<W>);

impl<W: Write> Writer<W> {
    pub(crate) fn begin(
        mut out: W,
        key: &BackupKey,
        cost: PassphraseCost,
        made_at: Timestamp,
        rng: &dyn Rng,
    ) -> Result<Self, BackupError> {
        let cipher = Head::begin(key, cost, made_at, rng, &mut out)?;
        Ok(Self(SealedWriter::new(out, cipher)))
    }

    /// Begins an entry; the one before must have ended.
    pub(crate) fn entry(&mut self, entry: &Entry) -> Result<(), BackupError> {
        let mut line = to_json(entry)?;
        line.push(b'\n');
        self.0.write(&line)
    }

    /// Bytes of the entry.
    pub(crate) fn piece(&mut self, data: &[u8]) -> Result<(), BackupError> {
        for data in data.chunks(LONGEST_PIECE) {
            let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
            self.0.write(&length.to_be_bytes())?;
            self.0.write(data)?;
        }
        Ok(())
    }

    /// Ends the entry.
    pub(crate) fn end_entry(&mut self) -> Result<(), BackupError> {
        self.0.write(&0u32.to_be_bytes())
    }

    /// A whole entry.
    pub(crate) fn whole(&mut self, entry: &Entry, data: &[u8]) -> Result<(), BackupError> {
        self.entry(entry)?;
        self.piece(data)?;
        self.end_entry()
    }

    /// Ends the backup, and gives back what it was written to.
    pub(crate) fn finish(self) -> Result<W, BackupError> {
        self.0.finish()
    }
}

/// A backup on its way in.
pub(crate) struct Reader<R> {
    sealed: SealedReader<R>,
    /// What was opened and not read yet.
    plain: Vec<u8>,
    /// How much of that is read.
    read: usize,
}

impl<R: BufRead> Reader<R> {
    pub(crate) fn open(mut input: R, key: &BackupKey) -> Result<(Head, Self), BackupError> {
        let (head, cipher, length) = Head::read(key, &mut input)?;
        let sealed = SealedReader::new(input, cipher, length);
        Ok((head, Self { sealed, plain: Vec::new(), read: 0 }))
    }
}

impl<R: Read> Reader<R> {
    /// The next entry; its pieces must be read before the one behind it. `None` at the end.
    pub(crate) fn entry(&mut self) -> Result<Option<Entry>, BackupError> {
        let mut line = Vec::new();
        loop {
            if let Some(at) = self.waiting().iter().position(|byte| *byte == b'\n') {
                line.extend_from_slice(self.waiting().get(..at).unwrap_or_default());
                self.read += at + 1;
                break;
            }
            line.extend_from_slice(self.waiting());
            if line.len() > LONGEST_NAME {
                return Err(BackupError::unsound("the name of an entry is too long"));
            }
            if !self.more()? {
                return match line.is_empty() {
                    true => Ok(None),
                    false => Err(BackupError::unsound("it ends within an entry")),
                };
            }
        }
        from_json(&line).map(Some)
    }

    /// The next bytes of the entry; `None` at its end.
    pub(crate) fn piece(&mut self) -> Result<Option<Vec<u8>>, BackupError> {
        let length = self.take(4)?;
        let length = u32::from_be_bytes(length.try_into().unwrap_or_default());
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        match length {
            0 => Ok(None),
            length if length > LONGEST_PIECE => {
                Err(BackupError::unsound("a piece of an entry is too long"))
            }
            length => self.take(length).map(Some),
        }
    }

    /// All bytes of the entry, of which there are no more than this.
    pub(crate) fn all(&mut self, most: usize) -> Result<Vec<u8>, BackupError> {
        let mut all = Vec::new();
        while let Some(piece) = self.piece()? {
            all.extend(piece);
            if all.len() > most {
                return Err(BackupError::unsound("an entry is too long"));
            }
        }
        Ok(all)
    }

    fn waiting(&self) -> &[u8] {
        self.plain.get(self.read..).unwrap_or_default()
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, BackupError> {
        let mut taken = Vec::with_capacity(length.min(2 << 20));
        while taken.len() < length {
            if self.waiting().is_empty() && !self.more()? {
                return Err(BackupError::unsound("it ends within an entry"));
            }
            let some = self.waiting().len().min(length - taken.len());
            taken.extend_from_slice(self.waiting().get(..some).unwrap_or_default());
            self.read += some;
        }
        Ok(taken)
    }

    /// Opens the next chunk in the place of the one that is read. Returns whether there was one.
    fn more(&mut self) -> Result<bool, BackupError> {
        self.read = 0;
        self.plain.clear();
        match self.sealed.chunk()? {
            Some(chunk) => {
                self.plain = chunk;
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

pub(crate) fn to_json(value: &impl Serialize) -> Result<Vec<u8>, BackupError> {
    serde_json::to_vec(value).map_err(|error| BackupError::unsound(error.to_string()))
}

pub(crate) fn from_json<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, BackupError> {
    serde_json::from_slice(json).map_err(|error| BackupError::unsound(error.to_string()))
}

#[cfg(test)]
mod tests {
    use kernel::SystemRng;

    use super::*;

    #[test]
    fn entries_come_back_as_they_were_written() {
        let key = BackupKey::parse(&BackupKey::generate(&SystemRng)).unwrap();
        let cost = PassphraseCost::DEFAULT;
        let mut out =
            Writer::begin(Vec::new(), &key, cost, Timestamp::from_secs(1), &SystemRng).unwrap();
        let file = Entry::File { folder: "journal".into(), name: "1.journal".into() };
        let blob = Entry::Blob { blob: "ab".into(), project: "proj_1".into(), bytes: 7 };
        out.whole(&file, b"line\nline\n").unwrap();
        out.entry(&blob).unwrap();
        for _ in 0..5 {
            out.piece(&[b'\n'; 300_000]).unwrap();
        }
        out.end_entry().unwrap();
        out.whole(&Entry::End, b"").unwrap();
        let bytes = out.finish().unwrap();

        let (head, mut reader) = Reader::open(&bytes[..], &key).unwrap();
        assert_eq!(head.made_at, Timestamp::from_secs(1));
        assert_eq!(reader.entry().unwrap(), Some(file));
        assert_eq!(reader.all(100).unwrap(), b"line\nline\n");
        assert_eq!(reader.entry().unwrap(), Some(blob));
        assert!(reader.all(1_500_000).unwrap() == [b'\n'; 1_500_000]);
        assert_eq!(reader.entry().unwrap(), Some(Entry::End));
        assert_eq!(reader.piece().unwrap(), None);
        assert_eq!(reader.entry().unwrap(), None);
    }
}
