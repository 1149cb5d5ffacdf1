//! A Messages answer as a chat completion.

use kernel::Usage;
use serde::Deserialize;
use serde_json::Value;

use super::FORMAT;
use crate::translate::completion::{FinishReason, Message, completion, tool_call};
use crate::translate::reasoning::{Detail, DetailKind};
use crate::translate::{BadAnswer, Context};

/// Translates a whole answer.
///
/// # Errors
/// [`BadAnswer`] when it is no Messages answer.
pub fn response(body: &[u8], context: &Context) -> Result<Vec<u8>, BadAnswer> {
    let answer: Answer =
        serde_json::from_slice(body).map_err(|e| BadAnswer::unreadable("answer", &e))?;
    let mut message = Message::default();
    for block in answer.content {
        add(&mut message, block);
    }
    let stopped = Stopped { reason: answer.stop_reason, details: answer.stop_details };
    message.refusal = stopped.refusal().map(str::to_owned);
    let reason = stopped.finish_reason();
    let choice = message.into_choice(0, reason, &Value::Null);
    let tier = answer.usage.service_tier();
    Ok(completion(context, &[choice], answer.usage.read().as_ref(), tier))
}

fn add(message: &mut Message, block: Block) {
    let index = message.details.len();
    match block {
        Block::Text { text } => message.text.push_str(&text),
        Block::Thinking { thinking, signature } => {
            message.reasoning.push_str(&thinking);
            message.details.push(Detail { signature, ..thought(index, thinking) });
        }
        Block::RedactedThinking { data } => message.details.push(redacted(index, data)),
        Block::ToolUse { id, name, input } => {
            message.tool_calls.push(tool_call(&id, &name, &input.to_string(), None));
        }
        Block::Other => {}
    }
}

/// A readable thought.
pub(super) fn thought(index: usize, text: String) -> Detail {
    let format = Some(FORMAT.to_owned());
    Detail {
        kind: DetailKind::Text,
        index: Some(index),
        format,
        text: Some(text),
        ..Detail::default()
    }
}

/// A thought that only Anthropic can read.
pub(super) fn redacted(index: usize, data: String) -> Detail {
    let format = Some(FORMAT.to_owned());
    let kind = DetailKind::Encrypted;
    Detail { kind, index: Some(index), format, data: Some(data), ..Detail::default() }
}

#[derive(Deserialize)]
struct Answer {
    content: Vec<Block>,
    stop_reason: Option<String>,
    stop_details: Option<StopDetails>,
    #[serde(default)]
    usage: Counts,
}

/// A block of content. Blocks of Anthropic's own tools have no counterpart; what the model makes
/// of them is in its text.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Text {
        #[serde(default)]
        text: String,
    },
    Thinking {
        #[serde(default)]
        thinking: String,
        #[serde(default)]
        signature: Option<String>,
    },
    RedactedThinking {
        data: String,
    },
    ToolUse {
        id: String,
        name: String,
        #[serde(default)]
        input: Value,
    },
    #[serde(other)]
    Other,
}

/// Why and how the model stopped.
#[derive(Default)]
pub(super) struct Stopped {
    pub(super) reason: Option<String>,
    pub(super) details: Option<StopDetails>,
}

#[derive(Deserialize)]
pub(super) struct StopDetails {
    #[serde(default)]
    explanation: Option<String>,
}

impl Stopped {
    /// `pause_turn` asks the client to send the answer back for more, which is what clients do
    /// after `stop` when they want more.
    pub(super) fn finish_reason(&self) -> FinishReason {
        match self.reason.as_deref() {
            Some("max_tokens" | "model_context_window_exceeded") => FinishReason::Length,
            Some("tool_use") => FinishReason::ToolCalls,
            Some("refusal") => FinishReason::ContentFilter,
            _ => FinishReason::Stop,
        }
    }

    /// What Anthropic says about a refusal.
    pub(super) fn refusal(&self) -> Option<&str> {
        if self.reason.as_deref() != Some("refusal") {
            return None;
        }
        self.details.as_ref()?.explanation.as_deref()
    }
}

/// Anthropic's usage. In a stream the later counts replace the earlier ones.
#[derive(Clone, Default, Deserialize)]
pub(super) struct Counts {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
    service_tier: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

impl Counts {
    /// Anthropic counts cached input apart, OpenAI within the input. `None` where nothing was
    /// counted, so that nobody takes the call for free.
    pub(super) fn read(&self) -> Option<Usage> {
        self.input_tokens.or(self.output_tokens)?;
        let cached = self.cache_read_input_tokens.unwrap_or(0);
        let written = self.cache_creation_input_tokens.unwrap_or(0);
        let fresh = self.input_tokens.unwrap_or(0);
        let details = self.output_tokens_details.as_ref();
        Some(Usage {
            input: fresh.saturating_add(cached).saturating_add(written),
            input_cached: cached,
            input_cache_write: written,
            output: self.output_tokens.unwrap_or(0),
            output_reasoning: details.and_then(|details| details.thinking_tokens).unwrap_or(0),
            ..Usage::default()
        })
    }

    pub(super) fn service_tier(&self) -> Option<&'static str> {
        match self.service_tier.as_deref()? {
            "standard" => Some("default"),
            "priority" => Some("priority"),
            _ => None,
        }
    }

    pub(super) fn update(&mut self, later: Self) {
        let Self {
            input_tokens,
            cache_read_input_tokens,
            cache_creation_input_tokens,
            output_tokens,
            output_tokens_details,
            service_tier,
        } = later;
        self.input_tokens = input_tokens.or(self.input_tokens);
        self.cache_read_input_tokens = cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.cache_creation_input_tokens =
            cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.output_tokens = output_tokens.or(self.output_tokens);
        self.output_tokens_details =
            output_tokens_details.or_else(|| self.output_tokens_details.take());
        self.service_tier = service_tier.or_else(|| self.service_tier.take());
    }
}
