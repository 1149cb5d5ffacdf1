//! Limits on requests, tokens and concurrent calls.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::LimitId;

/// What a limit counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitMeasure {
    /// Requests in any minute.
    RequestsPerMinute,
    /// Requests in any 24 hours.
    RequestsPerDay,
    /// Tokens, input and output together, in any minute.
    TokensPerMinute,
    /// Tokens, input and output together, in any 24 hours.
    TokensPerDay,
    /// Calls under way at once.
    ConcurrentCalls,
}

impl LimitMeasure {
    /// The name that configuration and errors use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestsPerMinute => "requests_per_minute",
            Self::RequestsPerDay => "requests_per_day",
            Self::TokensPerMinute => "tokens_per_minute",
            Self::TokensPerDay => "tokens_per_day",
            Self::ConcurrentCalls => "concurrent_calls",
        }
    }
}

impl fmt::Display for LimitMeasure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose calls are counted together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitScope {
    /// All calls of an organisation.
    Organization,
    /// All calls of a project.
    Project,
    /// All calls with one API key.
    Key,
    /// All calls for one end user: the request's `safety_identifier`, else its `user`.
    User,
    /// All calls of one model alias.
    Model,
}

impl LimitScope {
    /// The name that configuration and errors use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Project => "project",
            Self::Key => "key",
            Self::User => "user",
            Self::Model => "model",
        }
    }
}

impl fmt::Display for LimitScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One limit. Users are counted per project, so two projects' users of one name never meet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limit {
    /// Its id; file-defined limits have theirs from their place in the file.
    pub id: LimitId,
    /// Whose calls are counted together.
    pub scope: LimitScope,
    /// Only this one of that scope (an id, a user name, a model alias); `None`: each one, counted
    /// apart.
    pub subject: Option<String>,
    /// Only calls of this model alias; `None`: of all models together.
    pub model: Option<String>,
    /// What is counted.
    pub measure: LimitMeasure,
    /// How many are allowed.
    pub amount: u64,
}
