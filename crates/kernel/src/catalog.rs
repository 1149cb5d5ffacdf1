//! The catalogue: which providers there are, and which models are served by which of them.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::Operation;

/// Where a provider or model was written down.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// In the configuration file: changed there, not by API.
    File,
    /// Found at start, by an environment variable or a server on its default local port.
    Environment,
    /// In the database: made by API or shell.
    Database,
    /// Part of Kijun: `kijun-sim`.
    BuiltIn,
}

/// One provider: a place that answers calls.
#[derive(Clone, Debug)]
pub struct ProviderSpec {
    /// Its name, unique; models' targets refer to it.
    pub name: String,
    /// Which entry of the rack speaks to it: `openai`, `azure`, `anthropic`, ...
    pub kind: String,
    /// Where it is, e.g. `https://api.openai.com/v1`; `None`: the kind's own default.
    pub base_url: Option<String>,
    /// The credential; never printed.
    pub api_key: Option<SecretString>,
    /// A named set of quirks of a compatible server (`vllm`, `llama_cpp`, `groq`, ...).
    pub quirks: Option<String>,
    /// Azure's `api-version`, Anthropic's `anthropic-version`; `None`: the kind's own default.
    pub api_version: Option<String>,
    /// More headers sent with every call.
    pub headers: BTreeMap<String, String>,
    /// How long each step of a call may take.
    pub timeouts: Timeouts,
    /// Calls under way at once to each target of this provider; `None`: no limit.
    pub max_concurrent: Option<u32>,
    /// Whether every model that the provider lists is served under its own name.
    pub discover: bool,
    /// Where this was written down.
    pub source: Source,
}

/// How long each step of a call to a provider may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// Milliseconds to a TCP connection with TLS.
    pub connect_ms: u64,
    /// Milliseconds from the request to the response's head.
    pub first_byte_ms: u64,
    /// Milliseconds between two pieces of the response.
    pub idle_ms: u64,
    /// Milliseconds for the whole call, all attempts together.
    pub total_ms: u64,
}

impl Timeouts {
    /// Time to a TCP connection with TLS.
    pub const fn connect(&self) -> Duration {
        Duration::from_millis(self.connect_ms)
    }
    /// Time from the request to the response's head.
    pub const fn first_byte(&self) -> Duration {
        Duration::from_millis(self.first_byte_ms)
    }
    /// Time between two pieces of the response.
    pub const fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms)
    }
    /// Time for the whole call.
    pub const fn total(&self) -> Duration {
        Duration::from_millis(self.total_ms)
    }
}

impl Default for Timeouts {
    /// 5 s to connect, 10 min to the first byte (reasoning models think long before they speak;
    /// the official SDKs wait as long), 2 min of silence, 1 h in all.
    fn default() -> Self {
        Self { connect_ms: 5_000, first_byte_ms: 600_000, idle_ms: 120_000, total_ms: 3_600_000 }
    }
}

/// One model alias: the name that clients use, and what serves it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ModelSpec {
    /// The alias.
    pub name: String,
    /// What serves it.
    pub targets: Vec<TargetSpec>,
    /// Aliases to try, in order, when no target answers.
    pub fallbacks: Vec<Fallback>,
    /// Where this was written down.
    pub source: Source,
}

/// One upstream model of one provider.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSpec {
    /// The provider's name.
    pub provider: String,
    /// The model's name there.
    pub model: String,
    /// Its share of the calls, relative to the other targets of the alias; 0: only when the
    /// others fail.
    #[serde(default = "one")]
    pub weight: u32,
    /// What it can do; empty: all that its provider can.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<Operation>,
}

const fn one() -> u32 {
    1
}

/// Where a call goes when an alias cannot answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fallback {
    /// The alias to try.
    pub model: String,
    /// For which failures; empty: for every failure but the caller's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<FailureClass>,
}

/// Why a target did not answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// No connection, or one lost before the response's head.
    Connection,
    /// A time-out before the response's head.
    Timeout,
    /// 429: the provider's rate limit or quota.
    RateLimited,
    /// 503 or 529: overloaded.
    Overloaded,
    /// Any other 5xx, or a response that is no HTTP.
    ServerError,
    /// A success that cannot be used: no JSON, too long, compressed, redirected. Another target may
    /// do better; the same one would do, and cost, the same again.
    InvalidAnswer,
    /// 401 or 403: the provider refused our credential.
    Unauthorized,
    /// 404 for the model: the provider does not know it.
    ModelNotFound,
    /// 400 because the input is longer than the model's context.
    ContextLength,
    /// 400 or a refusal by the provider's content filter.
    ContentFilter,
    /// Any other 4xx: the caller's own mistake.
    InvalidRequest,
    /// The provider cannot do this operation.
    Unsupported,
}

impl FailureClass {
    /// The name that configuration and records use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server_error",
            Self::InvalidAnswer => "invalid_answer",
            Self::Unauthorized => "unauthorized",
            Self::ModelNotFound => "model_not_found",
            Self::ContextLength => "context_length",
            Self::ContentFilter => "content_filter",
            Self::InvalidRequest => "invalid_request",
            Self::Unsupported => "unsupported",
        }
    }

    /// Whether another target may do better where this one failed: not when the request itself
    /// is at fault.
    pub const fn another_may_succeed(self) -> bool {
        !matches!(self, Self::InvalidRequest | Self::ContentFilter | Self::ContextLength)
    }

    /// Whether the failure says that the target is unwell, so that its breaker counts it.
    pub const fn counts_against_target(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::Timeout
                | Self::Overloaded
                | Self::ServerError
                | Self::InvalidAnswer
                | Self::Unauthorized
        )
    }
}
