//! What a moderation request looks like, for the OpenAPI document.

#![expect(dead_code, reason = "these types describe; requests are read by wire::envelope")]

use serde_json::Value;
use utoipa::ToSchema;

/// A moderation request. Fields that are not listed pass through unchanged.
#[derive(ToSchema)]
pub(crate) struct ModerationRequest {
    /// The model's name, as `/v1/models` lists it.
    #[schema(example = "kijun-sim-moderation", min_length = 1)]
    model: String,
    /// A text, a list of texts, or a list of parts.
    #[schema(example = "Hello")]
    input: Value,
}
