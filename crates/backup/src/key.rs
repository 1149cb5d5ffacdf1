//! What a backup is sealed with: a passphrase that people remember, or a key that they keep.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kernel::Rng;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use vault::{ContentKey, PassphraseCost};
use zeroize::Zeroizing;

use crate::BackupError;

/// What a recovery key begins with.
const PREFIX: &str = "kijun-backup-key-";
const KEY_LEN: usize = 32;
const SALT_LEN: usize = 16;
/// Characters of the shortest passphrase: guesses are slow, but can be made for years.
const LEAST: usize = 12;

/// The secret of a backup. It is never printed.
pub enum BackupKey {
    /// What somebody remembers.
    Passphrase(SecretString),
    /// 32 random bytes that somebody keeps.
    Recovery(Zeroizing<[u8; KEY_LEN]>),
}

/// How the sealing key comes about, for everybody to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Derivation {
    /// From a passphrase, by Argon2id.
    Passphrase { salt: String, memory_kib: u32, passes: u32 },
    /// From a recovery key.
    RecoveryKey { salt: String },
}

impl BackupKey {
    /// A new recovery key, as text to be kept. It is not kept here.
    pub fn generate(rng: &dyn Rng) -> SecretString {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        rng.fill(bytes.as_mut());
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes.as_slice())).into()
    }

    /// The recovery key that a text is, or else the passphrase.
    ///
    /// # Errors
    /// [`BackupError::InvalidKey`] for half a recovery key, [`BackupError::WeakPassphrase`] for a
    /// passphrase that is too short.
    pub fn parse(text: &SecretString) -> Result<Self, BackupError> {
        let trimmed = text.expose_secret().trim();
        if let Some(encoded) = trimmed.strip_prefix(PREFIX) {
            let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| BackupError::InvalidKey)?;
            let bytes = Zeroizing::new(bytes);
            let bytes = bytes.as_slice().try_into().map_err(|_| BackupError::InvalidKey)?;
            return Ok(Self::Recovery(Zeroizing::new(bytes)));
        }
        if trimmed.chars().count() < LEAST {
            return Err(BackupError::WeakPassphrase { least: LEAST });
        }
        Ok(Self::Passphrase(trimmed.to_owned().into()))
    }

    /// How a new backup's key comes about.
    pub(crate) fn new_derivation(&self, cost: PassphraseCost, rng: &dyn Rng) -> Derivation {
        let mut salt = [0; SALT_LEN];
        rng.fill(&mut salt);
        let salt = STANDARD.encode(salt);
        match self {
            Self::Passphrase(_) => {
                let PassphraseCost { memory_kib, passes } = cost;
                Derivation::Passphrase { salt, memory_kib, passes }
            }
            Self::Recovery(_) => Derivation::RecoveryKey { salt },
        }
    }

    /// The sealing key of a backup.
    pub(crate) fn derive(&self, derivation: &Derivation) -> Result<ContentKey, BackupError> {
        let wanted = derivation.wanted();
        match (self, derivation) {
            (Self::Passphrase(text), Derivation::Passphrase { salt, memory_kib, passes }) => {
                let salt = STANDARD.decode(salt).map_err(|_| BackupError::WrongKey { wanted })?;
                let cost = PassphraseCost { memory_kib: *memory_kib, passes: *passes };
                let text = text.expose_secret().as_bytes();
                Ok(ContentKey::from_passphrase(text, &salt, cost)?)
            }
            (Self::Recovery(bytes), Derivation::RecoveryKey { .. }) => {
                Ok(ContentKey::from_bytes(bytes.as_slice())?)
            }
            _ => Err(BackupError::WrongKey { wanted }),
        }
    }
}

impl Derivation {
    /// What somebody must have to open the backup.
    pub(crate) const fn wanted(&self) -> &'static str {
        match self {
            Self::Passphrase { .. } => "passphrase",
            Self::RecoveryKey { .. } => "recovery key",
        }
    }
}

impl fmt::Debug for BackupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passphrase(_) => "Passphrase(..)",
            Self::Recovery(_) => "Recovery(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use kernel::SystemRng;

    use super::*;

    fn parse(text: &str) -> Result<BackupKey, BackupError> {
        BackupKey::parse(&text.to_owned().into())
    }

    #[test]
    fn a_recovery_key_is_known_by_its_beginning() {
        let text = BackupKey::generate(&SystemRng);
        let with_newline = format!("{}\n", text.expose_secret());
        assert!(matches!(parse(&with_newline).unwrap(), BackupKey::Recovery(_)));
        let half = &text.expose_secret()[..40];
        assert!(matches!(parse(half), Err(BackupError::InvalidKey)));
    }

    #[test]
    fn a_passphrase_must_be_long_enough() {
        assert!(matches!(parse("correct horse\n").unwrap(), BackupKey::Passphrase(_)));
        for short in ["", "hunter2", "  hunter2    "] {
            assert!(matches!(parse(short), Err(BackupError::WeakPassphrase { .. })));
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", parse("correct horse").unwrap()), "Passphrase(..)");
    }
}
