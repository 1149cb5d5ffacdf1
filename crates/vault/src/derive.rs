//! Derivation of keys by HKDF-SHA256.

use aws_lc_rs::hkdf::{KeyType, Prk};

use crate::VaultError;

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Fills `out` with bytes that only this key and these parts, in this order, give. The caller sees
/// to it that different parts never join to the same bytes.
pub(crate) fn expand(key: &Prk, parts: &[&[u8]], out: &mut [u8]) -> Result<(), VaultError> {
    key.expand(parts, Length(out.len()))
        .and_then(|material| material.fill(out))
        .map_err(|_| VaultError::NotSealed)
}
