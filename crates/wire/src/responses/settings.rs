//! How a response is to be made: the fields beside its input, checked in OpenAI's words.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::envelope::check::{
    Field, LONGEST_QUOTE, kind, kind_of, missing, unsupported, wrong_type,
};
use crate::envelope::{self, LONGEST_NAME};
use crate::error::ErrorBody;

/// The fewest tokens that an answer can be limited to, as OpenAI has it.
const LEAST_OUTPUT: u64 = 16;

/// The most pairs of `metadata`, and the most characters of a key and of a value.
const METADATA: (usize, usize, usize) = (16, 64, 512);

/// The settings that Kijun itself acts on.
pub(super) struct Settings {
    pub(super) model: Option<String>,
    pub(super) stream: bool,
    pub(super) background: bool,
    pub(super) store: Option<bool>,
    pub(super) generate: bool,
    pub(super) previous_response_id: Option<String>,
    pub(super) conversation: Option<String>,
    pub(super) max_tool_calls: Option<u64>,
    pub(super) truncation_auto: bool,
}

/// The fields that are read. Each may come once, as everywhere at this gateway.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    stream: Option<&'a RawValue>,
    #[serde(borrow)]
    stream_options: Option<&'a RawValue>,
    #[serde(borrow)]
    background: Option<&'a RawValue>,
    #[serde(borrow)]
    store: Option<&'a RawValue>,
    #[serde(borrow)]
    generate: Option<&'a RawValue>,
    #[serde(borrow)]
    previous_response_id: Option<&'a RawValue>,
    #[serde(borrow)]
    conversation: Option<&'a RawValue>,
    // Checked item by item elsewhere; here so that it can come only once.
    #[serde(borrow, rename = "input")]
    _input: Option<&'a RawValue>,
    #[serde(borrow)]
    instructions: Option<&'a RawValue>,
    #[serde(borrow)]
    include: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_choice: Option<&'a RawValue>,
    #[serde(borrow)]
    parallel_tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    max_tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    max_output_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    temperature: Option<&'a RawValue>,
    #[serde(borrow)]
    top_p: Option<&'a RawValue>,
    #[serde(borrow)]
    top_logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    truncation: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt_cache_key: Option<&'a RawValue>,
    #[serde(borrow)]
    safety_identifier: Option<&'a RawValue>,
    #[serde(borrow)]
    user: Option<&'a RawValue>,
}

impl Settings {
    /// Reads and checks the settings in a request body.
    pub(super) fn read(body: &[u8]) -> Result<Self, ErrorBody> {
        let fields: Fields<'_> = envelope::read_flat(body)?;
        fields.check()?;
        let settings = Self {
            model: Field("model", fields.model).text(LONGEST_NAME)?,
            stream: Field("stream", fields.stream).boolean()?.unwrap_or(false),
            background: Field("background", fields.background).boolean()?.unwrap_or(false),
            store: Field("store", fields.store).boolean()?,
            generate: Field("generate", fields.generate).boolean()?.unwrap_or(true),
            previous_response_id: Field("previous_response_id", fields.previous_response_id)
                .text(LONGEST_NAME)?,
            conversation: conversation(fields.conversation)?,
            max_tool_calls: Field("max_tool_calls", fields.max_tool_calls).integer(1..=u64::MAX)?,
            truncation_auto: truncation(fields.truncation)?,
        };
        settings.agree()?;
        Ok(settings)
    }

    /// Checks what cannot be had together.
    fn agree(&self) -> Result<(), ErrorBody> {
        if self.previous_response_id.is_some() && self.conversation.is_some() {
            return Err(ErrorBody::invalid_request(
                "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Ensure \
                 you are only providing one of: 'previous_response_id' or 'conversation'.",
            )
            .at("previous_response_id")
            .coded("mutually_exclusive_parameters"));
        }
        if self.background && self.store == Some(false) {
            return Err(ErrorBody::invalid_request(
                "Mutually exclusive parameters: 'background' and 'store' set to false. A response \
                 that is made in the background is kept until it is fetched: leave 'store' out.",
            )
            .at("background")
            .coded("mutually_exclusive_parameters"));
        }
        Ok(())
    }
}

impl Fields<'_> {
    /// Checks the fields that only the provider acts on.
    fn check(&self) -> Result<(), ErrorBody> {
        Field("instructions", self.instructions).text(usize::MAX)?;
        Field("stream_options", self.stream_options).object()?;
        Field("parallel_tool_calls", self.parallel_tool_calls).boolean()?;
        Field("max_output_tokens", self.max_output_tokens).integer(LEAST_OUTPUT..=u64::MAX)?;
        Field("temperature", self.temperature).decimal(2.0)?;
        Field("top_p", self.top_p).decimal(1.0)?;
        Field("top_logprobs", self.top_logprobs).integer(0..=20)?;
        Field("reasoning", self.reasoning).object()?;
        Field("service_tier", self.service_tier).text(LONGEST_NAME)?;
        Field("prompt_cache_key", self.prompt_cache_key).text(LONGEST_NAME)?;
        Field("safety_identifier", self.safety_identifier).text(LONGEST_NAME)?;
        Field("user", self.user).text(LONGEST_NAME)?;
        include(&value(self.include)?)?;
        metadata(&value(self.metadata)?)?;
        tools(&value(self.tools)?)?;
        tool_choice(&value(self.tool_choice)?)?;
        text_format(&value(self.text)?)
    }
}

fn value(raw: Option<&RawValue>) -> Result<Value, ErrorBody> {
    raw.map_or(Ok(Value::Null), |raw| envelope::parse(raw.get()))
}

/// An id, or an object that holds one.
fn conversation(raw: Option<&RawValue>) -> Result<Option<String>, ErrorBody> {
    let Some(raw) = raw else { return Ok(None) };
    if kind(raw.get()) != "an object" {
        let id = Field("conversation", Some(raw)).text(LONGEST_NAME);
        let expected = "a string or an object";
        return id.map_err(|_| wrong_type("conversation", expected, kind(raw.get())));
    }
    match value(Some(raw))?.get("id") {
        Some(Value::String(id)) => Ok(Some(id.clone())),
        None | Some(Value::Null) => Err(missing("conversation.id")),
        Some(other) => Err(wrong_type("conversation.id", "a string", kind_of(other))),
    }
}

fn truncation(raw: Option<&RawValue>) -> Result<bool, ErrorBody> {
    match Field("truncation", raw).text(LONGEST_NAME)?.as_deref() {
        None | Some("disabled") => Ok(false),
        Some("auto") => Ok(true),
        Some(other) => Err(unsupported("truncation", other, &["auto", "disabled"])),
    }
}

fn include(include: &Value) -> Result<(), ErrorBody> {
    for (place, name) in list("include", include, "an array of strings")?.iter().enumerate() {
        if !name.is_string() {
            return Err(wrong_type(&format!("include[{place}]"), "a string", kind_of(name)));
        }
    }
    Ok(())
}

fn metadata(metadata: &Value) -> Result<(), ErrorBody> {
    let (most, longest_key, longest_value) = METADATA;
    let pairs = match metadata {
        Value::Null => return Ok(()),
        Value::Object(pairs) => pairs,
        other => return Err(wrong_type("metadata", "an object", kind_of(other))),
    };
    if pairs.len() > most {
        return Err(ErrorBody::invalid_request(format!(
            "Invalid 'metadata': too many properties. Expected an object with at most {most} \
             properties, but got an object with {} properties instead.",
            pairs.len()
        ))
        .at("metadata")
        .coded("object_above_max_properties"));
    }
    for (key, value) in pairs {
        let name: String = key.chars().take(LONGEST_QUOTE).collect();
        let path = format!("metadata.{name}");
        let Value::String(value) = value else {
            return Err(wrong_type(&path, "a string", kind_of(value)));
        };
        for (what, text, longest) in [("key", key, longest_key), ("string", value, longest_value)] {
            let length = text.chars().count();
            if length > longest {
                return Err(ErrorBody::invalid_request(format!(
                    "Invalid '{path}': {what} too long. Expected a string with maximum length \
                     {longest}, but got a string with length {length} instead."
                ))
                .at(path)
                .coded("string_above_max_length"));
            }
        }
    }
    Ok(())
}

/// Tools of types that are not known pass.
fn tools(tools: &Value) -> Result<(), ErrorBody> {
    for (place, tool) in list("tools", tools, "an array of objects")?.iter().enumerate() {
        let path = format!("tools[{place}]");
        let tool = object(&path, tool)?;
        let named = matches!(string(&path, tool, "type")?, "function" | "custom" | "namespace");
        if named && string(&path, tool, "name")?.is_empty() {
            return Err(missing(&format!("{path}.name")));
        }
    }
    Ok(())
}

fn tool_choice(choice: &Value) -> Result<(), ErrorBody> {
    match choice {
        Value::Null => Ok(()),
        Value::String(mode) if matches!(mode.as_str(), "none" | "auto" | "required") => Ok(()),
        Value::String(mode) => Err(unsupported("tool_choice", mode, &["none", "auto", "required"])),
        Value::Object(choice) => string("tool_choice", choice, "type").map(|_| ()),
        other => Err(wrong_type("tool_choice", "a string or an object", kind_of(other))),
    }
}

fn text_format(text: &Value) -> Result<(), ErrorBody> {
    let format = match text {
        Value::Null => return Ok(()),
        Value::Object(text) => text.get("format").unwrap_or(&Value::Null),
        other => return Err(wrong_type("text", "an object", kind_of(other))),
    };
    if format.is_null() {
        return Ok(());
    }
    let format = object("text.format", format)?;
    if string("text.format", format, "type")? == "json_schema" {
        string("text.format", format, "name")?;
        let schema = format.get("schema").ok_or_else(|| missing("text.format.schema"))?;
        object("text.format.schema", schema)?;
    }
    Ok(())
}

/// An array; absent or null means an empty one.
fn list<'a>(path: &str, value: &'a Value, expected: &str) -> Result<&'a [Value], ErrorBody> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(list) => Ok(list),
        other => Err(wrong_type(path, expected, kind_of(other))),
    }
}

fn object<'a>(path: &str, value: &'a Value) -> Result<&'a Map<String, Value>, ErrorBody> {
    value.as_object().ok_or_else(|| wrong_type(path, "an object", kind_of(value)))
}

/// A field that must be there and be a string.
fn string<'a>(
    path: &str,
    fields: &'a Map<String, Value>,
    name: &str,
) -> Result<&'a str, ErrorBody> {
    match fields.get(name) {
        Some(Value::String(text)) => Ok(text),
        None | Some(Value::Null) => Err(missing(&format!("{path}.{name}"))),
        Some(other) => Err(wrong_type(&format!("{path}.{name}"), "a string", kind_of(other))),
    }
}
