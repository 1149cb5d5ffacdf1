//! The cipher of the house: AES-256-GCM.

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};

use crate::VaultError;

/// Bytes of a key.
pub(crate) const KEY_LEN: usize = 32;
/// Bytes by which a ciphertext is longer than its plaintext.
pub(crate) const TAG_LEN: usize = 16;

/// The cipher with this key.
pub(crate) fn cipher(key: &[u8; KEY_LEN]) -> Result<LessSafeKey, VaultError> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| VaultError::NotSealed)
}
