//! Bytes that stand for a value and for no other: what is hashed and signed.

use aws_lc_rs::digest::{Context, SHA256};

use crate::Digest;

/// A value as bytes: a domain and a version, then its fields in a fixed order, each with its length
/// before it, so that no two values read the same.
pub(crate) struct Canonical(Vec<u8>);

impl Canonical {
    pub(crate) fn new(domain: &str, version: i64) -> Self {
        Self(Vec::with_capacity(512)).text(domain).number(version)
    }

    /// A field: its length as eight bytes, the most significant first, then its bytes.
    pub(crate) fn field(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.field(text.as_bytes())
    }

    /// A field of eight bytes, the most significant first, in two's complement.
    pub(crate) fn number(self, number: i64) -> Self {
        self.field(&number.to_be_bytes())
    }

    /// The number of texts, 0 or 1, then the text: one that is empty is not one that is absent.
    pub(crate) fn maybe(self, text: Option<&str>) -> Self {
        match text {
            None => self.number(0),
            Some(text) => self.number(1).text(text),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The SHA-256 of these pieces, one after the other.
pub(crate) fn sha256(pieces: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    pieces.iter().for_each(|piece| context.update(piece));
    let mut hash = Digest::ZERO;
    hash.0.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_values_read_the_same() {
        let of = |first: &str, second: Option<&str>| {
            Canonical::new("x", 1).text(first).maybe(second).bytes().to_vec()
        };
        let all = [of("ab", None), of("a", Some("b")), of("ab", Some("")), of("", Some("ab"))];
        for (at, one) in all.iter().enumerate() {
            assert!(all.iter().skip(at + 1).all(|other| other != one));
        }
    }

    #[test]
    fn the_hash_is_sha_256() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&[b"a", b"bc"]).to_string(), expected);
    }
}
