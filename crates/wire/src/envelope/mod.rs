//! What the gateway must know of a request body without understanding it: its model, whether it
//! asks for a stream, how long it is; and how to name another model in it, leaving every other
//! byte as it was.
//!
//! The checks are OpenAI's own of the same fields, in its words, so that a mistake is answered
//! here, at once, and the same whatever provider the call would have gone to.

pub(crate) mod check;
mod content;
mod splice;

use std::sync::Arc;

use bytes::Bytes;
use kernel::Operation;
use serde::Deserialize;
use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::error::ErrorBody;
use crate::span::{present, span};
use check::Field;
pub use check::{kind_of, missing, wrong_type};
use splice::{Splice, Target};

/// Arrays and objects inside each other. Every parser behind us stops at about this depth, some
/// by overflowing their stack.
const DEEPEST: usize = 100;

/// The longest text that is kept of a request, for records and counters.
pub(crate) const LONGEST_NAME: usize = 1_024;

/// The model of a moderation that names none, as OpenAI has it.
const DEFAULT_MODERATION_MODEL: &str = "omni-moderation-latest";

/// What a request body says about the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The model that is asked for.
    pub model: Arc<str>,
    /// Whether the answer is to come as a stream.
    pub stream: bool,
    /// Whether the client wants to see the usage of a stream.
    pub include_usage: bool,
    /// The end user: `safety_identifier`, else `user`.
    pub end_user: Option<String>,
    /// What calls that share a prompt have in common.
    pub prompt_cache_key: Option<String>,
    /// The most tokens that one choice may have: `max_completion_tokens`, else `max_tokens`.
    pub max_output_tokens: Option<u64>,
    /// The `service_tier` that is asked for, whatever it means to the provider.
    pub service_tier: Option<String>,
    /// How many texts are to be written: `n` choices of each prompt, or `best_of`, of which those
    /// that are not sent cost as much.
    pub choices: u64,
    /// How long the input is, roughly, in bytes of text: an image counts as much as the tokens
    /// that it costs, not as its base64. For estimates before the call.
    pub input_bytes: u64,
    splice: Splice,
}

impl Envelope {
    /// Reads and checks a request body.
    ///
    /// # Errors
    /// The 400 that OpenAI would answer, with its `param`.
    pub fn parse(operation: Operation, body: &Bytes) -> Result<Self, ErrorBody> {
        let fields: Fields<'_> = read_flat(body)?;
        let model = fields.model(operation)?;
        let stream = Field("stream", fields.stream).boolean()?.unwrap_or(false);
        let splice = Splice::new(body, fields.model, fields.stream_options)?;
        if fields.stream_options.is_some_and(|options| options.get() != "null") && !stream {
            return Err(ErrorBody::invalid_request(
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            )
            .at("stream_options"));
        }
        let input_bytes = fields.input(operation)? + fields.settings()?;
        let user = Field("user", fields.user).text(LONGEST_NAME)?;
        let safety_identifier =
            Field("safety_identifier", fields.safety_identifier).text(LONGEST_NAME)?;
        let service_tier = Field("service_tier", fields.service_tier).text(LONGEST_NAME)?;
        let prompt_cache_key =
            Field("prompt_cache_key", fields.prompt_cache_key).text(LONGEST_NAME)?;
        Ok(Self {
            model,
            stream: stream && operation.streams(),
            include_usage: splice.include_usage,
            end_user: safety_identifier.or(user).filter(|user| !user.is_empty()),
            prompt_cache_key: prompt_cache_key.filter(|key| !key.is_empty()),
            max_output_tokens: fields.longest_output(operation)?,
            service_tier,
            choices: fields.choices(operation)?,
            input_bytes,
            splice,
        })
    }

    /// The body for a provider: with the model's name there and, if `ask_usage` and the answer is
    /// a stream, with `stream_options.include_usage`. `body` is the one that was parsed.
    pub fn for_upstream(&self, body: &Bytes, model: &str, ask_usage: bool) -> Bytes {
        self.splice.apply(body, model, ask_usage && self.stream)
    }
}

/// Names another model in a body that an [`Envelope`] was parsed of before, and asks for the usage
/// of a stream; see [`Envelope::for_upstream`].
///
/// # Errors
/// When the body is no JSON object.
pub fn rewrite(body: &Bytes, model: &str, ask_usage: bool) -> Result<Bytes, ErrorBody> {
    let target: Target<'_> = read(body)?;
    let stream = target.stream.is_some_and(|stream| stream.get() == "true");
    let splice = Splice::new(body, target.model, target.stream_options)?;
    Ok(splice.apply(body, model, ask_usage && stream))
}

/// Asks for another service tier where a body asks for one.
///
/// # Errors
/// When the body is no JSON object.
pub fn replace_tier(body: &Bytes, tier: &str) -> Result<Bytes, ErrorBody> {
    let asked: AskedTier<'_> = read(body)?;
    let Some(asked) = asked.service_tier else { return Ok(body.clone()) };
    let at = span(body, asked);
    let kept = |from: usize, to: usize| body.get(from..to).unwrap_or_default();
    let tier = Value::from(tier).to_string();
    Ok([kept(0, at.start), tier.as_bytes(), kept(at.end, body.len())].concat().into())
}

#[derive(Deserialize)]
struct AskedTier<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    service_tier: Option<&'a RawValue>,
}

/// The fields that are read. Each may come once: where two readers could take different ones of a
/// repeated field, a call could be admitted for one model and answered by another.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    model: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    stream_options: Option<&'a RawValue>,
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt: Option<&'a RawValue>,
    #[serde(borrow)]
    stream: Option<&'a RawValue>,
    #[serde(borrow)]
    n: Option<&'a RawValue>,
    #[serde(borrow)]
    best_of: Option<&'a RawValue>,
    #[serde(borrow)]
    temperature: Option<&'a RawValue>,
    #[serde(borrow)]
    top_p: Option<&'a RawValue>,
    #[serde(borrow)]
    max_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    max_completion_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    max_output_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    response_format: Option<&'a RawValue>,
    #[serde(borrow)]
    user: Option<&'a RawValue>,
    #[serde(borrow)]
    safety_identifier: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt_cache_key: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
}

impl Fields<'_> {
    fn model(&self, operation: Operation) -> Result<Arc<str>, ErrorBody> {
        let named = self.model.filter(|model| model.get() != "null");
        match Field("model", named).text(LONGEST_NAME)? {
            Some(model) if !model.is_empty() => Ok(model.into()),
            None if operation == Operation::Moderations => Ok(DEFAULT_MODERATION_MODEL.into()),
            _ => Err(ErrorBody::invalid_request("you must provide a model parameter").at("model")),
        }
    }

    /// Checks what the model is asked about; its length.
    fn input(&self, operation: Operation) -> Result<u64, ErrorBody> {
        match operation {
            Operation::ChatCompletions => content::messages(self.messages),
            Operation::Completions => Field("prompt", self.prompt).prompt(),
            Operation::Embeddings => Field("input", self.input).required()?.prompt(),
            Operation::Moderations => Field("input", self.input).required()?.moderated(),
            Operation::Responses => content::response_input(self.input),
        }
    }

    /// Checks how the model is to answer; the length of what it reads of that.
    fn settings(&self) -> Result<u64, ErrorBody> {
        Field("temperature", self.temperature).decimal(2.0)?;
        Field("top_p", self.top_p).decimal(1.0)?;
        let tools = Field("tools", self.tools).array()?;
        let format = Field("response_format", self.response_format).object()?;
        Ok(tools + format)
    }

    fn choices(&self, operation: Operation) -> Result<u64, ErrorBody> {
        let n = Field("n", self.n).integer(1..=128)?.unwrap_or(1);
        if operation != Operation::Completions {
            return Ok(n);
        }
        let best_of = Field("best_of", self.best_of).integer(1..=128)?.unwrap_or(1);
        Ok(n.max(best_of).saturating_mul(Field("prompt", self.prompt).prompts()))
    }

    fn longest_output(&self, operation: Operation) -> Result<Option<u64>, ErrorBody> {
        // The legacy endpoint may be asked for no token at all, to score a prompt.
        let least = u64::from(operation != Operation::Completions);
        let old = Field("max_tokens", self.max_tokens).integer(least..=u64::MAX)?;
        let new =
            Field("max_completion_tokens", self.max_completion_tokens).integer(1..=u64::MAX)?;
        let responses = Field("max_output_tokens", self.max_output_tokens).integer(1..=u64::MAX)?;
        Ok(match operation {
            Operation::Responses => responses,
            _ => new.or(old),
        })
    }
}

/// Reads a body that is an object and is not nested too deeply.
pub(crate) fn read_flat<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ErrorBody> {
    if nesting(body) > DEEPEST {
        return Err(ErrorBody::invalid_request(format!(
            "The request body is nested deeper than {DEEPEST} levels. Flatten it."
        )));
    }
    read(body)
}

/// Reads a body that is an object.
pub(crate) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ErrorBody> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        ErrorBody::invalid_request(format!("The request body is not valid UTF-8 at byte {at}."))
    })?;
    // A derived struct would also read an array.
    let first = text.trim_ascii_start().as_bytes().first();
    if matches!(first, Some(b'[' | b'"' | b't' | b'f' | b'n' | b'-' | b'0'..=b'9')) {
        return Err(ErrorBody::invalid_request("The request body must be a JSON object."));
    }
    parse(text)
}

pub(crate) fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, ErrorBody> {
    serde_json::from_str(json).map_err(|error| unread(&error))
}

fn unread(error: &serde_json::Error) -> ErrorBody {
    let said = error.to_string();
    if error.classify() != Category::Data {
        return ErrorBody::invalid_request(format!("The request body is not valid JSON: {said}."));
    }
    let message = format!("The request body is ambiguous: {said}. Send each field once.");
    let body = ErrorBody::invalid_request(message).coded("duplicate_field");
    match said.split('`').nth(1) {
        Some(field) => body.at(field),
        None => body,
    }
}

/// How deep arrays and objects stand inside each other. It need not be valid JSON.
fn nesting(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut at) = (0usize, 0, 0);
    while let Some(byte) = json.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(rest) = json.get(at..)
                    && let Some(found) = memchr::memchr2(b'"', b'\\', rest)
                {
                    let escape = rest.get(found) == Some(&b'\\');
                    at += found + 1 + usize::from(escape);
                    if !escape {
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests;
