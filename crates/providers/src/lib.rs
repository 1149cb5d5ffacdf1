//! Any model behind one trait. A provider takes a call in OpenAI's wire format and answers in
//! OpenAI's wire format, whatever the server behind it speaks.
//!
//! May know: `kernel`, `wire`, HTTP as a client. Must never do: SQL, authentication of callers,
//! limits, choice between targets (that is `gateway`'s), logging of content or credentials.
//!
//! To add one: a file here, a word in the `rack!` line below (docs/adding-a-provider.md).

pub mod answer;
mod compatible;
pub mod config;
mod date;
mod events;
mod exchange;
pub mod failure;
mod json;
pub mod outbound;
mod quirks;
pub mod rack;
mod reasoning;
mod single;
mod targets;
mod translated;
pub mod transport;
mod vectors;

pub use answer::{Answer, AnswerBody, EventStream, StreamBreak};
pub use config::ConfigError;
pub use failure::Failure;
pub use outbound::Outbound;
pub use rack::Rack;
pub use transport::{Reach, Transport, TransportConfig, WriteTurn, net};

use futures_util::future::BoxFuture;
use kernel::Operation;

/// Makes a module of each kind of provider, and the table that the rack looks them up in.
macro_rules! rack {
    (dyn Provider: $($kind:ident),+ $(,)?) => {
        $(pub mod $kind;)+

        /// Every kind by its name.
        const KINDS: &[(&str, rack::Build)] = &[$((stringify!($kind), $kind::build)),+];
    };
}

rack!(dyn Provider: anthropic, azure, gemini, ollama, openai, sim);

/// A place that answers calls: one configured provider.
pub trait Provider: Send + Sync + std::fmt::Debug {
    /// Whether it can do this operation at all.
    fn supports(&self, operation: Operation) -> bool;

    /// Whether an answer is sure to fit a strict JSON schema that the request asks for. Where it is
    /// not, the answer is checked after it came.
    fn enforces_schemas(&self) -> bool {
        false
    }

    /// Makes the call. The future, and the stream in its answer, own the exchange: dropping them
    /// hangs up on the provider at once.
    ///
    /// # Errors
    /// [`Failure`] for everything that happened before the first byte of an answer; its class
    /// decides whether another target is tried.
    fn call(&self, call: Outbound) -> BoxFuture<'_, Result<Answer, Failure>>;

    /// The models that the provider lists, which is also its health probe.
    ///
    /// # Errors
    /// [`Failure`] when it does not answer.
    fn models(&self) -> BoxFuture<'_, Result<Vec<UpstreamModel>, Failure>>;
}

/// A model as its provider lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamModel {
    /// Its name there.
    pub id: String,
    /// When it was made, in seconds since the Unix epoch; 0 where the provider does not say.
    pub created: i64,
    /// Who owns it, in the provider's words.
    pub owned_by: String,
}
