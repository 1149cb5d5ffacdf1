//! What a chat completion request looks like, for the OpenAPI document. Only what Kijun itself
//! reads is described; every other field of OpenAI's API passes through to the provider.

#![expect(dead_code, reason = "these types describe; requests are read by wire::envelope")]

use serde_json::Value;
use utoipa::ToSchema;

/// A chat completion request. Fields that are not listed pass through unchanged.
#[derive(ToSchema)]
pub(crate) struct ChatCompletionRequest {
    /// The model's name, as `/v1/models` lists it.
    #[schema(example = "kijun-sim", min_length = 1)]
    model: String,
    /// The conversation so far.
    #[schema(min_items = 1)]
    messages: Vec<ChatMessage>,
    /// Whether the answer comes as server-sent events.
    stream: Option<bool>,
    /// Options of the stream.
    stream_options: Option<StreamOptions>,
    /// The most tokens to generate, reasoning included.
    #[schema(minimum = 1)]
    max_completion_tokens: Option<u64>,
    /// How many choices to generate.
    #[schema(minimum = 1, maximum = 128)]
    n: Option<u64>,
    /// Randomness.
    #[schema(minimum = 0, maximum = 2)]
    temperature: Option<f64>,
    /// Nucleus sampling.
    #[schema(minimum = 0, maximum = 1)]
    top_p: Option<f64>,
    /// Functions and tools the model may call.
    tools: Option<Vec<Value>>,
    /// The answer's format: text, JSON, or a JSON schema.
    response_format: Option<std::collections::BTreeMap<String, Value>>,
    /// Whether the answer is stored, to be retrieved later.
    store: Option<bool>,
    /// Up to 16 pairs of your own, stored with the answer.
    metadata: Option<std::collections::BTreeMap<String, String>>,
    /// Calls with one key go to one provider, so that its prompt cache is hit.
    prompt_cache_key: Option<String>,
    /// The end user, for limits and usage.
    safety_identifier: Option<String>,
}

/// One message.
#[derive(ToSchema)]
pub(crate) struct ChatMessage {
    /// `system`, `developer`, `user`, `assistant` or `tool`.
    #[schema(example = "user")]
    role: String,
    /// Text, or a list of parts: text, images, files, audio.
    #[schema(example = "Hello")]
    content: Option<Value>,
}

/// Options of a stream.
#[derive(ToSchema)]
pub(crate) struct StreamOptions {
    /// Whether a last event with the usage is sent.
    include_usage: Option<bool>,
}
