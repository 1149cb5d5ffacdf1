//! Signed checkpoints: what a chain's end was at some moment, kept where the database is not.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use kernel::Timestamp;
use serde::{Deserialize, Serialize};

use crate::canonical::{Canonical, sha256};
use crate::{Digest, Hex, PublicKey, Signature};

/// The end of a chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Head {
    /// Which chain.
    pub chain: String,
    /// The place of its last entry.
    pub sequence: i64,
    /// That entry's hash.
    pub hash: Digest,
}

/// That a chain's end was this at this moment, signed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Which chain.
    pub chain: String,
    /// The place of its last entry then.
    pub sequence: i64,
    /// That entry's hash.
    pub hash: Digest,
    /// When it was signed.
    pub at: Timestamp,
    /// The [digest](Checkpoint::digest) of the checkpoint before it; zeros before the first.
    pub previous: Digest,
    /// Whose signature it is.
    pub key: PublicKey,
    /// The signature.
    pub signature: Signature,
}

impl Checkpoint {
    /// Its canonical bytes; `docs/audit.md` says them field by field.
    fn canonical(&self) -> Canonical {
        Canonical::new("kijun audit checkpoint", 1)
            .text(&self.chain)
            .number(self.sequence)
            .field(&self.hash.0)
            .number(self.at.as_micros())
            .field(&self.previous.0)
            .field(&self.key.0)
    }

    /// What the next checkpoint refers to it by: the SHA-256 of its canonical bytes and its
    /// signature.
    pub fn digest(&self) -> Digest {
        sha256(&[self.canonical().field(&self.signature.0).bytes()])
    }

    /// Whether one of these keys signed it.
    pub(crate) fn is_signed_by(&self, keys: &[PublicKey]) -> bool {
        let public = UnparsedPublicKey::new(&ED25519, self.key.0);
        keys.contains(&self.key)
            && public.verify(self.canonical().bytes(), &self.signature.0).is_ok()
    }
}

/// What signs checkpoints.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Of 32 random bytes; `None` if they cannot be a key.
    pub fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        Ed25519KeyPair::from_seed_unchecked(seed).ok().map(Self)
    }

    /// What others check its signatures by.
    pub fn public(&self) -> PublicKey {
        Hex(array(self.0.public_key().as_ref()))
    }

    /// Signs a chain's end, in line with the checkpoint that was signed before.
    pub fn sign(&self, head: &Head, at: Timestamp, previous: Digest) -> Checkpoint {
        let mut checkpoint = Checkpoint {
            chain: head.chain.clone(),
            sequence: head.sequence,
            hash: head.hash,
            at,
            previous,
            key: self.public(),
            signature: Hex([0; 64]),
        };
        let signature = self.0.sign(checkpoint.canonical().bytes());
        checkpoint.signature = Hex(array(signature.as_ref()));
        checkpoint
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public()).finish()
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed() -> (SigningKey, Checkpoint) {
        let key = SigningKey::from_seed(&[3; 32]).unwrap();
        let head = Head { chain: "org-1".into(), sequence: 9, hash: Hex([1; 32]) };
        let checkpoint = key.sign(&head, Timestamp::from_secs(5), Digest::ZERO);
        (key, checkpoint)
    }

    #[test]
    fn a_signature_holds_for_what_was_signed_and_nothing_else() {
        let (key, checkpoint) = signed();
        let keys = [key.public()];
        assert!(checkpoint.is_signed_by(&keys));
        assert!(!checkpoint.is_signed_by(&[]), "nobody is trusted unless he is named");
        let changes: [fn(&mut Checkpoint); 6] = [
            |c| c.chain = "org-2".into(),
            |c| c.sequence = 8,
            |c| c.hash.0[0] ^= 1,
            |c| c.at = Timestamp::from_secs(6),
            |c| c.previous.0[31] ^= 1,
            |c| c.signature.0[63] ^= 1,
        ];
        for change in changes {
            let mut changed = checkpoint.clone();
            change(&mut changed);
            assert!(!changed.is_signed_by(&keys), "{changed:?}");
            assert_ne!(changed.digest(), checkpoint.digest());
        }
    }

    #[test]
    fn another_key_signs_for_itself_alone() {
        let (key, checkpoint) = signed();
        let other = SigningKey::from_seed(&[4; 32]).unwrap();
        let mut theirs = checkpoint;
        theirs.key = other.public();
        assert!(!theirs.is_signed_by(&[key.public(), other.public()]));
    }

    #[test]
    fn a_checkpoint_comes_back_from_its_line() {
        let (key, checkpoint) = signed();
        let line = serde_json::to_string(&checkpoint).unwrap();
        let read: Checkpoint = serde_json::from_str(&line).unwrap();
        assert!(read == checkpoint && read.is_signed_by(&[key.public()]));
    }
}
