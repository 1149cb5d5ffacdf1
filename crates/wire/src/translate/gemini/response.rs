//! A `generateContent` answer as a chat completion.

use kernel::Usage;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::{FORMAT, OWN_CALL_ID};
use crate::translate::completion::{FinishReason, Message, completion, image, tool_call};
use crate::translate::put::Put;
use crate::translate::reasoning::{Detail, DetailKind};
use crate::translate::{BadAnswer, Context};

/// Translates a whole answer.
///
/// # Errors
/// [`BadAnswer`] when it is no `generateContent` answer.
pub fn response(body: &[u8], context: &Context) -> Result<Vec<u8>, BadAnswer> {
    let answer: Answer =
        serde_json::from_slice(body).map_err(|e| BadAnswer::unreadable("answer", &e))?;
    let mut ids = CallIds::new(context);
    let mut choices = Vec::with_capacity(answer.candidates.len());
    for (place, candidate) in (0..).zip(answer.candidates) {
        let index = candidate.index.unwrap_or(place);
        choices.push(choice(index, candidate, &mut ids)?);
    }
    if choices.is_empty() {
        let feedback = answer.prompt_feedback.filter(|feedback| feedback.block_reason.is_some());
        let Some(feedback) = feedback else {
            return Err(BadAnswer("the provider's answer holds no candidate".to_owned()));
        };
        let message = Message { refusal: feedback.block_reason_message, ..Message::default() };
        choices.push(message.into_choice(0, FinishReason::ContentFilter, &Value::Null));
    }
    let counts = answer.usage_metadata.unwrap_or_default();
    Ok(completion(context, &choices, counts.read().as_ref(), counts.service_tier()))
}

fn choice(index: u64, candidate: Candidate, ids: &mut CallIds) -> Result<Value, BadAnswer> {
    let mut message = Message::default();
    for part in candidate.content.unwrap_or_default().parts {
        add(&mut message, part, ids);
    }
    let called = !message.tool_calls.is_empty();
    let reason = finish_reason(candidate.finish_reason.as_deref(), called)?;
    let logprobs = candidate.logprobs_result.map_or(Value::Null, Logprobs::into_value);
    Ok(message.into_choice(index, reason, &logprobs))
}

fn add(message: &mut Message, part: Part, ids: &mut CallIds) {
    let text = part.text.unwrap_or_default();
    let said = if part.thought { &mut message.reasoning } else { &mut message.text };
    said.push_str(&text);
    if part.thought && !text.is_empty() {
        message.details.push(thought(message.details.len(), text));
    }
    if let Some(data) = part.inline_data.filter(|_| !part.thought) {
        message.images.push(image(&data.mime_type, &data.data));
    }
    let signature = part.thought_signature;
    let mut id = None;
    if let Some(call) = part.function_call {
        let call_id = ids.of(call.id);
        let arguments = Value::Object(call.args).to_string();
        message.tool_calls.push(tool_call(&call_id, &call.name, &arguments, signature.as_deref()));
        id = Some(call_id);
    }
    if let Some(signature) = signature {
        message.details.push(sealed(message.details.len(), id, signature));
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

/// A thought signature, of a tool call or of the text.
pub(super) fn sealed(index: usize, id: Option<String>, data: String) -> Detail {
    let format = Some(FORMAT.to_owned());
    let kind = DetailKind::Encrypted;
    Detail { kind, index: Some(index), format, id, data: Some(data), ..Detail::default() }
}

/// Gives ids to tool calls: Gemini's own where there is one, else one made of the answer's id and
/// the call's number, so that it is unique in the conversation and the same every time.
pub(super) struct CallIds {
    answer: String,
    made: usize,
}

impl CallIds {
    pub(super) fn new(context: &Context) -> Self {
        // The end of the id is its random part. With OpenAI's own limit of 40 characters in mind.
        let end: Vec<char> = context.id.chars().rev().take(24).collect();
        Self { answer: end.into_iter().rev().collect(), made: 0 }
    }

    pub(super) fn of(&mut self, own: Option<String>) -> String {
        own.filter(|id| !id.is_empty()).unwrap_or_else(|| {
            self.made += 1;
            format!("{OWN_CALL_ID}{}_{}", self.answer, self.made)
        })
    }
}

/// Gemini stops with `STOP` for tool calls too.
pub(super) fn finish_reason(reason: Option<&str>, called: bool) -> Result<FinishReason, BadAnswer> {
    Ok(match reason {
        Some("MAX_TOKENS") => FinishReason::Length,
        Some(
            "SAFETY"
            | "RECITATION"
            | "LANGUAGE"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION",
        ) => FinishReason::ContentFilter,
        // The model broke off in the middle of a call: there is no answer to hand on.
        Some(
            reason @ ("MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "MALFORMED_RESPONSE"),
        ) => return Err(BadAnswer(format!("the model's answer is unusable: {reason}"))),
        _ if called => FinishReason::ToolCalls,
        _ => FinishReason::Stop,
    })
}

/// An answer, or one event of a stream.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    #[serde(default)]
    pub(super) candidates: Vec<Candidate>,
    pub(super) prompt_feedback: Option<PromptFeedback>,
    pub(super) usage_metadata: Option<Counts>,
    /// An error in the middle of a stream.
    pub(super) error: Option<IgnoredAny>,
}

/// Why nothing was answered.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PromptFeedback {
    pub(super) block_reason: Option<String>,
    pub(super) block_reason_message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate {
    pub(super) index: Option<u64>,
    pub(super) content: Option<Content>,
    pub(super) finish_reason: Option<String>,
    pub(super) logprobs_result: Option<Logprobs>,
}

#[derive(Default, Deserialize)]
pub(super) struct Content {
    #[serde(default)]
    pub(super) parts: Vec<Part>,
}

/// A part. Those of Google's own tools have no counterpart; what the model makes of them is in its
/// text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) thought: bool,
    pub(super) thought_signature: Option<String>,
    pub(super) function_call: Option<FunctionCall>,
    pub(super) inline_data: Option<InlineData>,
}

#[derive(Deserialize)]
pub(super) struct FunctionCall {
    pub(super) id: Option<String>,
    pub(super) name: String,
    #[serde(default)]
    pub(super) args: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InlineData {
    pub(super) mime_type: String,
    pub(super) data: String,
}

/// Log probabilities.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Logprobs {
    #[serde(default)]
    chosen_candidates: Vec<Token>,
    #[serde(default)]
    top_candidates: Vec<TopTokens>,
}

#[derive(Deserialize)]
struct TopTokens {
    #[serde(default)]
    candidates: Vec<Token>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    #[serde(default)]
    token: String,
    #[serde(default)]
    log_probability: f64,
}

impl Token {
    fn to_value(&self) -> Value {
        let bytes = self.token.as_bytes();
        json!({ "token": self.token, "logprob": self.log_probability, "bytes": bytes })
    }
}

impl Logprobs {
    pub(super) fn into_value(self) -> Value {
        let mut tops = self.top_candidates.into_iter();
        let content = self.chosen_candidates.iter().map(|chosen| {
            let top = tops.next().map_or_else(Vec::new, |top| top.candidates);
            let mut token = chosen.to_value();
            token.put("top_logprobs", top.iter().map(Token::to_value).collect::<Value>());
            token
        });
        json!({ "content": content.collect::<Vec<_>>(), "refusal": null })
    }
}

/// Gemini's usage; in a stream each event has the counts so far.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    prompt_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    #[serde(default)]
    prompt_tokens_details: Vec<Modality>,
    #[serde(default)]
    candidates_tokens_details: Vec<Modality>,
    service_tier: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Modality {
    #[serde(default)]
    modality: String,
    #[serde(default)]
    token_count: u64,
}

impl Counts {
    /// Gemini counts thoughts beside the answer, OpenAI within it. `None` where nothing was
    /// counted, so that nobody takes the call for free.
    pub(super) fn read(&self) -> Option<Usage> {
        self.prompt_token_count.or(self.candidates_token_count)?;
        let sum = |one: Option<u64>, other: Option<u64>| {
            one.unwrap_or(0).saturating_add(other.unwrap_or(0))
        };
        let of = |details: &[Modality], modality: &str| {
            let counts = details.iter().filter(|detail| detail.modality == modality);
            counts.fold(0u64, |sum, detail| sum.saturating_add(detail.token_count))
        };
        Some(Usage {
            input: sum(self.prompt_token_count, self.tool_use_prompt_token_count),
            input_cached: self.cached_content_token_count.unwrap_or(0),
            input_audio: of(&self.prompt_tokens_details, "AUDIO"),
            input_image: of(&self.prompt_tokens_details, "IMAGE"),
            output: sum(self.candidates_token_count, self.thoughts_token_count),
            output_reasoning: self.thoughts_token_count.unwrap_or(0),
            output_audio: of(&self.candidates_tokens_details, "AUDIO"),
            ..Usage::default()
        })
    }

    pub(super) fn service_tier(&self) -> Option<&'static str> {
        match self.service_tier.as_deref()?.to_ascii_lowercase().as_str() {
            "standard" => Some("default"),
            "flex" => Some("flex"),
            "priority" => Some("priority"),
            _ => None,
        }
    }
}
