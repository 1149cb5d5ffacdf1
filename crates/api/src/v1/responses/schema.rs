//! What a request for a response looks like, for the OpenAPI document. Only what Kijun itself reads
//! is described; every other field of OpenAI's API goes along to the provider.

#![expect(dead_code, reason = "these types describe; requests are read by wire::responses")]

use serde_json::Value;
use utoipa::ToSchema;

/// A request for a response. Fields that are not listed go along unchanged.
#[derive(ToSchema)]
pub(crate) struct ResponseRequest {
    /// The model's name, as `/v1/models` lists it.
    #[schema(example = "kijun-sim", min_length = 1)]
    model: String,
    /// A text, or items: messages, tool calls and their results, reasoning.
    #[schema(example = "Hello")]
    input: Option<Value>,
    /// What goes before everything else.
    instructions: Option<String>,
    /// The response that this one goes on with.
    previous_response_id: Option<String>,
    /// The conversation that this response is in: its id, or an object with it.
    conversation: Option<Value>,
    /// Whether the answer comes as server-sent events.
    stream: Option<bool>,
    /// Whether the response is kept; true where it is not said.
    store: Option<bool>,
    /// Whether it is made in the background.
    background: Option<bool>,
    /// The most tokens to generate, reasoning included.
    #[schema(minimum = 1)]
    max_output_tokens: Option<u64>,
    /// Functions and tools the model may call.
    tools: Option<Vec<Value>>,
    /// The form of the text: free, JSON, or a JSON schema.
    text: Option<std::collections::BTreeMap<String, Value>>,
    /// How hard to think.
    reasoning: Option<std::collections::BTreeMap<String, Value>>,
    /// `auto`: the oldest items are left out where the model cannot read them all.
    truncation: Option<String>,
    /// Up to 16 pairs of your own.
    metadata: Option<std::collections::BTreeMap<String, String>>,
    /// Calls with one key go to one provider, so that its prompt cache is hit.
    prompt_cache_key: Option<String>,
    /// The end user, for limits and usage.
    safety_identifier: Option<String>,
}
