//! The text of a key: a prefix that secret scanners know, 190 random bits, and a checksum.
//!
//! ```text
//! sk-kj-        <32 base62 characters, random> <6 base62 characters, CRC-32 of all before>
//! sk-kj-admin-  the same
//! ```
//!
//! The checksum tells a mistyped or cut key from a revoked one without a look into any table, and
//! lets scanners find leaked keys without false alarms. It protects nothing.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use kernel::Rng;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM: usize = 32;
const CHECKSUM: usize = 6;

/// Keys that operators choose themselves have at least this many characters.
pub const SHORTEST_CHOSEN: usize = 8;

/// What a key opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecretKind {
    /// A project's models.
    Project,
    /// An organisation's administration.
    Admin,
}

impl SecretKind {
    /// What every generated key of this kind begins with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Project => "sk-kj-",
            Self::Admin => "sk-kj-admin-",
        }
    }
}

/// What the text of a key says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Check {
    /// A Kijun key, whole.
    Genuine(SecretKind),
    /// It begins as a Kijun key, and is none: cut, mistyped, or chosen by someone.
    Mistyped,
    /// Not of our making: another service's key, or one that an operator chose.
    Foreign,
}

/// The plain text of a key. It is shown once, when the key is made, and kept nowhere.
#[derive(Clone)]
pub struct ApiSecret(SecretString);

impl ApiSecret {
    /// A new key.
    pub fn generate(kind: SecretKind, rng: &dyn Rng) -> Self {
        let length = kind.prefix().len() + RANDOM + CHECKSUM;
        let mut text = Zeroizing::new(String::with_capacity(length));
        text.push_str(kind.prefix());
        while text.len() < kind.prefix().len() + RANDOM {
            let mut byte = Zeroizing::new([0]);
            rng.fill(byte.as_mut());
            let [byte] = *byte;
            // 248 = 4 × 62: taking bytes beyond it would prefer some characters.
            if byte < 248 {
                text.push(base62(byte.into()));
            }
        }
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Self(text.as_str().into())
    }

    /// A key that an operator chose: at least [`SHORTEST_CHOSEN`] visible ASCII characters.
    ///
    /// # Errors
    /// Says what is wrong with the text, and never quotes it.
    pub fn chosen(text: SecretString) -> Result<Self, String> {
        let chosen = text.expose_secret();
        if !chosen.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("it may hold visible ASCII characters only: letters, digits and \
                        punctuation, no spaces"
                .into());
        }
        if chosen.len() < SHORTEST_CHOSEN {
            return Err(format!("it must have at least {SHORTEST_CHOSEN} characters"));
        }
        Ok(Self(text))
    }

    /// What the database and the directory know it by.
    pub fn hash(&self) -> [u8; 32] {
        hash(self.0.expose_secret())
    }

    /// What lists and errors may show of it.
    pub fn redacted(&self) -> String {
        redact(self.0.expose_secret())
    }

    /// The plain text, to be handed to its owner.
    pub fn into_text(self) -> SecretString {
        self.0
    }
}

impl fmt::Debug for ApiSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiSecret({})", self.redacted())
    }
}

/// What the text of a key says about itself.
pub fn check(text: &str) -> Check {
    let (kind, body) = if let Some(body) = text.strip_prefix(SecretKind::Admin.prefix()) {
        (SecretKind::Admin, body)
    } else if let Some(body) = text.strip_prefix(SecretKind::Project.prefix()) {
        (SecretKind::Project, body)
    } else {
        return Check::Foreign;
    };
    let whole = body.len() == RANDOM + CHECKSUM && body.bytes().all(|b| b.is_ascii_alphanumeric());
    match text.split_at_checked(text.len().saturating_sub(CHECKSUM)) {
        Some((before, sum)) if whole && checksum(before) == sum => Check::Genuine(kind),
        _ => Check::Mistyped,
    }
}

/// The SHA-256 of a key, which is all that is kept of it.
///
/// A fast hash without salt is right here, as it would be wrong for passwords: slow hashes make up
/// for secrets that can be guessed, and 190 random bits cannot be, at any speed. It also makes the
/// hash a lookup key, so that a call costs one hash and one lookup; and a lookup by hash leaks no
/// useful timing, because nobody can choose a text whose hash begins as another's. An operator who
/// chooses a key takes on choosing one that cannot be guessed.
pub fn hash(text: &str) -> [u8; 32] {
    let digest = digest(&SHA256, text.as_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// What lists and errors may show of a key: enough for its owner to recognise it, for example
/// `sk-kj-ab…wxyz`. Of short texts less is shown.
pub fn redact(text: &str) -> String {
    let prefix = [SecretKind::Admin, SecretKind::Project]
        .map(SecretKind::prefix)
        .into_iter()
        .find(|prefix| text.starts_with(prefix))
        .unwrap_or_default();
    let body: Vec<char> = text
        .chars()
        .skip(prefix.len())
        .map(|c| if c.is_ascii_graphic() { c } else { '?' })
        .collect();
    let (first, last) = match body.len() {
        0..SHORTEST_CHOSEN => (0, 0),
        SHORTEST_CHOSEN..24 => (2, 0),
        _ => (2, 4),
    };
    let first = body.iter().take(first);
    let last = body.iter().skip(body.len() - last);
    prefix.chars().chain(first.copied()).chain(['…']).chain(last.copied()).collect()
}

fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [' '; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = base62(rest);
        rest /= 62;
    }
    digits.iter().collect()
}

/// The last base62 digit of a number.
fn base62(number: u32) -> char {
    let digit = usize::try_from(number % 62).unwrap_or_default();
    ALPHABET.get(digit).map_or('0', |byte| char::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::SystemRng;

    fn text(kind: SecretKind) -> String {
        ApiSecret::generate(kind, &SystemRng).into_text().expose_secret().to_owned()
    }

    #[test]
    fn generated_keys_are_genuine_and_differ() {
        for kind in [SecretKind::Project, SecretKind::Admin] {
            let (one, other) = (text(kind), text(kind));
            assert_ne!(one, other);
            assert_eq!(one.len(), kind.prefix().len() + 38);
            assert!(one.starts_with(kind.prefix()));
            assert_eq!(check(&one), Check::Genuine(kind));
        }
    }

    #[test]
    fn every_slip_of_a_character_is_seen() {
        let key = text(SecretKind::Project);
        for place in 6..key.len() {
            let mut bytes = key.clone().into_bytes();
            bytes[place] = if bytes[place] == b'x' { b'y' } else { b'x' };
            assert_eq!(check(&String::from_utf8(bytes).unwrap()), Check::Mistyped, "at {place}");
        }
        for wrong in
            [&key[..key.len() - 1], &format!("{key}A"), "sk-kj-", "sk-kj-é", "sk-kj-admin-"]
        {
            assert_eq!(check(wrong), Check::Mistyped, "{wrong}");
        }
        let admin = key.replace("sk-kj-", "sk-kj-admin-");
        assert_eq!(check(&admin), Check::Mistyped);
        for foreign in ["sk-proj-abc", "", "é", "test-key-1"] {
            assert_eq!(check(foreign), Check::Foreign, "{foreign}");
        }
    }

    #[test]
    fn the_checksum_is_crc32_in_base62() {
        // CRC-32 of "123456789" is 0xCBF43926 = 3 421 780 262.
        assert_eq!(checksum("123456789"), "3jZRME");
        assert_eq!(checksum(""), "000000");
    }

    #[test]
    fn hashes_are_sha256() {
        let hash = hash("abc");
        assert_eq!(hash[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(hash[28..], [0xf2, 0x00, 0x15, 0xad]);
    }

    #[test]
    fn redacted_texts_show_little() {
        for (text, shown) in [
            ("sk-kj-abcdefghijklmnopqrstuvwxyz012345WXYZ89", "sk-kj-ab…YZ89"),
            ("sk-kj-admin-abcdefghijklmnopqrstuvwxyz012345WXYZ89", "sk-kj-admin-ab…YZ89"),
            ("sk-proj-abcdefghijklmnopqrstuvwxyz", "sk…wxyz"),
            ("test-key-1", "te…"),
            ("secret", "…"),
            ("sk-kj-abc", "sk-kj-…"),
            ("", "…"),
            ("é\u{1b}[31m-and-so-on", "??…"),
        ] {
            assert_eq!(redact(text), shown);
        }
        let secret = ApiSecret::generate(SecretKind::Project, &SystemRng);
        let shown = format!("{secret:?}");
        assert!(!shown.contains(secret.0.expose_secret()));
    }

    #[test]
    fn chosen_keys_are_visible_and_long_enough() {
        assert!(ApiSecret::chosen("test-key".into()).is_ok());
        for wrong in ["short", "with a space", "with\ttab-in", "schlüssel"] {
            let said = ApiSecret::chosen(wrong.into()).unwrap_err();
            assert!(!said.contains(wrong), "{said}");
        }
    }
}
