//! What callers of this crate branch on.

use store::StoreError;
use vault::VaultError;

/// Why a file or an upload could not be written, read or changed.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The project may keep nothing.
    #[error(
        "this project keeps no content (zero data retention), so it can keep no files; send the \
         content within the request, or ask an administrator to change the project's data retention"
    )]
    ZeroRetention,
    /// More bytes than a file may have.
    #[error("the file is larger than {limit} bytes; send less, or raise files.max_file_bytes")]
    TooLarge {
        /// How many a file may have.
        limit: u64,
    },
    /// More bytes than a part may have.
    #[error("the part is larger than {limit} bytes; split the file into smaller parts")]
    PartTooLarge {
        /// How many a part may have.
        limit: u64,
    },
    /// What the caller said cannot be.
    #[error("{reason}")]
    Invalid {
        /// The field.
        param: &'static str,
        /// What is wrong with it, and how to mend it.
        reason: String,
    },
    /// The upload takes nothing more.
    #[error("upload `{id}` is {status}; begin another one")]
    UploadOver {
        /// Its id.
        id: String,
        /// What became of it: `completed`, `cancelled` or `expired`.
        status: &'static str,
    },
    /// A line has more bytes than the reader takes.
    #[error("the line that begins at byte {offset} is longer than {limit} bytes; make it shorter")]
    LineTooLong {
        /// Where it begins.
        offset: u64,
        /// How many bytes a line may have.
        limit: usize,
    },
    /// The blob store did not do what it was asked.
    #[error("the blob store could not {doing}: {reason}; check [files] in the configuration")]
    Unavailable {
        /// What was asked of it.
        doing: &'static str,
        /// What the operating system or the server said.
        reason: String,
    },
    /// A blob is not there.
    #[error("blob `{blob}` is missing; restore the blob store from its backup")]
    Missing {
        /// Which blob.
        blob: String,
    },
    /// A blob is not what was written.
    #[error("blob `{blob}` cannot be opened: {source}; restore the blob store from its backup")]
    Damaged {
        /// Which blob.
        blob: String,
        /// Why not.
        source: VaultError,
    },
    /// The blob store belongs to another installation.
    #[error(
        "the blob store belongs to another database; use the database that its files were made \
         with, or give this one a blob store of its own in [files]"
    )]
    ForeignBlobs,
    /// The database said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl FilesError {
    pub(crate) fn invalid(param: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid { param, reason: reason.into() }
    }
}
