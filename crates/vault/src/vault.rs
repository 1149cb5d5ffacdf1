//! Sealing and opening of values.
//!
//! A sealed value is, in this order: the format's version (1 byte), the master key's id (8), the
//! nonce of the wrapped data key (12), the wrapped data key (32 and a tag of 16), the nonce of the
//! value (12), the ciphertext and its tag (16). Both ciphers are AES-256-GCM; both authenticate the
//! version, the key's id and the value's place.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::aead::{self, LessSafeKey, NONCE_LEN, Nonce};
use kernel::SharedRng;
use zeroize::Zeroizing;

use crate::cipher::{KEY_LEN, TAG_LEN, cipher};
use crate::{Aad, KeyId, MasterKey, MasterKeys, VaultError};

const VERSION: u8 = 1;
const HEADER_LEN: usize = 1 + 8;
const WRAPPED_LEN: usize = NONCE_LEN + KEY_LEN + TAG_LEN;

/// Seals values for places in the database, and opens them again. It seals with one master key and
/// opens with all that it has.
pub struct Vault {
    ring: RwLock<Arc<Ring>>,
    rng: SharedRng,
}

/// The wrapping keys of the master keys that are here.
struct Ring {
    /// The newest first; never empty.
    keys: Arc<[(KeyId, LessSafeKey)]>,
    /// Which of them seals.
    sealing: KeyId,
}

impl Vault {
    /// The vault of one master key.
    ///
    /// # Errors
    /// When the cipher cannot be set up.
    pub fn new(master: &MasterKey, rng: SharedRng) -> Result<Self, VaultError> {
        Self::of([wrapping(master)?].into(), rng)
    }

    /// The vault of these keys. It seals with the newest until it is [told](Self::seal_with)
    /// otherwise.
    ///
    /// # Errors
    /// When the cipher cannot be set up.
    pub fn with_keys(keys: &MasterKeys, rng: SharedRng) -> Result<Self, VaultError> {
        Self::of(keys.keys().iter().map(wrapping).collect::<Result<_, _>>()?, rng)
    }

    fn of(keys: Arc<[(KeyId, LessSafeKey)]>, rng: SharedRng) -> Result<Self, VaultError> {
        let sealing = keys.first().ok_or(VaultError::InvalidMasterKey)?.0;
        Ok(Self { ring: RwLock::new(Arc::new(Ring { keys, sealing })), rng })
    }

    /// Which master key this vault seals with.
    pub fn key_id(&self) -> KeyId {
        self.ring().sealing
    }

    /// Which master keys this vault opens with, the newest first.
    pub fn key_ids(&self) -> Vec<KeyId> {
        self.ring().keys.iter().map(|(id, _)| *id).collect()
    }

    /// Seals with this key from now on.
    ///
    /// # Errors
    /// [`VaultError::NoSuchKey`] when it is not here; nothing changes then.
    pub fn seal_with(&self, id: KeyId) -> Result<(), VaultError> {
        let keys = Arc::clone(&self.ring().keys);
        if keys.iter().all(|(own, _)| *own != id) {
            return Err(VaultError::NoSuchKey { id });
        }
        self.put(Ring { keys, sealing: id });
        Ok(())
    }

    /// Takes these keys in place of those that are here, and goes on to seal with the same.
    ///
    /// # Errors
    /// [`VaultError::NoSuchKey`] when that one is not among them: then all stay.
    pub fn replace_keys(&self, keys: &MasterKeys) -> Result<(), VaultError> {
        let sealing = self.key_id();
        let keys: Arc<[_]> = keys.keys().iter().map(wrapping).collect::<Result<_, _>>()?;
        if keys.iter().all(|(own, _)| *own != sealing) {
            return Err(VaultError::NoSuchKey { id: sealing });
        }
        self.put(Ring { keys, sealing });
        Ok(())
    }

    /// Which master key a value was sealed with.
    ///
    /// # Errors
    /// When it is no sealed value, or one of a newer Kijun.
    pub fn sealed_with(sealed: &[u8]) -> Result<KeyId, VaultError> {
        let ([version, id @ ..], _) =
            sealed.split_first_chunk::<HEADER_LEN>().ok_or(VaultError::Damaged)?;
        match *version {
            VERSION => Ok(KeyId(*id)),
            found => Err(VaultError::UnknownVersion { found }),
        }
    }

    /// The value sealed anew, if it is sealed with another key than this vault seals with.
    ///
    /// # Errors
    /// As [`Vault::open`] and [`Vault::seal`].
    pub fn rewrap(&self, aad: &Aad, sealed: &[u8]) -> Result<Option<Vec<u8>>, VaultError> {
        if Self::sealed_with(sealed)? == self.key_id() {
            return Ok(None);
        }
        self.seal(aad, &self.open(aad, sealed)?).map(Some)
    }

    /// Encrypts `plaintext` for one place. Two seals of one value differ.
    ///
    /// # Errors
    /// [`VaultError::NotSealed`] when the value is longer than the cipher allows (64 GiB).
    pub fn seal(&self, aad: &Aad, plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
        let ring = self.ring();
        let mut header = [VERSION; HEADER_LEN];
        header[1..].copy_from_slice(&ring.sealing.0);
        let context = [&header, aad.as_bytes()].concat();

        let mut data_key = Zeroizing::new([0; KEY_LEN]);
        self.rng.fill(data_key.as_mut());
        let mut sealed =
            Vec::with_capacity(HEADER_LEN + WRAPPED_LEN + NONCE_LEN + plaintext.len() + TAG_LEN);
        sealed.extend_from_slice(&header);
        self.append_sealed(
            ring.wrapping(ring.sealing)?,
            &context,
            data_key.as_slice(),
            &mut sealed,
        )?;
        self.append_sealed(&cipher(&data_key)?, &context, plaintext, &mut sealed)?;
        Ok(sealed)
    }

    /// The value that was sealed for this place. It is wiped when dropped.
    ///
    /// # Errors
    /// When it was sealed with another master key or by a newer Kijun, or is not whole.
    pub fn open(&self, aad: &Aad, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let key_id = Self::sealed_with(sealed)?;
        let ring = self.ring();
        let wrapping = ring.wrapping(key_id)?;
        let (header, rest) = sealed.split_first_chunk::<HEADER_LEN>().ok_or(VaultError::Damaged)?;
        let context = [header.as_slice(), aad.as_bytes()].concat();
        let (wrapped, value) =
            rest.split_first_chunk::<WRAPPED_LEN>().ok_or(VaultError::Damaged)?;
        let data_key = open_sealed(wrapping, &context, wrapped)?;
        let data_key: &[u8; KEY_LEN] =
            data_key.as_slice().try_into().map_err(|_| VaultError::Damaged)?;
        open_sealed(&cipher(data_key)?, &context, value)
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, ring: Ring) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
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
        f.debug_struct("Vault").field("key_id", &self.key_id()).finish_non_exhaustive()
    }
}

impl Ring {
    fn wrapping(&self, id: KeyId) -> Result<&LessSafeKey, VaultError> {
        let found = self.keys.iter().find(|(own, _)| *own == id);
        let here = self.keys.first().map_or(self.sealing, |(newest, _)| *newest);
        found.map(|(_, key)| key).ok_or(VaultError::WrongMasterKey { sealed_with: id, here })
    }
}

/// The wrapping key of a master key, which itself encrypts nothing, so that later purposes get keys
/// of their own.
fn wrapping(master: &MasterKey) -> Result<(KeyId, LessSafeKey), VaultError> {
    let mut wrapping = Zeroizing::new([0; KEY_LEN]);
    master.derive(b"kijun vault wrapping key v1", wrapping.as_mut())?;
    Ok((master.id()?, cipher(&wrapping)?))
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

    #[test]
    fn old_values_open_and_new_ones_are_sealed_with_the_key_in_use() {
        let mut keys = MasterKeys::of(MasterKey::generate(&SystemRng));
        let vault = Vault::with_keys(&keys, Arc::new(SystemRng)).unwrap();
        let old = vault.seal(&place(), b"old").unwrap();
        let (first, second) = (vault.key_id(), keys.rotate(&SystemRng).unwrap());
        assert!(matches!(vault.seal_with(second), Err(VaultError::NoSuchKey { .. })));

        vault.replace_keys(&keys).unwrap();
        assert_eq!((vault.key_id(), vault.key_ids()), (first, vec![second, first]));
        vault.seal_with(second).unwrap();
        let new = vault.seal(&place(), b"new").unwrap();
        assert_eq!(Vault::sealed_with(&old).unwrap(), first);
        assert_eq!(Vault::sealed_with(&new).unwrap(), second);
        assert_eq!(vault.open(&place(), &old).unwrap().as_slice(), b"old");
        assert_eq!(vault.open(&place(), &new).unwrap().as_slice(), b"new");
    }

    #[test]
    fn a_value_is_wrapped_anew_once() {
        let mut keys = MasterKeys::of(MasterKey::generate(&SystemRng));
        let vault = Vault::with_keys(&keys, Arc::new(SystemRng)).unwrap();
        let old = vault.seal(&place(), b"sk-secret").unwrap();
        assert_eq!(vault.rewrap(&place(), &old).unwrap(), None);
        let second = keys.rotate(&SystemRng).unwrap();
        vault.replace_keys(&keys).unwrap();
        vault.seal_with(second).unwrap();
        let new = vault.rewrap(&place(), &old).unwrap().unwrap();
        assert_eq!(Vault::sealed_with(&new).unwrap(), second);
        assert_eq!(vault.rewrap(&place(), &new).unwrap(), None);
        assert!(vault.rewrap(&Aad::new("provider", "api_key", "azure"), &old).is_err());

        keys.keep_only(second).unwrap();
        vault.replace_keys(&keys).unwrap();
        assert_eq!(vault.open(&place(), &new).unwrap().as_slice(), b"sk-secret");
        assert!(matches!(vault.open(&place(), &old), Err(VaultError::WrongMasterKey { .. })));
    }

    #[test]
    fn the_key_in_use_cannot_be_taken_away() {
        let vault = vault();
        let strangers = MasterKeys::of(MasterKey::generate(&SystemRng));
        let before = vault.key_ids();
        assert!(matches!(vault.replace_keys(&strangers), Err(VaultError::NoSuchKey { .. })));
        assert_eq!(vault.key_ids(), before);
    }
}
