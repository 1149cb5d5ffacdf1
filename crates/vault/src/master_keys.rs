//! The master keys that a node has: the newest, and those before it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::Rng;
use zeroize::Zeroizing;

use crate::{KeyId, MasterKey, VaultError};

/// One or more master keys, the newest first. Written down, each is a line; between keys may stand
/// any white space or commas, so that a variable can hold several too.
#[derive(Debug)]
pub struct MasterKeys(Vec<MasterKey>);

impl MasterKeys {
    /// This key alone.
    pub fn of(key: MasterKey) -> Self {
        Self(vec![key])
    }

    /// The keys that `text` holds, as the environment or a key file has them.
    ///
    /// # Errors
    /// [`VaultError::InvalidMasterKey`] when it holds none, or something else than keys.
    pub fn parse(text: &str) -> Result<Self, VaultError> {
        let words = text.split(|c: char| c.is_whitespace() || c == ',');
        let mut keys = Self(Vec::new());
        for word in words.filter(|word| !word.is_empty()) {
            keys.append(MasterKey::from_base64(word)?)?;
        }
        if keys.0.is_empty() { Err(VaultError::InvalidMasterKey) } else { Ok(keys) }
    }

    /// These keys, and behind them those of `older`.
    ///
    /// # Errors
    /// When the key derivation refuses to work.
    pub fn followed_by(mut self, older: Self) -> Result<Self, VaultError> {
        older.0.into_iter().try_for_each(|key| self.append(key))?;
        Ok(self)
    }

    /// The ids of the keys, the newest first.
    ///
    /// # Errors
    /// When the key derivation refuses to work.
    pub fn ids(&self) -> Result<Vec<KeyId>, VaultError> {
        self.0.iter().map(MasterKey::id).collect()
    }

    /// The keys as their file has them.
    pub fn to_text(&self) -> Zeroizing<String> {
        // One allocation, so that no copy of a key is left behind by a growing text.
        let mut text = Zeroizing::new(String::with_capacity(self.0.len() * LINE));
        for key in &self.0 {
            STANDARD.encode_string(key.as_bytes(), &mut text);
            text.push('\n');
        }
        text
    }

    /// Makes a new key and puts it before the others.
    ///
    /// # Errors
    /// When the key derivation refuses to work.
    pub fn rotate(&mut self, rng: &dyn Rng) -> Result<KeyId, VaultError> {
        let key = MasterKey::generate(rng);
        let id = key.id()?;
        self.0.insert(0, key);
        Ok(id)
    }

    /// Forgets all keys but this one. Returns those that went.
    ///
    /// # Errors
    /// When the key is not here: then all stay.
    pub fn keep_only(&mut self, id: KeyId) -> Result<Vec<KeyId>, VaultError> {
        let ids = self.ids()?;
        let Some(at) = ids.iter().position(|own| *own == id) else {
            return Err(VaultError::NoSuchKey { id });
        };
        self.0.swap(0, at);
        self.0.truncate(1);
        Ok(ids.into_iter().filter(|own| *own != id).collect())
    }

    /// The keys themselves, the newest first.
    pub(crate) fn keys(&self) -> &[MasterKey] {
        &self.0
    }

    fn append(&mut self, key: MasterKey) -> Result<(), VaultError> {
        if !self.ids()?.contains(&key.id()?) {
            self.0.push(key);
        }
        Ok(())
    }
}

/// Characters of a key and the newline behind it.
const LINE: usize = 45;

#[cfg(test)]
mod tests {
    use kernel::SystemRng;

    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        let mut keys = MasterKeys::of(MasterKey::generate(&SystemRng));
        let first = keys.ids().unwrap()[0];
        let second = keys.rotate(&SystemRng).unwrap();
        assert_eq!(keys.ids().unwrap(), [second, first]);
        let text = keys.to_text();
        assert_eq!(text.len(), 2 * LINE);
        assert_eq!(MasterKeys::parse(&text).unwrap().ids().unwrap(), [second, first]);
        let in_a_row = text.trim().replace('\n', ",");
        assert_eq!(MasterKeys::parse(&in_a_row).unwrap().ids().unwrap(), [second, first]);
    }

    #[test]
    fn a_key_that_comes_twice_is_kept_once() {
        let keys = MasterKeys::of(MasterKey::generate(&SystemRng));
        let again = MasterKeys::parse(&keys.to_text()).unwrap();
        let ids = keys.ids().unwrap();
        assert_eq!(keys.followed_by(again).unwrap().ids().unwrap(), ids);
    }

    #[test]
    fn old_keys_go_and_the_one_in_use_stays() {
        let mut keys = MasterKeys::of(MasterKey::generate(&SystemRng));
        let first = keys.ids().unwrap()[0];
        let second = keys.rotate(&SystemRng).unwrap();
        let stranger = MasterKey::generate(&SystemRng).id().unwrap();
        assert!(matches!(keys.keep_only(stranger), Err(VaultError::NoSuchKey { .. })));
        assert_eq!(keys.ids().unwrap().len(), 2);
        assert_eq!(keys.keep_only(second).unwrap(), [first]);
        assert_eq!(keys.ids().unwrap(), [second]);
    }

    #[test]
    fn what_is_no_list_of_keys_is_refused() {
        let key = MasterKeys::of(MasterKey::generate(&SystemRng)).to_text();
        for wrong in ["", " \n,", "c2hvcnQ=", &format!("{}{}", key.trim(), "x")] {
            assert!(matches!(MasterKeys::parse(wrong), Err(VaultError::InvalidMasterKey)));
        }
    }
}
