//! What the fuzz targets have in common.
//!
//! May know: the crates whose parsers it throws things at. Must never do: be part of the product.

use serde_json::Value;

/// Whether bytes are a JSON document.
pub fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

/// A JSON document, which these bytes must be.
pub fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("what comes out is JSON")
}

/// The first byte, to choose by, and what follows.
pub fn choice(data: &[u8]) -> (usize, &[u8]) {
    match data.split_first() {
        Some((first, rest)) => (usize::from(*first), rest),
        None => (0, data),
    }
}
