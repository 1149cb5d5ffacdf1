//! What a backup says of itself, and what was found in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::BackupError;

/// What a backup holds, said at its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Whether the master keys are inside. Without them, nobody can open what is sealed.
    pub master_keys: bool,
    /// Whether the bytes of files are inside.
    pub blobs: bool,
    /// Which folders of the data directory are inside.
    pub folders: Vec<String>,
}

/// What a backup held, said at its end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct End {
    /// The version of the database's schema.
    pub schema_version: i64,
    /// How many rows of which table.
    pub rows: BTreeMap<String, u64>,
    /// The SHA-256 of the rows as they were dumped, in hexadecimal.
    pub database_sha256: String,
    /// How many files of which folder.
    pub files: BTreeMap<String, u64>,
    /// How many blobs.
    pub blobs: u64,
    /// Bytes of the blobs, as their owners sent them.
    pub blob_bytes: u64,
    /// Blobs that were deleted while the backup ran: their files are not restored.
    pub deleted_meanwhile: Vec<String>,
    /// Blobs that were missing already, though a row points to them.
    pub missing: Vec<String>,
}

/// The digest of what passes.
pub(crate) struct Digest(digest::Context);

impl Digest {
    pub(crate) fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.0.finish().as_ref() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

impl End {
    /// Says whether what was found is what was written.
    pub(crate) fn compare(&self, found: &Self) -> Result<(), BackupError> {
        let Self { deleted_meanwhile, missing, .. } = self.clone();
        let found = Self { deleted_meanwhile, missing, ..found.clone() };
        if *self == found {
            return Ok(());
        }
        let differ = [
            ("schema version", self.schema_version != found.schema_version),
            ("numbers of rows", self.rows != found.rows),
            ("digest of the rows", self.database_sha256 != found.database_sha256),
            ("numbers of files", self.files != found.files),
            ("number of blobs", self.blobs != found.blobs),
            ("bytes of blobs", self.blob_bytes != found.blob_bytes),
        ];
        let differ: Vec<_> =
            differ.iter().filter(|(_, differ)| *differ).map(|(of, _)| *of).collect();
        Err(BackupError::unsound(format!("the {} are not what it says", differ.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let said = End { blobs: 2, missing: vec!["ab".into()], ..End::default() };
        assert!(said.compare(&End { blobs: 2, ..End::default() }).is_ok());
        let error = said.compare(&End { blobs: 1, ..End::default() }).unwrap_err().to_string();
        assert!(error.contains("number of blobs"), "{error}");
    }

    #[test]
    fn the_digest_is_sha_256() {
        let mut digest = Digest::new();
        digest.feed(b"a");
        digest.feed(b"bc");
        assert!(digest.finish().starts_with("ba7816bf8f01cfea414140de5dae2223"));
    }
}
