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
    pub input_cached: u64,
    /// Of the input: written to the provider's prompt cache.
    pub input_cache_write: u64,
    /// Of the input: audio.
    pub input_audio: u64,
    /// Of the input: images.
    pub input_image: u64,
    /// All output tokens.
    pub output: u64,
    /// Of the output: reasoning.
    pub output_reasoning: u64,
    /// Of the output: audio.
    pub output_audio: u64,
    /// True when the provider reported nothing and the tokens were counted here.
    pub estimated: bool,
}

impl Usage {
    /// Input and output together.
    pub fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}
