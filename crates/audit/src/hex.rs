//! Bytes that people read, copy and compare: hashes, public keys, signatures.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `N` bytes, written as lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hex<const N: usize>(pub [u8; N]);

/// A SHA-256.
pub type Digest = Hex<32>;
/// An Ed25519 public key.
pub type PublicKey = Hex<32>;
/// An Ed25519 signature.
pub type Signature = Hex<64>;

/// A text that is not so many hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not {digits} hexadecimal digits")]
pub struct NotHex {
    /// How many there should be.
    pub digits: usize,
}

impl Digest {
    /// What stands in the place of the hash before the first one.
    pub const ZERO: Self = Self([0; 32]);
}

impl<const N: usize> FromStr for Hex<N> {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        let wrong = NotHex { digits: N * 2 };
        if text.len() != N * 2 {
            return Err(wrong);
        }
        let mut bytes = [0; N];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = pair.iter().try_fold(0, |byte, digit| {
                let digit = char::from(*digit).to_digit(16).ok_or(wrong)?;
                Ok((byte << 4) | u8::try_from(digit).unwrap_or_default())
            })?;
        }
        Ok(Self(bytes))
    }
}

impl<const N: usize> TryFrom<String> for Hex<N> {
    type Error = NotHex;

    fn try_from(text: String) -> Result<Self, NotHex> {
        text.parse()
    }
}

impl<const N: usize> From<Hex<N>> for String {
    fn from(hex: Hex<N>) -> Self {
        hex.to_string()
    }
}

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let bytes: Hex<4> = Hex([0, 0x0f, 0xa0, 0xff]);
        assert_eq!(bytes.to_string(), "000fa0ff");
        assert_eq!("000FA0ff".parse(), Ok(bytes));
        for wrong in ["", "000fa0f", "000fa0fff", "000fa0fg", "éa0ff0"] {
            assert_eq!(wrong.parse::<Hex<4>>(), Err(NotHex { digits: 8 }), "{wrong}");
        }
    }
}
