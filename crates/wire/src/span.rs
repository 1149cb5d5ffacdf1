//! Where a value stands in the JSON text that it was parsed of, so that one part can be edited and
//! every other byte left alone.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// For `deserialize_with`: a value that is there, be it null, which an edit has to know of.
pub(crate) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

/// The bytes of `value`, which must have been parsed of `text` itself, not of a copy.
pub(crate) fn span(text: &[u8], value: &RawValue) -> Range<usize> {
    let start = value.get().as_ptr().addr().saturating_sub(text.as_ptr().addr());
    start..start + value.get().len()
}

/// A struct that is read of an object only. A derived one would also read an array, field by
/// field.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

/// Parses an object into a struct; `None` for everything else.
pub(crate) fn object<'a, T: Deserialize<'a>>(json: &'a str) -> Option<T> {
    serde_json::from_str(json).ok().map(|Object(value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct One<'a> {
        #[serde(borrow, default, deserialize_with = "present")]
        a: Option<&'a RawValue>,
    }

    #[test]
    fn a_value_is_found_again_also_when_it_is_null() {
        for (text, expected) in
            [("{\"a\": [1, 2] }", Some("[1, 2]")), ("{\"a\":null}", Some("null")), ("{}", None)]
        {
            let found =
                object::<One<'_>>(text).and_then(|one| one.a).map(|a| span(text.as_bytes(), a));
            assert_eq!(found.and_then(|span| text.get(span)), expected);
        }
        assert!(object::<One<'_>>("[1]").is_none());
    }
}
