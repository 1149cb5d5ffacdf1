//! What can go wrong with a key or a sealed value.

use std::path::PathBuf;

use crate::KeyId;

/// Why a key could not be had, or a value not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The text is no master key.
    #[error(
        "the master key is not 32 bytes in base64; restore it from its backup, or make a new one \
         for a new database with `openssl rand -base64 32`"
    )]
    InvalidMasterKey,
    /// The key file holds something else than a master key.
    #[error(
        "{} does not hold master keys (32 bytes in base64 on each line); restore the file from its backup. \
         Without it, what the database keeps sealed cannot be read again",
        path.display()
    )]
    InvalidKeyFile {
        /// The file.
        path: PathBuf,
    },
    /// Others than the owner may reach the key.
    #[error(
        "{} may be reached by others (mode {mode:04o}): make it private with `chmod {wanted:o} {}`",
        path.display(), path.display()
    )]
    TooOpen {
        /// The file or its folder.
        path: PathBuf,
        /// Its mode now.
        mode: u32,
        /// The mode that it should have.
        wanted: u32,
    },
    /// The key file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    KeyFile {
        /// What was tried.
        action: &'static str,
        /// The file or its folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The value was sealed with another master key.
    #[error(
        "sealed with master key {sealed_with}, but the newest master key here is {here} and none \
         before it is that one; add the key that it was sealed with"
    )]
    WrongMasterKey {
        /// The key that it was sealed with.
        sealed_with: KeyId,
        /// The newest key of this vault.
        here: KeyId,
    },
    /// The key is not among those that are here.
    #[error("master key {id} is not here; add it to the key file, or to the environment")]
    NoSuchKey {
        /// Which key.
        id: KeyId,
    },
    /// The value was sealed by a newer Kijun.
    #[error("sealed in format {found}, newer than this Kijun knows; use the newer one")]
    UnknownVersion {
        /// The format's number.
        found: u8,
    },
    /// The value is not what was sealed for this place: cut off, changed, or moved from elsewhere.
    #[error(
        "the sealed value was changed, or belongs to another place; set it again or restore it \
         from a backup"
    )]
    Damaged,
    /// The parameters of a passphrase's derivation cannot be.
    #[error("the key could not be derived from the passphrase; its parameters were changed")]
    NotDerived,
    /// The cipher refused to work.
    #[error("the value could not be sealed; it is too long")]
    NotSealed,
}
