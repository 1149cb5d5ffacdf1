//! Money as integers: billionths of a US dollar. Never floats.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};

use serde::{Deserialize, Serialize};

/// An amount in nano-dollars (1 USD = 1 000 000 000). One call's cost is rounded half up to it
/// once; an `i64` holds 9.2 billion dollars.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Money(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From billionths of a dollar.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Billionths of a dollar.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Reads a decimal amount of dollars such as `0.15`, exactly, with up to nine decimals.
    ///
    /// # Errors
    /// Says what is wrong when the text is no such number.
    pub fn parse_dollars(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an amount in dollars such as \"0.15\"");
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
            return Err(wrong());
        }
        if fraction.len() > 9 {
            return Err(format!("`{text}` has more than nine decimals"));
        }
        let dollars: i64 = whole.parse().map_err(|_| wrong())?;
        let nanos: i64 = format!("{fraction:0<9}").parse().map_err(|_| wrong())?;
        dollars
            .checked_mul(1_000_000_000)
            .and_then(|d| d.checked_add(nanos))
            .map(Self)
            .ok_or_else(wrong)
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl fmt::Display for Money {
    /// Dollars with all nine decimals, so nothing is lost in print.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dollars_are_read_exactly() {
        assert_eq!(Money::parse_dollars("0.075"), Ok(Money::from_nanos(75_000_000)));
        assert_eq!(Money::parse_dollars("15"), Ok(Money::from_nanos(15_000_000_000)));
        for wrong in ["", ".5", "1.", "-1", "1e3", "0.0000000001", "99999999999"] {
            assert!(Money::parse_dollars(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_reading_agree(nanos in 0i64..) {
            let money = Money::from_nanos(nanos);
            prop_assert_eq!(Money::parse_dollars(&money.to_string()), Ok(money));
        }
    }
}
