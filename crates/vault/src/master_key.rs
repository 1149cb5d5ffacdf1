//! The master key: 32 random bytes that live outside the database.

use std::fmt;

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kernel::Rng;
use zeroize::Zeroizing;

use crate::VaultError;
use crate::derive::expand;

/// The root of the key hierarchy. It is wiped from memory when dropped and never printed.
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// A new key.
    pub fn generate(rng: &dyn Rng) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill(bytes.as_mut());
        Self(bytes)
    }

    /// The key that `text` holds in base64, as the environment or a key file has it. White space
    /// around it is ignored.
    ///
    /// # Errors
    /// [`VaultError::InvalidMasterKey`] when the text is no base64 of 32 bytes.
    pub fn from_base64(text: &str) -> Result<Self, VaultError> {
        let decoded = STANDARD.decode(text.trim()).map_err(|_| VaultError::InvalidMasterKey)?;
        let decoded = Zeroizing::new(decoded);
        let bytes =
            <[u8; 32]>::try_from(decoded.as_slice()).map_err(|_| VaultError::InvalidMasterKey)?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// A name for this key that tells nothing about it.
    ///
    /// # Errors
    /// When the key derivation refuses to work.
    pub fn id(&self) -> Result<KeyId, VaultError> {
        let mut id = [0; 8];
        self.derive(b"kijun vault key id", &mut id)?;
        Ok(KeyId(id))
    }

    /// The key itself, for the key file.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Fills `out` with bytes that only this key and `purpose` give (HKDF-SHA256).
    pub(crate) fn derive(&self, purpose: &[u8], out: &mut [u8]) -> Result<(), VaultError> {
        expand(&Salt::none(HKDF_SHA256).extract(self.0.as_slice()), &[purpose], out)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// Which master key a value was sealed with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(crate) [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

#[cfg(test)]
mod tests {
    use kernel::SystemRng;

    use super::*;

    #[test]
    fn base64_gives_the_same_key_back() -> Result<(), VaultError> {
        let key = MasterKey::generate(&SystemRng);
        let again = MasterKey::from_base64(&format!("  {}\n", STANDARD.encode(key.as_bytes())))?;
        assert_eq!(again.id()?, key.id()?);
        assert_ne!(MasterKey::generate(&SystemRng).id()?, key.id()?);
        Ok(())
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for wrong in ["", "c2hvcnQ=", "not base64!", &STANDARD.encode([7; 33])] {
            assert!(matches!(MasterKey::from_base64(wrong), Err(VaultError::InvalidMasterKey)));
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let key = MasterKey::from_base64(&STANDARD.encode([7; 32])).unwrap();
        assert_eq!(format!("{key:?}"), "MasterKey(..)");
    }
}
