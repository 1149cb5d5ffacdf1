//! Reading a backup to its end, to see whether it could be restored.

use std::io::{BufRead, Read};
use std::sync::Arc;

use files::BlobCheck;
use kernel::{ProjectId, SharedRng};
use store::DumpCheck;
use vault::{MasterKeys, Vault};

use crate::archive::{Entry, Reader};
use crate::contents::{Digest, End, Manifest};
use crate::tally::{LARGEST, Tally};
use crate::{BackupError, BackupKey, Head};

/// What a look at a backup found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How it begins.
    pub head: Head,
    /// What it holds.
    pub manifest: Manifest,
    /// How much of it.
    pub end: End,
    /// How many sealed values of the database were opened, each with the right master key.
    pub values_opened: u64,
    /// How many blobs were opened to their end.
    pub blobs_opened: u64,
}

/// Reads a backup to its end. Everything is compared with what it says, and what is sealed inside is
/// opened with the master keys inside; where there are none, with `master_keys`.
///
/// # Errors
/// When it could not be restored whole.
pub fn verify(
    input: impl BufRead,
    key: &BackupKey,
    master_keys: Option<&MasterKeys>,
    rng: SharedRng,
) -> Result<Verified, BackupError> {
    let (head, mut reader) = Reader::open(input, key)?;
    let mut look = Look {
        vault: master_keys.map(|keys| vault(keys, &rng)).transpose()?,
        rng,
        tally: Tally::default(),
        database: None,
        values_opened: 0,
        blobs_opened: 0,
    };
    while let Some(entry) = reader.entry()? {
        look.at(entry, &mut reader)?;
    }
    let Look { tally, values_opened, blobs_opened, .. } = look;
    let (manifest, end) = tally.finish()?;
    Ok(Verified { head, manifest, end, values_opened, blobs_opened })
}

/// The vault of the keys that a backup holds.
pub(crate) fn vault(keys: &MasterKeys, rng: &SharedRng) -> Result<Arc<Vault>, BackupError> {
    Ok(Arc::new(Vault::with_keys(keys, Arc::clone(rng))?))
}

/// The master keys that an entry holds.
pub(crate) fn master_keys(reader: &mut Reader<impl Read>) -> Result<MasterKeys, BackupError> {
    let text = String::from_utf8(reader.all(LARGEST)?).map(zeroize::Zeroizing::new);
    let text = text.map_err(|_| BackupError::unsound("its master keys are no text"))?;
    Ok(MasterKeys::parse(&text)?)
}

struct Look {
    rng: SharedRng,
    vault: Option<Arc<Vault>>,
    tally: Tally,
    database: Option<DumpCheck>,
    values_opened: u64,
    blobs_opened: u64,
}

impl Look {
    fn at(&mut self, entry: Entry, reader: &mut Reader<impl Read>) -> Result<(), BackupError> {
        match entry {
            Entry::Manifest => self.tally.manifest(reader),
            Entry::MasterKeys => {
                self.vault = Some(vault(&master_keys(reader)?, &self.rng)?);
                Ok(())
            }
            Entry::File { folder, .. } => {
                while reader.piece()?.is_some() {}
                self.tally.file(&folder);
                Ok(())
            }
            Entry::Database => self.database(reader),
            Entry::Blob { blob, project, bytes } => {
                self.blob(&blob, &project.as_str().into(), bytes, reader)
            }
            Entry::End => self.tally.end(reader),
        }
    }

    fn database(&mut self, reader: &mut Reader<impl Read>) -> Result<(), BackupError> {
        let mut check = DumpCheck::new(self.vault.clone());
        let mut digest = Digest::new();
        while let Some(piece) = reader.piece()? {
            digest.feed(&piece);
            check.feed(&piece)?;
        }
        let (summary, opened) = check.finish()?;
        self.values_opened += opened;
        self.database = Some(check);
        self.tally.database(summary, digest);
        Ok(())
    }

    fn blob(
        &mut self,
        blob: &str,
        project: &ProjectId,
        bytes: u64,
        reader: &mut Reader<impl Read>,
    ) -> Result<(), BackupError> {
        let key = self.database.as_ref().and_then(|database| database.content_key(project));
        let mut check = key.map(|key| BlobCheck::new(key, blob)).transpose()?;
        let mut sealed = 0;
        while let Some(piece) = reader.piece()? {
            sealed += piece.len() as u64;
            if let Some(check) = &mut check {
                check.feed(&piece)?;
            }
        }
        // One that was deleted meanwhile is not restored, so it need not open.
        if self.tally.blob(blob, bytes, sealed)
            && let Some(check) = check
        {
            check.finish(bytes)?;
            self.blobs_opened += 1;
        }
        Ok(())
    }
}
