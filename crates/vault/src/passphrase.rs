//! Keys from what people can remember.

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use crate::cipher::KEY_LEN;
use crate::{ContentKey, VaultError};

/// How much a guess at a passphrase costs (Argon2id). It is written beside what the key seals, so it
/// may grow with time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PassphraseCost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
}

impl PassphraseCost {
    /// Twice what RFC 9106 recommends where memory is scarce, in one lane: a quarter of a second on
    /// a small server.
    pub const DEFAULT: Self = Self { memory_kib: 128 * 1024, passes: 3 };
    /// More than this is no cost that this house wrote down, but an attempt to fill the memory.
    const MOST: Self = Self { memory_kib: 1024 * 1024, passes: 16 };
}

impl ContentKey {
    /// The key that this passphrase gives with this salt.
    ///
    /// # Errors
    /// [`VaultError::NotDerived`] when the cost or the salt cannot be.
    pub fn from_passphrase(
        passphrase: &[u8],
        salt: &[u8],
        cost: PassphraseCost,
    ) -> Result<Self, VaultError> {
        let PassphraseCost { memory_kib, passes } = cost;
        let most = PassphraseCost::MOST;
        if memory_kib > most.memory_kib || passes > most.passes {
            return Err(VaultError::NotDerived);
        }
        let params = Params::new(memory_kib, passes, 1, Some(KEY_LEN));
        let params = params.map_err(|_| VaultError::NotDerived)?;
        let mut key = Zeroizing::new([0; KEY_LEN]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase, salt, key.as_mut())
            .map_err(|_| VaultError::NotDerived)?;
        Self::from_bytes(key.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: PassphraseCost = PassphraseCost { memory_kib: 64, passes: 1 };

    fn key(passphrase: &str, salt: &[u8], cost: PassphraseCost) -> [u8; 32] {
        *ContentKey::from_passphrase(passphrase.as_bytes(), salt, cost).unwrap().to_bytes()
    }

    #[test]
    fn a_key_depends_on_all_that_it_is_made_of() {
        let one = key("correct horse", &[7; 16], CHEAP);
        assert_eq!(one, key("correct horse", &[7; 16], CHEAP));
        assert_ne!(one, key("correct horsf", &[7; 16], CHEAP));
        assert_ne!(one, key("correct horse", &[8; 16], CHEAP));
        assert_ne!(one, key("correct horse", &[7; 16], PassphraseCost { passes: 2, ..CHEAP }));
    }

    #[test]
    fn costs_that_would_fill_the_memory_are_refused() {
        for cost in [
            PassphraseCost { memory_kib: u32::MAX, ..CHEAP },
            PassphraseCost { passes: u32::MAX, ..CHEAP },
            PassphraseCost { memory_kib: 0, ..CHEAP },
        ] {
            let derived = ContentKey::from_passphrase(b"x", &[7; 16], cost);
            assert!(matches!(derived, Err(VaultError::NotDerived)), "{cost:?}");
        }
        let short = ContentKey::from_passphrase(b"x", b"salt", CHEAP);
        assert!(matches!(short, Err(VaultError::NotDerived)));
    }
}
