//! What clients send beside calls to models: objects with known members, and metadata. Refused in
//! OpenAI's words.

use serde_json::{Map, Value};
use wire::envelope;
pub(crate) use wire::envelope::missing;
use wire::error::ErrorBody;

/// Pairs of metadata.
const MOST_PAIRS: usize = 16;
/// Characters of a key of metadata.
const LONGEST_KEY: usize = 64;
/// Characters of a value of metadata.
const LONGEST_VALUE: usize = 512;
/// Characters of an id or key of the client's that an error quotes.
const QUOTED: usize = 100;

/// The members of a body, all of which must be among these. No body is an empty object.
pub(crate) fn object(body: &[u8], known: &[&str]) -> Result<Map<String, Value>, ErrorBody> {
    if body.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    let sent: Value = serde_json::from_slice(body).map_err(|error| {
        ErrorBody::invalid_request(format!("The request body is not valid JSON: {error}."))
    })?;
    let Value::Object(members) = sent else {
        return Err(ErrorBody::invalid_request("The request body must be a JSON object."));
    };
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(members),
        Some(unknown) => {
            let name = quoted(unknown);
            let error = ErrorBody::invalid_request(format!("Unknown parameter: '{name}'."));
            Err(error.at(name).coded("unknown_parameter"))
        }
    }
}

/// Metadata: up to 16 short texts by short keys. None, or null, is empty.
pub(crate) fn metadata(given: Option<Value>) -> Result<Map<String, Value>, ErrorBody> {
    let pairs = match given {
        None | Some(Value::Null) => return Ok(Map::new()),
        Some(Value::Object(pairs)) => pairs,
        Some(other) => return Err(wrong_type("metadata", "an object", &other)),
    };
    if pairs.len() > MOST_PAIRS {
        let message = format!(
            "Invalid 'metadata': too many properties. Expected an object with at most \
             {MOST_PAIRS} properties, but got an object with {} properties instead.",
            pairs.len()
        );
        let error = ErrorBody::invalid_request(message).at("metadata");
        return Err(error.coded("object_above_max_properties"));
    }
    for (key, value) in &pairs {
        let place = format!("metadata.{}", quoted(key));
        let Value::String(value) = value else {
            return Err(wrong_type(&place, "a string", value));
        };
        short(&place, "key", key, LONGEST_KEY)?;
        short(&place, "value", value, LONGEST_VALUE)?;
    }
    Ok(pairs)
}

/// A member is of another type.
pub(crate) fn wrong_type(param: &str, expected: &str, got: &Value) -> ErrorBody {
    envelope::wrong_type(param, expected, envelope::kind_of(got))
}

/// A text of the client's, as far as an error repeats it.
pub(crate) fn quoted(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(QUOTED).collect()
}

fn short(place: &str, part: &str, text: &str, longest: usize) -> Result<(), ErrorBody> {
    let length = text.chars().count();
    if length <= longest {
        return Ok(());
    }
    let message = format!(
        "Invalid '{place}': {part} too long. Expected a string with maximum length {longest}, but \
         got a string with length {length} instead."
    );
    Err(ErrorBody::invalid_request(message).at(place).coded("string_above_max_length"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_is_short_texts_by_short_keys() {
        for fine in [json!({}), json!({"a": "b"}), json!({"k".repeat(64): "界".repeat(512)})] {
            assert_eq!(Value::Object(metadata(Some(fine.clone())).unwrap()), fine);
        }
        assert!(metadata(None).unwrap().is_empty() && metadata(Some(Value::Null)).is_ok());
        let many: Map<String, Value> = (0..17).map(|n| (n.to_string(), json!("x"))).collect();
        for (wrong, param, code) in [
            (json!([]), "metadata", "invalid_type"),
            (json!({"a": 1}), "metadata.a", "invalid_type"),
            (json!({"a": null}), "metadata.a", "invalid_type"),
            (json!({"a": "x".repeat(513)}), "metadata.a", "string_above_max_length"),
            (Value::Object(many), "metadata", "object_above_max_properties"),
        ] {
            let error = metadata(Some(wrong)).unwrap_err();
            assert_eq!((error.param.as_deref(), error.code.as_deref()), (Some(param), Some(code)));
        }
        assert!(metadata(Some(json!({"k".repeat(65): ""}))).is_err());
    }

    #[test]
    fn a_body_is_an_object_of_known_members() {
        assert!(object(b" ", &[]).unwrap().is_empty());
        assert_eq!(object(br#"{"a":1}"#, &["a"]).unwrap().len(), 1);
        let error = object(br#"{"a":1,"b":2}"#, &["a"]).unwrap_err();
        assert_eq!(error.message, "Unknown parameter: 'b'.");
        for wrong in [&b"[]"[..], b"{", b"\"a\"", b"{}x"] {
            assert!(object(wrong, &[]).is_err());
        }
    }
}
