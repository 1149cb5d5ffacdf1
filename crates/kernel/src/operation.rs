//! What a call asks a model to do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An operation of the OpenAI API that reaches a model.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/completions`, the legacy one.
    Completions,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/moderations`
    Moderations,
    /// `POST /v1/responses`
    Responses,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
        Self::Moderations,
        Self::Responses,
    ];

    /// The path below an OpenAI-compatible base URL (which ends in `/v1`).
    pub const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
            Self::Moderations => "/moderations",
            Self::Responses => "/responses",
        }
    }

    /// The name that records and configuration use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Moderations => "moderations",
            Self::Responses => "responses",
        }
    }

    /// Whether the answer may come as a stream.
    pub const fn streams(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Completions | Self::Responses)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
