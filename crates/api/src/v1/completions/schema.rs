//! What a legacy completion request looks like, for the OpenAPI document.

#![expect(dead_code, reason = "these types describe; requests are read by wire::envelope")]

use serde_json::Value;
use utoipa::ToSchema;

/// A legacy completion request. Fields that are not listed pass through unchanged.
#[derive(ToSchema)]
pub(crate) struct CompletionRequest {
    /// The model's name, as `/v1/models` lists it.
    #[schema(example = "kijun-sim", min_length = 1)]
    model: String,
    /// Text, a list of texts, or tokens.
    #[schema(example = "Once upon a time")]
    prompt: Option<Value>,
    /// Whether the answer comes as server-sent events.
    stream: Option<bool>,
    /// The most tokens to generate.
    #[schema(minimum = 1)]
    max_tokens: Option<u64>,
}
