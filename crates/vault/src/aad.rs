//! The place a sealed value belongs to.

/// The identity of a sealed column: table, column and row. A value opens only in the place that it
/// was sealed for, so a sealed credential cannot be copied into another row and used from there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Aad(Vec<u8>);

impl Aad {
    /// The place `table.column` of the row with the key `row`.
    pub fn new(table: &str, column: &str, row: &str) -> Self {
        let mut bytes = Vec::with_capacity(24 + table.len() + column.len() + row.len());
        for part in [table, column, row] {
            // With its length before each part, no two places read the same.
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        Self(bytes)
    }

    /// The bytes that are authenticated with the value.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_join_to_the_same_text_differ() {
        assert_ne!(Aad::new("ab", "c", "d"), Aad::new("a", "bc", "d"));
        assert_ne!(Aad::new("a", "b", "cd"), Aad::new("a", "bc", "d"));
        assert_eq!(Aad::new("a", "b", "c"), Aad::new("a", "b", "c"));
    }
}
