//! What one call used, in tokens.

use serde::{Deserialize, Serialize};

/// Tokens of one call. As in OpenAI's usage objects, `input` includes the cached, audio and image
/// tokens of the input, and `output` includes the reasoning and audio tokens of the output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// All input tokens.
    pub input: u64,
    /// Of the input: read from the provider's prompt cache.
    #[serde(skip_serializing_if = "is_none")]
    pub input_cached: u64,
    /// Of the input: written to the provider's prompt cache.
    #[serde(skip_serializing_if = "is_none")]
    pub input_cache_write: u64,
    /// Of the input: audio.
    #[serde(skip_serializing_if = "is_none")]
    pub input_audio: u64,
    /// Of the input: images.
    #[serde(skip_serializing_if = "is_none")]
    pub input_image: u64,
    /// All output tokens.
    pub output: u64,
    /// Of the output: reasoning.
    #[serde(skip_serializing_if = "is_none")]
    pub output_reasoning: u64,
    /// Of the output: audio.
    #[serde(skip_serializing_if = "is_none")]
    pub output_audio: u64,
    /// True when the provider reported nothing and the tokens were counted here.
    pub estimated: bool,
}

/// Most calls have none of most kinds; their records need not say so.
fn is_none(tokens: &u64) -> bool {
    *tokens == 0
}

impl Usage {
    /// Input and output together.
    pub fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}
