//! What an embedding request looks like, for the OpenAPI document.

#![expect(dead_code, reason = "these types describe; requests are read by wire::envelope")]

use serde_json::Value;
use utoipa::ToSchema;

/// An embedding request. Fields that are not listed pass through unchanged.
#[derive(ToSchema)]
pub(crate) struct EmbeddingRequest {
    /// The model's name, as `/v1/models` lists it.
    #[schema(example = "kijun-sim-embedding", min_length = 1)]
    model: String,
    /// A text, a list of texts, tokens, or a list of tokens.
    #[schema(example = "Hello")]
    input: Value,
    /// `float`, or `base64` of little-endian 32-bit floats.
    #[schema(example = "float")]
    encoding_format: Option<String>,
    /// How many dimensions the vectors have.
    #[schema(minimum = 1)]
    dimensions: Option<u64>,
}
