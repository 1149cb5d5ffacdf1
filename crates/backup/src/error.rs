//! What callers of this crate branch on.

use std::io;

use files::FilesError;
use store::StoreError;
use vault::VaultError;

/// Why a backup could not be made, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The operating system did not do what it was asked.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What, and where.
        doing: String,
        /// Why not.
        source: io::Error,
    },
    /// The file is something else.
    #[error("this is no backup of Kijun's; name the file that `kijun backup create` wrote")]
    NotABackup,
    /// A newer Kijun wrote it.
    #[error("the backup has format {found}, newer than this Kijun knows; use the newer one")]
    NewerFormat {
        /// Its format.
        found: u32,
    },
    /// The secret is too easy to guess, or empty.
    #[error("the passphrase is too short; use {least} characters or more, or `kijun backup key`")]
    WeakPassphrase {
        /// Characters that it should have.
        least: usize,
    },
    /// The text begins like a recovery key, and is none.
    #[error("the recovery key is not whole; copy it again, with all its characters")]
    InvalidKey,
    /// The passphrase or the key is another one.
    #[error(
        "this backup was not sealed with that passphrase or key, or its first lines were changed; \
         use the secret that it was made with (its first lines want a {wanted})"
    )]
    WrongKey {
        /// `passphrase` or `recovery key`.
        wanted: &'static str,
    },
    /// The file ends before the backup does.
    #[error(
        "the backup ends too early, behind byte {at}: the file was cut off, or was never finished; \
         copy it again, or use an older one"
    )]
    CutOff {
        /// How many bytes could be read.
        at: u64,
    },
    /// The file is not what was written.
    #[error(
        "the backup was changed between byte {from} and byte {to}; copy it again, or use an older one"
    )]
    Damaged {
        /// Where the chunk begins that does not open.
        from: u64,
        /// Where it ends.
        to: u64,
    },
    /// It could be opened, and does not hold what it should.
    #[error("the backup is not sound: {reason}; use an older one, and report this")]
    Unsound {
        /// What is wrong.
        reason: String,
    },
    /// There is something where the data is to go.
    #[error("{place} is not empty; restore into a new one")]
    NotEmpty {
        /// The folder.
        place: String,
    },
    /// A restore was cut off while it moved its files.
    #[error(
        "{place} is not empty: a restore was cut off there near its end; restore into a new one, and \
         into a new database where that is another"
    )]
    HalfRestored {
        /// The folder.
        place: String,
    },
    /// The master keys cannot be had.
    #[error("the master keys cannot be read: {reason}")]
    MasterKeys {
        /// Why not.
        reason: String,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blob store.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A key.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl BackupError {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing: doing.into(), source }
    }

    pub(crate) fn unsound(reason: impl Into<String>) -> Self {
        Self::Unsound { reason: reason.into() }
    }
}
