//! What is found in a backup while it is read, and whether that is what it says.

use std::collections::HashSet;
use std::io::Read;

use store::DumpSummary;

use crate::BackupError;
use crate::archive::{Reader, from_json};
use crate::contents::{Digest, End, Manifest};

/// Bytes of the longest list of blobs that were deleted meanwhile, and of all else that is read
/// whole.
pub(crate) const LARGEST: usize = 64 * 1024 * 1024;

/// A count of what was read.
#[derive(Default)]
pub(crate) struct Tally {
    manifest: Option<Manifest>,
    said: Option<End>,
    found: End,
    /// Blobs that were not there to their end.
    short: HashSet<String>,
}

impl Tally {
    pub(crate) fn manifest(&mut self, reader: &mut Reader<impl Read>) -> Result<(), BackupError> {
        let manifest: Manifest = from_json(&reader.all(LARGEST)?)?;
        // A folder without a file is counted too.
        self.found.files = manifest.folders.iter().map(|folder| (folder.clone(), 0)).collect();
        self.manifest = Some(manifest);
        Ok(())
    }

    pub(crate) fn end(&mut self, reader: &mut Reader<impl Read>) -> Result<(), BackupError> {
        self.said = Some(from_json(&reader.all(LARGEST)?)?);
        Ok(())
    }

    pub(crate) fn file(&mut self, folder: &str) {
        *self.found.files.entry(folder.to_owned()).or_default() += 1;
    }

    pub(crate) fn database(&mut self, summary: DumpSummary, digest: Digest) {
        self.found.schema_version = summary.schema_version;
        self.found.rows = summary.rows;
        self.found.database_sha256 = digest.finish();
    }

    /// Counts a blob, and says whether it was there to its end.
    pub(crate) fn blob(&mut self, blob: &str, bytes: u64, sealed: u64) -> bool {
        let whole = sealed == files::Blobs::sealed_len(bytes);
        if whole {
            self.found.blobs += 1;
            self.found.blob_bytes += bytes;
        } else {
            self.short.insert(blob.to_owned());
        }
        whole
    }

    /// What the backup says, if that is what was found.
    pub(crate) fn finish(self) -> Result<(Manifest, End), BackupError> {
        let Self { manifest, said, found, short } = self;
        let manifest =
            manifest.ok_or_else(|| BackupError::unsound("it does not say what it holds"))?;
        let said = said.ok_or_else(|| BackupError::unsound("it does not say what it held"))?;
        said.compare(&found)?;
        let gone = || said.deleted_meanwhile.iter().chain(&said.missing);
        match short.iter().find(|blob| gone().all(|gone| gone != *blob)) {
            Some(blob) => Err(BackupError::unsound(format!("blob `{blob}` is too short"))),
            None => Ok((manifest, said)),
        }
    }
}
