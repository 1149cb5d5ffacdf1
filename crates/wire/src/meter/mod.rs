//! What an answer used: read from it in passing, be it whole or a stream.
//!
//! A stream's usage is always asked for, so here it is also hidden again from a client that did
//! not ask. Every other byte is handed on as it came.

mod output;
mod response;

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use kernel::{Operation, Usage};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::error::ErrorBody;
use crate::span::{object, present, span};
use crate::sse::{self, Event};
use crate::usage;
use output::Choice;
pub use output::OutputText;

/// More finish reasons than any request can ask choices for are not kept.
const MOST_FINISH_REASONS: usize = 128;

/// What should be a whole answer is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAnswer {
    /// It is no JSON object.
    #[error("the answer is no JSON object")]
    NoObject,
    /// It is an error, sent as if it were an answer.
    #[error("the answer is an error")]
    Error,
}

/// The usage that a whole answer reports, if it reports any.
///
/// # Errors
/// [`NotAnAnswer`]
pub fn read_whole(body: &[u8]) -> Result<Option<Usage>, NotAnAnswer> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        usage: Option<&'a RawValue>,
        #[serde(borrow)]
        error: Option<&'a RawValue>,
        choices: Option<IgnoredAny>,
        data: Option<IgnoredAny>,
        results: Option<IgnoredAny>,
        output: Option<IgnoredAny>,
    }
    let text = std::str::from_utf8(body).map_err(|_| NotAnAnswer::NoObject)?;
    let answer: Answer<'_> = object(text).ok_or(NotAnAnswer::NoObject)?;
    let answers = answer.choices.or(answer.data).or(answer.results).or(answer.output).is_some();
    if !answers && answer.error.is_some_and(|error| error.get().starts_with('{')) {
        return Err(NotAnAnswer::Error);
    }
    Ok(answer.usage.and_then(|said| usage::read(said.get().as_bytes())))
}

/// What the model wrote in a whole answer, for counting its tokens where no usage is reported.
pub fn output_text(operation: Operation, body: &[u8]) -> OutputText {
    let mut output = OutputText::default();
    if operation == Operation::Responses {
        response::add_whole(&mut output, body);
    } else if matches!(operation, Operation::ChatCompletions | Operation::Completions)
        && let Some(answer) = std::str::from_utf8(body).ok().and_then(Chunk::read)
    {
        answer.choices.iter().flatten().for_each(|choice| output.add(choice));
    }
    output
}

/// What to hand on of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forward {
    /// The event as it is.
    AsIs,
    /// Nothing: it only told the usage, which the client did not ask for.
    Drop,
    /// This in its place: the same event without its usage.
    Edited(Bytes),
}

/// Reads a stream of OpenAI's, event by event.
#[derive(Debug, Default)]
pub struct StreamMeter {
    show_usage: bool,
    usage: Option<Bytes>,
    service_tier: Option<String>,
    output: OutputText,
    finish_reasons: Vec<String>,
    error: Option<ErrorBody>,
    done: bool,
    response: bool,
}

impl StreamMeter {
    /// A meter of one stream. `show_usage`: the client asked for the usage itself.
    pub fn new(show_usage: bool) -> Self {
        Self { show_usage, ..Self::default() }
    }

    /// A meter of one stream of the Responses API, which always tells its usage.
    pub fn of_response() -> Self {
        Self { response: true, ..Self::default() }
    }

    /// Whether it reads a stream of the Responses API.
    pub fn reads_response(&self) -> bool {
        self.response
    }

    /// Reads one raw event, as [`sse::Splitter`] cuts them, and says what to hand on.
    pub fn read(&mut self, raw: &Bytes) -> Forward {
        let event = Event::parse(raw);
        if event.data.is_empty() {
            return Forward::AsIs;
        }
        if event.is_done() {
            self.done = true;
            return Forward::AsIs;
        }
        let Ok(json) = std::str::from_utf8(&event.data) else { return Forward::AsIs };
        if self.response {
            self.read_response(json);
            return Forward::AsIs;
        }
        let Some(chunk) = Chunk::read(json) else { return Forward::AsIs };
        for choice in chunk.choices.iter().flatten() {
            self.output.add(choice);
            if let Some(reason) = choice.finish_reason()
                && self.finish_reasons.len() < MOST_FINISH_REASONS
            {
                self.finish_reasons.push(reason.to_owned());
            }
        }
        if chunk.error.is_some() && self.error.is_none() {
            self.error = Some(ErrorBody::from_upstream(500, json.as_bytes()));
        }
        let Some(said) = chunk.usage else { return Forward::AsIs };
        let reported = said.get().starts_with('{');
        if reported {
            self.service_tier = chunk.service_tier.and_then(text);
            self.usage = Some(match event.data {
                Cow::Borrowed(_) => raw.slice_ref(said.get().as_bytes()),
                Cow::Owned(_) => Bytes::copy_from_slice(said.get().as_bytes()),
            });
        }
        if self.show_usage {
            return Forward::AsIs;
        }
        if reported && chunk.choices.as_ref().is_some_and(Vec::is_empty) {
            return Forward::Drop;
        }
        Forward::Edited(match &event.data {
            Cow::Borrowed(_) => without_member(raw, said),
            Cow::Owned(joined) => {
                let mut out = Vec::new();
                sse::write_data(&mut out, &without_member(joined, said));
                Bytes::from(out)
            }
        })
    }

    /// The usage that the provider reports. Some servers report it with every event, counting up;
    /// the last word counts.
    pub fn usage(&self) -> Option<Usage> {
        self.usage.as_deref().and_then(usage::read)
    }

    /// The service tier that the provider says it answered in, with its usage.
    pub fn service_tier(&self) -> Option<&str> {
        self.service_tier.as_deref()
    }

    /// What the model wrote so far, for counting its tokens when no usage comes.
    pub fn output(&self) -> &OutputText {
        &self.output
    }

    /// Whether the model wrote anything yet.
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Why choices ended, in the order in which they did.
    pub fn finish_reasons(&self) -> &[String] {
        &self.finish_reasons
    }

    /// The first error that the provider sent inside the stream.
    pub fn error(&self) -> Option<&ErrorBody> {
        self.error.as_ref()
    }

    /// Whether `[DONE]` came.
    pub fn is_done(&self) -> bool {
        self.done
    }
}

/// A chunk of a stream, or a whole answer, which has the same frame.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow, default, deserialize_with = "present")]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
}

impl<'a> Chunk<'a> {
    fn read(json: &'a str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Frame<'a> {
            #[serde(borrow, default, deserialize_with = "present")]
            usage: Option<&'a RawValue>,
            #[serde(borrow)]
            error: Option<&'a RawValue>,
        }
        // Choices in a shape of the server's own must not keep the usage from being seen.
        object(json).or_else(|| {
            let Frame { usage, error } = object(json)?;
            Some(Self { choices: None, usage, error, service_tier: None })
        })
    }
}

/// What a JSON string says.
fn text(json: &RawValue) -> Option<String> {
    serde_json::from_str(json.get()).ok()
}

/// A JSON text, or an event with it, without the member `"usage"` that has this value.
fn without_member(text: &[u8], value: &RawValue) -> Bytes {
    let value = span(text, value);
    let (cut, instead) = match member(text, &value) {
        Some(member) => (member, ""),
        // Its key is written with escapes; then its value goes, and that is enough.
        None => (value, "null"),
    };
    let before = text.get(..cut.start).unwrap_or_default();
    let after = text.get(cut.end..).unwrap_or_default();
    // In one allocation, of just the size that it needs.
    Bytes::from([before, instead.as_bytes(), after].concat())
}

/// Where the whole member stands that has this value: its key, and one of the commas beside it.
fn member(text: &[u8], value: &Range<usize>) -> Option<Range<usize>> {
    let before = text.get(..value.start)?.trim_ascii_end().strip_suffix(b":")?;
    let before = before.trim_ascii_end().strip_suffix(b"\"usage\"")?;
    if let Some(others) = before.trim_ascii_end().strip_suffix(b",") {
        return Some(others.len()..value.end);
    }
    let after = text.get(value.end..)?;
    let rest = after.trim_ascii_start();
    let rest = rest.strip_prefix(b",").unwrap_or(rest);
    Some(before.len()..text.len() - rest.len())
}

#[cfg(test)]
mod tests;
