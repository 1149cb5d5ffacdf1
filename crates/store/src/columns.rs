//! Reading columns into the kernel's words, and writing those words into columns.

use kernel::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::StoreError;

/// Columns by name, as this schema has them: text, 64-bit numbers, bytes.
pub(crate) trait Columns {
    fn text(&self, column: &str) -> Result<String, StoreError>;
    fn text_or_null(&self, column: &str) -> Result<Option<String>, StoreError>;
    fn number(&self, column: &str) -> Result<i64, StoreError>;
    fn number_or_null(&self, column: &str) -> Result<Option<i64>, StoreError>;
    fn bytes_or_null(&self, column: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Bytes that are never null.
    fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        self.bytes_or_null(column)?.ok_or_else(|| unreadable(column, "it is null"))
    }

    fn truth(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.number(column)? != 0)
    }

    /// A count, which is never negative.
    fn count(&self, column: &str) -> Result<u64, StoreError> {
        let number = self.number(column)?;
        u64::try_from(number).map_err(|_| unreadable(column, "it is negative"))
    }

    fn time(&self, column: &str) -> Result<Timestamp, StoreError> {
        Ok(Timestamp::from_micros(self.number(column)?))
    }

    fn time_or_null(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.number_or_null(column)?.map(Timestamp::from_micros))
    }

    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|e| unreadable(column, e.to_string()))
    }

    /// One word of an enumeration, stored under its serialised name.
    fn word<T: DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        let word = serde_json::Value::String(self.text(column)?);
        serde_json::from_value(word).map_err(|e| unreadable(column, e.to_string()))
    }

    fn hash(&self, column: &str) -> Result<[u8; 32], StoreError> {
        let bytes = self.bytes_or_null(column)?.unwrap_or_default();
        bytes.try_into().map_err(|_| unreadable(column, "it is no SHA-256"))
    }
}

impl Columns for AnyRow {
    fn text(&self, column: &str) -> Result<String, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn text_or_null(&self, column: &str) -> Result<Option<String>, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn number(&self, column: &str) -> Result<i64, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn number_or_null(&self, column: &str) -> Result<Option<i64>, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn bytes_or_null(&self, column: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.try_get(column)?)
    }
}

pub(crate) fn unreadable(column: &str, reason: impl Into<String>) -> StoreError {
    StoreError::Unreadable { column: column.into(), reason: reason.into() }
}

/// The JSON text of a value for a column.
pub(crate) fn to_json<T: Serialize>(column: &str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| unreadable(column, e.to_string()))
}

/// A count for a column; what no call can honestly have counted stays at the largest number.
pub(crate) fn to_number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// PostgreSQL takes no NUL in a text, and one client's odd words must not hold up what they come
/// with. A text that is looked up goes through here too, and finds what was stored for it.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

pub(crate) fn to_micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_micros)
}

/// The placeholders of a list of `count` values, of which the first is number `first`.
pub(crate) fn places(first: usize, count: usize) -> String {
    let places: Vec<_> = (first..first + count).map(|place| format!("${place}")).collect();
    places.join(", ")
}

/// A name that people chose, without the white space around it.
pub(crate) fn checked_name<'a>(what: &'static str, name: &'a str) -> Result<&'a str, StoreError> {
    /// In characters, as people count them.
    const LONGEST: usize = 256;
    let name = name.trim();
    if name.is_empty() {
        return Err(StoreError::invalid(what, "must not be empty"));
    }
    if name.chars().count() > LONGEST {
        let reason = format!("must not be longer than {LONGEST} characters");
        return Err(StoreError::invalid(what, reason));
    }
    // PostgreSQL takes no NUL in a text; the other control characters only hide what a name is.
    if name.chars().any(char::is_control) {
        return Err(StoreError::invalid(what, "must not contain control characters"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_checked() {
        assert_eq!(checked_name("a name", "  Team 5 ").ok(), Some("Team 5"));
        assert!(checked_name("a name", &"本".repeat(256)).is_ok());
        for wrong in ["", "  ", "a\0b", "a\nb", &"x".repeat(257), &"本".repeat(257)] {
            let error = checked_name("a name", wrong).unwrap_err();
            assert!(matches!(error, StoreError::Invalid { what: "a name", .. }));
        }
    }
}
