//! The two lines that a backup begins with.
//!
//! The first says that it is a backup and in which format. The second is JSON: when it was made, how
//! its key comes about, and a sealed nothing by which a wrong key is known at once. The chunks are
//! sealed with a key that is derived from this line too, so that none of it can be changed.

use std::io::{BufRead, Read as _, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::{Rng, Timestamp};
use serde::{Deserialize, Serialize};
use vault::{Aad, ChunkCipher, ContentKey, PassphraseCost};

use crate::key::Derivation;
use crate::{BackupError, BackupKey};

const MAGIC: &str = "kijun backup ";
const FORMAT: u32 = 1;
/// Bytes of the longest line.
const LONGEST: u64 = 4096;

/// What anybody may know of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// When it was begun.
    pub made_at: Timestamp,
    /// The Kijun that wrote it.
    pub kijun: String,
    pub(crate) key: Derivation,
    /// Nothing, sealed for all of the above.
    #[serde(default)]
    check: String,
}

impl Head {
    /// Writes the head of a new backup, and returns the cipher of its chunks.
    pub(crate) fn begin(
        key: &BackupKey,
        cost: PassphraseCost,
        made_at: Timestamp,
        rng: &dyn Rng,
        out: &mut dyn Write,
    ) -> Result<ChunkCipher, BackupError> {
        let derivation = key.new_derivation(cost, rng);
        let sealing = key.derive(&derivation)?;
        let mut head = Self {
            made_at,
            kijun: env!("CARGO_PKG_VERSION").to_owned(),
            key: derivation,
            check: String::new(),
        };
        head.check = STANDARD.encode(sealing.seal(&head.place()?, b"", rng)?);
        let line = json(&head)?;
        writeln!(out, "{MAGIC}{FORMAT}\n{line}").map_err(BackupError::io("write the backup"))?;
        Ok(sealing.chunks(&line)?)
    }

    /// Reads the head, and returns it with the cipher of the chunks and how many bytes it had.
    pub(crate) fn read(
        key: &BackupKey,
        input: &mut dyn BufRead,
    ) -> Result<(Self, ChunkCipher, u64), BackupError> {
        let magic = line(input)?;
        let format = magic.strip_prefix(MAGIC).ok_or(BackupError::NotABackup)?;
        match format.parse() {
            Ok(FORMAT) => {}
            Ok(found) => return Err(BackupError::NewerFormat { found }),
            Err(_) => return Err(BackupError::NotABackup),
        }
        let text = line(input)?;
        let head: Self = serde_json::from_str(&text).map_err(|_| BackupError::NotABackup)?;
        let wanted = head.key.wanted();
        let sealing = key.derive(&head.key)?;
        if !head.fits(&sealing)? {
            return Err(BackupError::WrongKey { wanted });
        }
        let length = (magic.len() + text.len() + 2) as u64;
        Ok((head, sealing.chunks(&text)?, length))
    }

    /// Whether this is the head that was written with this key.
    fn fits(&self, key: &ContentKey) -> Result<bool, BackupError> {
        let Ok(check) = STANDARD.decode(&self.check) else { return Ok(false) };
        Ok(key.open(&self.place()?, &check).is_ok())
    }

    /// What the check is sealed for: all the rest.
    fn place(&self) -> Result<Aad, BackupError> {
        let rest = Self { check: String::new(), ..self.clone() };
        Ok(Aad::new("backup", "head", &json(&rest)?))
    }
}

fn json(head: &Head) -> Result<String, BackupError> {
    serde_json::to_string(head).map_err(|error| BackupError::unsound(error.to_string()))
}

fn line(input: &mut dyn BufRead) -> Result<String, BackupError> {
    let mut line = Vec::new();
    input.take(LONGEST).read_until(b'\n', &mut line).map_err(BackupError::io("read the backup"))?;
    let line = line.strip_suffix(b"\n").ok_or(BackupError::NotABackup)?;
    String::from_utf8(line.to_vec()).map_err(|_| BackupError::NotABackup)
}

#[cfg(test)]
mod tests {
    use kernel::SystemRng;

    use super::*;

    const CHEAP: PassphraseCost = PassphraseCost { memory_kib: 64, passes: 1 };

    fn key(text: &str) -> BackupKey {
        BackupKey::parse(&text.to_owned().into()).unwrap()
    }

    fn written(key: &BackupKey) -> Vec<u8> {
        let mut out = Vec::new();
        Head::begin(key, CHEAP, Timestamp::from_secs(7), &SystemRng, &mut out).unwrap();
        out
    }

    #[test]
    fn the_right_key_is_known_from_a_wrong_one() {
        let (right, wrong) = (key("correct horse"), key("battery staple"));
        let bytes = written(&right);
        let (head, _, length) = Head::read(&right, &mut &bytes[..]).unwrap();
        assert_eq!((head.made_at, length), (Timestamp::from_secs(7), bytes.len() as u64));
        let error = Head::read(&wrong, &mut &bytes[..]).unwrap_err();
        assert!(matches!(error, BackupError::WrongKey { wanted: "passphrase" }), "{error}");
        let recovery = BackupKey::parse(&BackupKey::generate(&SystemRng)).unwrap();
        let error = Head::read(&recovery, &mut &bytes[..]).unwrap_err();
        assert!(matches!(error, BackupError::WrongKey { wanted: "passphrase" }), "{error}");
        let bytes = written(&recovery);
        assert!(Head::read(&recovery, &mut &bytes[..]).is_ok());
        let error = Head::read(&right, &mut &bytes[..]).unwrap_err();
        assert!(error.to_string().contains("recovery key"), "{error}");
    }

    #[test]
    fn no_byte_of_it_can_be_changed() {
        let key = key("correct horse");
        let bytes = written(&key);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 4;
            assert!(Head::read(&key, &mut &changed[..]).is_err(), "byte {at}");
        }
    }

    #[test]
    fn what_is_something_else_is_named_as_such() {
        let key = key("correct horse");
        for other in [&b""[..], b"SQLite format 3\0", b"kijun backup x\n{}\n", b"kijun backup 1\n"]
        {
            assert!(matches!(Head::read(&key, &mut { other }), Err(BackupError::NotABackup)));
        }
        let newer = b"kijun backup 2\n{}\n";
        let read = Head::read(&key, &mut &newer[..]);
        assert!(matches!(read, Err(BackupError::NewerFormat { found: 2 })));
    }
}
