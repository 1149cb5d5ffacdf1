//! Sealing and opening of values.
//!
//! A sealed value is, in this order: the format's version (1 byte), the master key's id (8), the
//! nonce of the wrapped data key (12), the wrapped data key (32 and a tag of 16), the nonce of the
//! value (12), the ciphertext and its tag (16). Both ciphers are AES-256-GCM; both authenticate the
//! version, the key's id and the value's place.

use std::fmt;

use aws_lc_rs::aead::{self, LessSafeKey, NONCE_LEN, Nonce};
use kernel::SharedRng;
use zeroize::Zeroizing;

use crate::cipher::{KEY_LEN, TAG_LEN, cipher};
use crate::{Aad, KeyId, MasterKey, VaultError};

const VERSION: u8 = 1;
const HEADER_LEN: usize = 1 + 8;
const WRAPPED_LEN: usize = NONCE_LEN + KEY_LEN + TAG_LEN;

/// Seals values for places in the database, and opens them again.
pub struct Vault {
    key_id: KeyId,
    wrapping: LessSafeKey,
    rng: SharedRng,
}

impl Vault {
    /// The vault of a master key.
    ///
    /// # Errors
    /// When the cipher cannot be set up.
    pub fn new(master: &MasterKey, rng: SharedRng) -> Result<Self, VaultError> {
        // The master key itself encrypts nothing, so that later purposes get keys of their own.
        let mut wrapping = Zeroizing::new([0; KEY_LEN]);
        master.derive(b"kijun vault wrapping key v1", wrapping.as_mut())?;
        Ok(Self { key_id: master.id()?, wrapping: cipher(&wrapping)?, rng })
    }

    /// Which master key this vault seals with.
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Encrypts `plaintext` for one place. Two seals of one value differ.
    ///
    /// # Errors
    /// [`VaultError::NotSealed`] when the value is longer than the cipher allows (64 GiB).
    pub fn seal(&self, aad: &Aad, plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut header = [VERSION; HEADER_LEN];
        header[1..].copy_from_slice(&self.key_id.0);
        let context = [&header, aad.as_bytes()].concat();

        let mut data_key = Zeroizing::new([0; KEY_LEN]);
        self.rng.fill(data_key.as_mut());
        let mut sealed =
            Vec::with_capacity(HEADER_LEN + WRAPPED_LEN + NONCE_LEN + plaintext.len() + TAG_LEN);
        sealed.extend_from_slice(&header);
        self.append_sealed(&self.wrapping, &context, data_key.as_slice(), &mut sealed)?;
        self.append_sealed(&cipher(&data_key)?, &context, plaintext, &mut sealed)?;
        Ok(sealed)
    }

    /// The value that was sealed for this place. It is wiped when dropped.
    ///
    /// # Errors
    /// When it was sealed with another master key or by a newer Kijun, or is not whole.
    pub fn open(&self, aad: &Aad, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (header, rest) = sealed.split_first_chunk::<HEADER_LEN>().ok_or(VaultError::Damaged)?;
        let [version, key_id @ ..] = *header;
        if version != VERSION {
            return Err(VaultError::UnknownVersion { found: version });
        }
        if key_id != self.key_id.0 {
            return Err(VaultError::WrongMasterKey {
                sealed_with: KeyId(key_id),
                here: self.key_id,
            });
        }
        let context = [header.as_slice(), aad.as_bytes()].concat();
        let (wrapped, value) =
            rest.split_first_chunk::<WRAPPED_LEN>().ok_or(VaultError::Damaged)?;
        let data_key = open_sealed(&self.wrapping, &context, wrapped)?;
        let data_key: &[u8; KEY_LEN] =
            data_key.as_slice().try_into().map_err(|_| VaultError::Damaged)?;
        open_sealed(&cipher(data_key)?, &context, value)
    }

    /// Appends a fresh nonce, the ciphertext and its tag to `out`.
    fn append_sealed(
        &self,
        key: &LessSafeKey,
        context: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), VaultError> {
        let mut nonce = [0; NONCE_LEN];
        self.rng.fill(&mut nonce);
        out.extend_from_slice(&nonce);
        let mut text = Zeroizing::new(plaintext.to_vec());
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                aead::Aad::from(context),
                &mut text,
            )
            .map_err(|_| VaultError::NotSealed)?;
        out.extend_from_slice(&text);
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

fn open_sealed(
    key: &LessSafeKey,
    context: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(VaultError::Damaged)?;
    let mut text = Zeroizing::new(text.to_vec());
    let length = key
        .open_in_place(Nonce::assume_unique_for_key(*nonce), aead::Aad::from(context), &mut text)
        .map_err(|_| VaultError::Damaged)?
        .len();
    text.truncate(length);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kernel::SystemRng;

    use super::*;

    fn vault() -> Vault {
        Vault::new(&MasterKey::generate(&SystemRng), Arc::new(SystemRng)).unwrap()
    }

    fn place() -> Aad {
        Aad::new("provider", "api_key", "openai")
    }

    #[test]
    fn what_is_sealed_opens_in_its_place() {
        let vault = vault();
        for value in [&b""[..], b"sk-secret", &[0x5a; 5000]] {
            let sealed = vault.seal(&place(), value).unwrap();
            assert_eq!(vault.open(&place(), &sealed).unwrap().as_slice(), value);
            assert!(value.is_empty() || !sealed.windows(value.len()).any(|part| part == value));
        }
    }

    #[test]
    fn two_seals_of_one_value_differ_in_every_part() {
        let vault = vault();
        let (one, two) = (vault.seal(&place(), b"x").unwrap(), vault.seal(&place(), b"x").unwrap());
        let differ = |part: std::ops::Range<usize>| one[part.clone()] != two[part];
        assert!(differ(HEADER_LEN..HEADER_LEN + NONCE_LEN));
        assert!(differ(HEADER_LEN + NONCE_LEN..HEADER_LEN + WRAPPED_LEN));
        assert!(differ(HEADER_LEN + WRAPPED_LEN..HEADER_LEN + WRAPPED_LEN + NONCE_LEN));
    }

    #[test]
    fn a_value_does_not_open_in_another_place() {
        let vault = vault();
        let sealed = vault.seal(&place(), b"sk-secret").unwrap();
        let elsewhere = Aad::new("provider", "api_key", "azure");
        assert!(matches!(vault.open(&elsewhere, &sealed), Err(VaultError::Damaged)));
    }

    #[test]
    fn another_master_key_is_named_as_such() {
        let (ours, theirs) = (vault(), vault());
        let sealed = theirs.seal(&place(), b"sk-secret").unwrap();
        match ours.open(&place(), &sealed) {
            Err(VaultError::WrongMasterKey { sealed_with, here }) => {
                assert_eq!((sealed_with, here), (theirs.key_id(), ours.key_id()));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_noticed() {
        let vault = vault();
        let sealed = vault.seal(&place(), b"sk-secret").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(vault.open(&place(), &changed).is_err(), "byte {at} changed");
            assert!(vault.open(&place(), &sealed[..at]).is_err(), "cut at {at}");
        }
        let longer = [sealed.as_slice(), &[0]].concat();
        assert!(vault.open(&place(), &longer).is_err());
    }

    #[test]
    fn a_newer_format_is_named_as_such() {
        let vault = vault();
        let mut sealed = vault.seal(&place(), b"x").unwrap();
        sealed[0] = 2;
        let opened = vault.open(&place(), &sealed);
        assert!(matches!(opened, Err(VaultError::UnknownVersion { found: 2 })));
    }
}
