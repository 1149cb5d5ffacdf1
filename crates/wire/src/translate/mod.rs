//! Between OpenAI's Chat Completions and what other providers speak.
//!
//! Each vendor has one folder with the same four functions: `request`, `response`, `stream` and
//! `error`. All are pure functions over bytes. What a vendor cannot express is refused by name
//! ([`Inexpressible`]); what has no meaning there is dropped by a written list; every other
//! unknown field of the request reaches the vendor as it is.

pub mod anthropic;
pub mod chat;
mod completion;
pub mod gemini;
mod media;
mod put;
mod reasoning;

use crate::error::ErrorBody;
use crate::sse;

/// The status that stands for an error inside a stream, whose head said 200.
const IN_STREAM: u16 = 500;

/// What an answer says about itself, whoever gave it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Context {
    /// The answer's id, `chatcmpl-…`.
    pub id: String,
    /// When it was made, in seconds since the Unix epoch.
    pub created: i64,
    /// The model's name as the client knows it.
    pub model: String,
}

/// A request that the provider cannot express. The client hears it as a 400.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Inexpressible {
    /// The field at fault, e.g. `messages[2].content[0]`.
    pub param: String,
    /// Which field, what is wrong and what would work. It never quotes content.
    pub message: String,
}

impl Inexpressible {
    fn new(param: impl Into<String>, why: impl std::fmt::Display) -> Self {
        let param = param.into();
        Self { message: format!("`{param}`: {why}"), param }
    }
}

/// An answer of the provider that is not understood, or an error inside its stream. The client
/// hears it as a 502.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadAnswer(pub String);

impl BadAnswer {
    /// For an error that the vendor reports inside its stream: the client reads it there.
    fn reported(error: &ErrorBody, out: &mut Vec<u8>) -> Self {
        sse::write_data(out, &error.to_json());
        Self(format!("the provider broke off: {}: {}", error.kind, error.message))
    }

    /// For JSON that is not what the vendor documents; it names the place, never the content.
    fn unreadable(what: &str, error: &serde_json::Error) -> Self {
        Self(format!("the provider's {what} is not understood (column {})", error.column()))
    }
}

/// Turns a vendor's event stream into OpenAI's, event by event.
pub trait StreamTranslator: Send {
    /// Takes one raw event of the vendor and appends the events that follow from it to `out`.
    /// Where the vendor marks its end, this also appends the usage and `data: [DONE]`.
    ///
    /// # Errors
    /// [`BadAnswer`] when the event is not understood, or reports an error. What the vendor says
    /// of an error is in `out` by then, in OpenAI's envelope.
    fn push(&mut self, event: &[u8], out: &mut Vec<u8>) -> Result<(), BadAnswer>;

    /// Takes the end of the vendor's stream. A vendor without an end mark gets its usage and
    /// `data: [DONE]` here.
    ///
    /// # Errors
    /// [`BadAnswer`] when the answer was not complete.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), BadAnswer>;
}
