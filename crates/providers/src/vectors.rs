//! Embeddings for clients that want them as base64, from servers that only give numbers.
//!
//! The official SDKs ask for base64 unless told otherwise: little-endian `f32`s, as OpenAI has it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use memchr::memmem;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::Fields;

/// If the request asks for base64: the request without that wish.
pub(crate) fn ask_for_numbers(request: &Bytes) -> Option<Bytes> {
    memmem::find(request, b"\"base64\"")?;
    let mut fields = Fields::parse(request)?;
    if fields.get("encoding_format")?.get() != "\"base64\"" {
        return None;
    }
    fields.remove("encoding_format");
    Some(Bytes::from(fields.write()))
}

/// The answer with its vectors as base64; vectors that already are stay as they are. `None` if
/// this is no list of embeddings.
pub(crate) fn as_base64(answer: &[u8]) -> Option<Bytes> {
    let mut fields = Fields::parse(answer)?;
    let rows: Vec<&RawValue> = serde_json::from_str(fields.get("data")?.get()).ok()?;
    let mut data = Vec::with_capacity(answer.len() / 2);
    data.push(b'[');
    for (index, row) in rows.into_iter().enumerate() {
        if index > 0 {
            data.push(b',');
        }
        let mut row = Fields::parse(row.get().as_bytes())?;
        if row.get("embedding")?.get().starts_with('[') {
            let Packed(bytes) = serde_json::from_str(row.get("embedding")?.get()).ok()?;
            row.set("embedding", raw_string(&encode(&bytes))?);
        }
        data.extend_from_slice(&row.write());
    }
    data.push(b']');
    fields.set("data", RawValue::from_string(String::from_utf8(data).ok()?).ok()?);
    Some(Bytes::from(fields.write()))
}

/// Numbers as base64 text.
pub(crate) fn pack(values: &[f32]) -> String {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    encode(&bytes)
}

fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn raw_string(text: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(format!("\"{text}\"")).ok()
}

/// Numbers, packed while they are read.
struct Packed(Vec<u8>);

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl<'de> Visitor<'de> for Numbers {
            type Value = Packed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of numbers")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut numbers: S) -> Result<Packed, S::Error> {
                let mut bytes = Vec::with_capacity(1536 * 4);
                while let Some(number) = numbers.next_element::<f32>()? {
                    bytes.extend_from_slice(&number.to_le_bytes());
                }
                Ok(Packed(bytes))
            }
        }
        deserializer.deserialize_seq(Numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wish_for_base64_is_kept_from_the_server() {
        let request = Bytes::from_static(br#"{"input":"a","encoding_format":"base64","x":1}"#);
        assert_eq!(ask_for_numbers(&request).unwrap(), r#"{"input":"a","x":1}"#);
        for other in [r#"{"input":"base64"}"#, r#"{"input":"a","encoding_format":"float"}"#] {
            assert!(ask_for_numbers(&Bytes::from_static(other.as_bytes())).is_none());
        }
    }

    #[test]
    fn numbers_become_little_endian_floats() {
        let answer = br#"{"object":"list","data":[{"index":0,"embedding":[1, -0.5],"z":1.0},{"embedding":"AACAPw=="}],"model":"m"}"#;
        assert_eq!(
            as_base64(answer).unwrap(),
            r#"{"object":"list","data":[{"index":0,"embedding":"AACAPwAAAL8=","z":1.0},{"embedding":"AACAPw=="}],"model":"m"}"#,
        );
        assert_eq!(pack(&[1.0, -0.5]), "AACAPwAAAL8=");
        assert!(as_base64(br#"{"data":[{"embedding":["x"]}]}"#).is_none());
        assert!(as_base64(br#"{"error":{}}"#).is_none());
    }
}
