//! Checks of single fields, in OpenAI's words.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::ErrorBody;

/// The most characters of a value that an error repeats.
pub(crate) const LONGEST_QUOTE: usize = 100;

/// A field's path and its value; `None` where it is absent or null.
#[derive(Clone, Copy)]
pub(crate) struct Field<'a>(pub(crate) &'a str, pub(crate) Option<&'a RawValue>);

impl<'a> Field<'a> {
    /// The field, which must be there.
    pub(crate) fn required(self) -> Result<Self, ErrorBody> {
        match self.1 {
            Some(_) => Ok(self),
            None => Err(missing(self.0)),
        }
    }

    pub(crate) fn boolean(self) -> Result<Option<bool>, ErrorBody> {
        match self.1.map(RawValue::get) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(wrong_type(self.0, "a boolean", kind(other))),
        }
    }

    /// A string of at most so many bytes.
    pub(crate) fn text(self, longest: usize) -> Result<Option<String>, ErrorBody> {
        let Some(raw) = self.1 else { return Ok(None) };
        if !raw.get().starts_with('"') {
            return Err(wrong_type(self.0, "a string", kind(raw.get())));
        }
        let text: String = serde_json::from_str(raw.get()).map_err(|_| {
            ErrorBody::invalid_request(format!("Invalid '{}': not valid Unicode.", self.0))
                .at(self.0)
        })?;
        if text.len() > longest {
            return Err(ErrorBody::invalid_request(format!(
                "Invalid '{}': string too long. Expected a string with maximum length {longest}, \
                 but got a string with length {} instead.",
                self.0,
                text.len()
            ))
            .at(self.0)
            .coded("string_above_max_length"));
        }
        Ok(Some(text))
    }

    pub(crate) fn integer(self, range: RangeInclusive<u64>) -> Result<Option<u64>, ErrorBody> {
        let Some(raw) = self.1 else { return Ok(None) };
        let text = raw.get();
        let value = match kind(text) {
            "an integer" => text.parse::<i128>().unwrap_or(i128::MAX),
            other => return Err(wrong_type(self.0, "an integer", other)),
        };
        match u64::try_from(value.max(0)) {
            _ if value < i128::from(*range.start()) => {
                Err(self.below("integer", &range.start(), text))
            }
            Ok(value) if value <= *range.end() => Ok(Some(value)),
            _ => Err(self.above("integer", &range.end(), text)),
        }
    }

    /// A number from 0 to `most`.
    pub(crate) fn decimal(self, most: f64) -> Result<Option<f64>, ErrorBody> {
        let Some(raw) = self.1 else { return Ok(None) };
        let text = raw.get();
        let value = match kind(text) {
            "an integer" | "a decimal" => text.parse::<f64>().unwrap_or(f64::INFINITY),
            other => return Err(wrong_type(self.0, "a decimal", other)),
        };
        if value < 0.0 {
            return Err(self.below("decimal", &0, text));
        }
        if value > most {
            return Err(self.above("decimal", &most, text));
        }
        Ok(Some(value))
    }

    /// An array; its length in bytes.
    pub(crate) fn array(self) -> Result<u64, ErrorBody> {
        self.starting_with('[', "an array of objects")
    }

    /// An object; its length in bytes.
    pub(crate) fn object(self) -> Result<u64, ErrorBody> {
        self.starting_with('{', "an object")
    }

    /// A string, or an array, not empty, of strings, token ids or arrays of token ids; its length
    /// in bytes.
    pub(crate) fn prompt(self) -> Result<u64, ErrorBody> {
        self.list(|at, item| match kind(item.get()) {
            "a string" => Ok(()),
            "an integer" if !item.get().starts_with('-') => Ok(()),
            "an array" => {
                for (place, id) in items(at, item)?.iter().enumerate() {
                    if kind(id.get()) != "an integer" || id.get().starts_with('-') {
                        let path = format!("{at}[{place}]");
                        return Err(wrong_type(&path, "a token id", kind(id.get())));
                    }
                }
                Ok(())
            }
            other => Err(wrong_type(at, "a string, a token id or an array of token ids", other)),
        })
    }

    /// How many prompts it has, if it is what [`Field::prompt`] checks.
    pub(crate) fn prompts(self) -> u64 {
        let texts = self.1.and_then(|raw| items(self.0, raw).ok()).unwrap_or_default();
        match texts.first() {
            Some(first) if kind(first.get()) != "an integer" => texts.len() as u64,
            // One text, or one text's token ids.
            _ => 1,
        }
    }

    /// A string, or an array, not empty, of strings or objects; its length in bytes.
    pub(crate) fn moderated(self) -> Result<u64, ErrorBody> {
        self.list(|at, item| match kind(item.get()) {
            "a string" | "an object" => Ok(()),
            other => Err(wrong_type(at, "a string or an object", other)),
        })
    }

    fn list(
        self,
        check: impl Fn(&str, &RawValue) -> Result<(), ErrorBody>,
    ) -> Result<u64, ErrorBody> {
        let Some(raw) = self.1 else { return Ok(0) };
        match kind(raw.get()) {
            "a string" => {}
            "an array" => {
                for (place, item) in items(self.0, raw)?.iter().enumerate() {
                    // The path is only needed for an error, and most lists have none.
                    if check(self.0, item).is_err() {
                        check(&format!("{}[{place}]", self.0), item)?;
                    }
                }
            }
            other => return Err(wrong_type(self.0, "a string or an array", other)),
        }
        Ok(raw.get().len() as u64)
    }

    fn starting_with(self, first: char, expected: &str) -> Result<u64, ErrorBody> {
        match self.1 {
            None => Ok(0),
            Some(raw) if raw.get().starts_with(first) => Ok(raw.get().len() as u64),
            Some(raw) => Err(wrong_type(self.0, expected, kind(raw.get()))),
        }
    }

    fn below(self, sort: &str, least: &dyn Display, got: &str) -> ErrorBody {
        ErrorBody::invalid_request(format!(
            "Invalid '{}': {sort} below minimum value. Expected a value >= {least}, but got {got} \
             instead.",
            self.0
        ))
        .at(self.0)
        .coded(format!("{sort}_below_min_value"))
    }

    fn above(self, sort: &str, most: &dyn Display, got: &str) -> ErrorBody {
        ErrorBody::invalid_request(format!(
            "Invalid '{}': {sort} above maximum value. Expected a value <= {most}, but got {got} \
             instead.",
            self.0
        ))
        .at(self.0)
        .coded(format!("{sort}_above_max_value"))
    }
}

/// A required field is not there.
pub fn missing(param: &str) -> ErrorBody {
    ErrorBody::invalid_request(format!("Missing required parameter: '{param}'."))
        .at(param)
        .coded("missing_required_parameter")
}

/// A field is of another type.
pub fn wrong_type(param: &str, expected: &str, got: &str) -> ErrorBody {
    ErrorBody::invalid_request(format!(
        "Invalid type for '{param}': expected {expected}, but got {got} instead."
    ))
    .at(param)
    .coded("invalid_type")
}

/// An array has nothing in it.
pub(crate) fn empty(param: &str) -> ErrorBody {
    ErrorBody::invalid_request(format!(
        "Invalid '{param}': empty array. Expected an array with minimum length 1, but got an \
         empty array instead."
    ))
    .at(param)
    .coded("empty_array")
}

/// What sort of JSON value this is.
pub(crate) fn kind(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'[') => "an array",
        Some(b'{') => "an object",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ if json.contains(['.', 'e', 'E']) => "a decimal",
        _ => "an integer",
    }
}

/// What sort of JSON value this is.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
        Value::Bool(_) => "a boolean",
        Value::Null => "null",
        Value::Number(number) if number.is_f64() => "a decimal",
        Value::Number(_) => "an integer",
    }
}

/// A field has none of the values that it may have.
pub(crate) fn unsupported(param: &str, got: &str, supported: &[&str]) -> ErrorBody {
    let quoted: Vec<String> = supported.iter().map(|value| format!("'{value}'")).collect();
    let list = match quoted.split_last() {
        Some((last, rest)) if rest.len() > 1 => format!("{}, and {last}", rest.join(", ")),
        _ => quoted.join(" and "),
    };
    let got: String = got.chars().take(LONGEST_QUOTE).collect();
    ErrorBody::invalid_request(format!("Invalid value: '{got}'. Supported values are: {list}."))
        .at(param)
        .coded("invalid_value")
}

/// The items of an array that may not be empty.
pub(crate) fn items<'a>(param: &str, raw: &'a RawValue) -> Result<Vec<&'a RawValue>, ErrorBody> {
    let items: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
    if items.is_empty() { Err(empty(param)) } else { Ok(items) }
}
