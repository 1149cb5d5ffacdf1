//! The key under which one project's content is sealed.
//!
//! A sealed value is, in this order: the format's version (1 byte), a salt (16), the ciphertext and
//! its tag (16). The project's key and the salt give the value's own cipher key and nonce
//! (HKDF-SHA256), so no cipher key ever seals two values, however many a project has. The cipher is
//! AES-256-GCM; it authenticates the version and the value's place.

use std::fmt;

use aws_lc_rs::aead::{self, LessSafeKey, NONCE_LEN, Nonce};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use kernel::Rng;
use zeroize::Zeroizing;

use crate::cipher::{KEY_LEN, TAG_LEN, cipher};
use crate::derive::expand;
use crate::{Aad, ChunkCipher, VaultError};

const VERSION: u8 = 1;
const SALT_LEN: usize = 16;
const HEADER_LEN: usize = 1 + SALT_LEN;

/// A project's key. It is kept wrapped by the [`Vault`](crate::Vault), wiped from memory when
/// dropped, and never printed.
pub struct ContentKey(Zeroizing<[u8; KEY_LEN]>);

impl ContentKey {
    /// A new key.
    pub fn generate(rng: &dyn Rng) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        rng.fill(bytes.as_mut());
        Self(bytes)
    }

    /// The key of these bytes, as the vault has opened them.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] when they are not 32.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VaultError> {
        let bytes = bytes.try_into().map_err(|_| VaultError::Damaged)?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// The bytes of the key, for the vault to wrap.
    pub fn to_bytes(&self) -> Zeroizing<[u8; KEY_LEN]> {
        self.0.clone()
    }

    /// Encrypts `plaintext` for one place. Two seals of one value differ.
    ///
    /// # Errors
    /// [`VaultError::NotSealed`] when the value is longer than the cipher allows (64 GiB).
    pub fn seal(&self, aad: &Aad, plaintext: &[u8], rng: &dyn Rng) -> Result<Vec<u8>, VaultError> {
        let mut salt = [0; SALT_LEN];
        rng.fill(&mut salt);
        let (key, nonce) = self.key_of_value(&salt)?;
        let mut sealed = Vec::with_capacity(HEADER_LEN + plaintext.len() + TAG_LEN);
        sealed.push(VERSION);
        sealed.extend_from_slice(&salt);
        sealed.extend_from_slice(plaintext);
        let text = sealed.get_mut(HEADER_LEN..).unwrap_or_default();
        let tag = key
            .seal_in_place_separate_tag(nonce, context(aad), text)
            .map_err(|_| VaultError::NotSealed)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// The value that was sealed for this place. It is wiped when dropped.
    ///
    /// # Errors
    /// When it was sealed by a newer Kijun or under another key, or is not whole.
    pub fn open(&self, aad: &Aad, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (version, rest) = sealed.split_first().ok_or(VaultError::Damaged)?;
        if *version != VERSION {
            return Err(VaultError::UnknownVersion { found: *version });
        }
        let (salt, text) = rest.split_first_chunk::<SALT_LEN>().ok_or(VaultError::Damaged)?;
        let (key, nonce) = self.key_of_value(salt)?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = key
            .open_in_place(nonce, context(aad), &mut text)
            .map_err(|_| VaultError::Damaged)?
            .len();
        text.truncate(length);
        Ok(text)
    }

    /// The cipher of a blob that is sealed and opened in chunks.
    ///
    /// A blob's id must name one content for ever: its chunks' nonces are their numbers, so two
    /// contents under one id would tell on each other.
    ///
    /// # Errors
    /// When the key derivation refuses to work.
    pub fn chunks(&self, blob: &str) -> Result<ChunkCipher, VaultError> {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        expand(&self.root(), &[b"kijun content blob v1\0", blob.as_bytes()], key.as_mut())?;
        Ok(ChunkCipher::new(cipher(&key)?))
    }

    fn key_of_value(&self, salt: &[u8; SALT_LEN]) -> Result<(LessSafeKey, Nonce), VaultError> {
        let mut material = Zeroizing::new([0; KEY_LEN + NONCE_LEN]);
        expand(&self.root(), &[b"kijun content value v1\0", salt], material.as_mut())?;
        let (key, rest) = material.split_first_chunk().ok_or(VaultError::NotSealed)?;
        let nonce = Nonce::try_assume_unique_for_key(rest).map_err(|_| VaultError::NotSealed)?;
        Ok((cipher(key)?, nonce))
    }

    /// The key is uniformly random already, so HKDF's extraction has nothing to do.
    fn root(&self) -> Prk {
        Prk::new_less_safe(HKDF_SHA256, self.0.as_slice())
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey(..)")
    }
}

fn context(aad: &Aad) -> aead::Aad<Vec<u8>> {
    aead::Aad::from([&[VERSION], aad.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use kernel::SystemRng;

    use super::*;

    fn key() -> ContentKey {
        ContentKey::generate(&SystemRng)
    }

    fn place() -> Aad {
        Aad::new("response", "body", "resp_1")
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_with_its_key_alone() {
        let key = key();
        for value in [&b""[..], b"hello", &[0x5a; 100_000]] {
            let sealed = key.seal(&place(), value, &SystemRng).unwrap();
            assert_eq!(sealed.len(), HEADER_LEN + value.len() + TAG_LEN);
            assert!(value.is_empty() || !sealed.windows(value.len()).any(|part| part == value));
            assert_eq!(key.open(&place(), &sealed).unwrap().as_slice(), value);
            let again = ContentKey::from_bytes(key.to_bytes().as_slice()).unwrap();
            assert_eq!(again.open(&place(), &sealed).unwrap().as_slice(), value);

            let elsewhere = Aad::new("response", "body", "resp_2");
            assert!(matches!(key.open(&elsewhere, &sealed), Err(VaultError::Damaged)));
            let other = ContentKey::generate(&SystemRng);
            assert!(matches!(other.open(&place(), &sealed), Err(VaultError::Damaged)));
        }
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_noticed() {
        let key = key();
        let sealed = key.seal(&place(), b"hello", &SystemRng).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(&place(), &changed).is_err(), "byte {at} changed");
            assert!(key.open(&place(), &sealed[..at]).is_err(), "cut at {at}");
        }
        assert!(key.open(&place(), &[sealed.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn a_newer_format_is_named_as_such() {
        let key = key();
        let mut sealed = key.seal(&place(), b"hello", &SystemRng).unwrap();
        sealed[0] = 2;
        let opened = key.open(&place(), &sealed);
        assert!(matches!(opened, Err(VaultError::UnknownVersion { found: 2 })));
    }

    #[test]
    fn no_two_seals_share_a_salt_or_a_ciphertext() {
        let key = key();
        let mut salts = HashSet::new();
        let mut texts = HashSet::new();
        for _ in 0..100 {
            let sealed = key.seal(&place(), b"hello", &SystemRng).unwrap();
            assert!(salts.insert(sealed[1..HEADER_LEN].to_vec()));
            assert!(texts.insert(sealed[HEADER_LEN..].to_vec()));
        }
    }

    #[test]
    fn a_key_has_32_bytes_and_is_never_shown() {
        assert!(matches!(ContentKey::from_bytes(&[7; 31]), Err(VaultError::Damaged)));
        assert_eq!(format!("{:?}", ContentKey::from_bytes(&[7; 32]).unwrap()), "ContentKey(..)");
    }
}
