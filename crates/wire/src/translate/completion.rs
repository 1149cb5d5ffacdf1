//! Chat Completions answers as translations write them: whole, and in chunks.

use kernel::Usage;
use serde::Serialize;
use serde_json::{Value, json};

use super::put::Put;
use super::reasoning::Detail;
use super::{BadAnswer, Context};
use crate::{sse, usage};

/// Why the model stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FinishReason {
    Stop,
    Length,
    ToolCalls,
    ContentFilter,
}

/// One answer, piece by piece.
#[derive(Default)]
pub(super) struct Message {
    pub(super) text: String,
    pub(super) refusal: Option<String>,
    pub(super) reasoning: String,
    pub(super) details: Vec<Detail>,
    pub(super) tool_calls: Vec<Value>,
    pub(super) images: Vec<Value>,
}

impl Message {
    /// The choice that holds this message.
    pub(super) fn into_choice(self, index: u64, reason: FinishReason, logprobs: &Value) -> Value {
        let silent =
            self.text.is_empty() && (!self.tool_calls.is_empty() || self.refusal.is_some());
        let content = if silent { Value::Null } else { Value::String(self.text) };
        let mut message =
            json!({ "role": "assistant", "content": content, "refusal": self.refusal });
        if !self.reasoning.is_empty() {
            message.put("reasoning", self.reasoning.as_str());
            message.put("reasoning_content", self.reasoning);
        }
        message.put_list("reasoning_details", self.details.iter().map(|d| json!(d)).collect());
        message.put_list("tool_calls", self.tool_calls);
        message.put_list("images", self.images);
        json!({
            "index": index, "message": message, "logprobs": logprobs, "finish_reason": reason,
        })
    }
}

/// A whole answer.
pub(super) fn completion(
    context: &Context,
    choices: &[Value],
    usage: Option<&Usage>,
    service_tier: Option<&'static str>,
) -> Vec<u8> {
    let mut answer = json!({
        "id": context.id,
        "object": "chat.completion",
        "created": context.created,
        "model": context.model,
        "choices": choices,
    });
    answer.put_some("usage", usage.map(usage::write_chat));
    answer.put_some("service_tier", service_tier);
    answer.to_string().into_bytes()
}

/// A tool call in a whole answer. The thought signature goes along with it, because clients keep
/// tool calls whole even where they drop what they do not know beside them.
pub(super) fn tool_call(id: &str, name: &str, arguments: &str, signature: Option<&str>) -> Value {
    let function = json!({ "name": name, "arguments": arguments });
    let mut call = json!({ "id": id, "type": "function", "function": function });
    call.put_some("extra_content", signature.map(thought_signature));
    call
}

/// Google's own place for a thought signature in OpenAI's format.
pub(super) fn thought_signature(signature: &str) -> Value {
    json!({ "google": { "thought_signature": signature } })
}

/// An image that the model made.
pub(super) fn image(media_type: &str, base64: &str) -> Value {
    json!({ "type": "image_url",
        "image_url": { "url": format!("data:{media_type};base64,{base64}") } })
}

/// What a chunk adds to an answer.
#[derive(Default, Serialize)]
pub(super) struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "<[Detail]>::is_empty")]
    pub(super) reasoning_details: &'a [Detail],
    #[serde(skip_serializing_if = "<[ToolCallDelta<'_>]>::is_empty")]
    pub(super) tool_calls: &'a [ToolCallDelta<'a>],
    #[serde(skip_serializing_if = "<[Value]>::is_empty")]
    pub(super) images: &'a [Value],
}

impl<'a> Delta<'a> {
    /// Readable reasoning, in both of the fields that clients look for.
    pub(super) fn reasoning(text: &'a str) -> Self {
        Self { reasoning: Some(text), reasoning_content: Some(text), ..Self::default() }
    }
}

/// What a chunk adds to a tool call.
#[derive(Serialize)]
pub(super) struct ToolCallDelta<'a> {
    pub(super) index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'static str>,
    pub(super) function: FunctionDelta<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extra_content: Option<Value>,
}

/// What a chunk adds to a function call.
#[derive(Serialize)]
pub(super) struct FunctionDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    pub(super) arguments: &'a str,
}

impl<'a> ToolCallDelta<'a> {
    /// The first chunk of a call.
    pub(super) fn begin(index: usize, id: &'a str, name: &'a str, arguments: &'a str) -> Self {
        Self {
            index,
            id: Some(id),
            kind: Some("function"),
            function: FunctionDelta { name: Some(name), arguments },
            extra_content: None,
        }
    }

    /// More of its arguments.
    pub(super) fn more(index: usize, arguments: &'a str) -> Self {
        let function = FunctionDelta { name: None, arguments };
        Self { index, id: None, kind: None, function, extra_content: None }
    }
}

/// OpenAI's limit of `n`.
const MOST_CHOICES: u64 = 128;

/// Writes the chunks of one stream.
pub(super) struct ChunkWriter {
    context: Context,
    /// How many choices have begun.
    begun: u64,
    pub(super) service_tier: Option<&'static str>,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: &'a [ChunkChoice<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: u64,
    delta: Delta<'a>,
    logprobs: Value,
    finish_reason: Option<FinishReason>,
}

impl ChunkWriter {
    pub(super) const fn new(context: Context) -> Self {
        Self { context, begun: 0, service_tier: None }
    }

    /// The chunk that names the role, once for each choice, and in their order: the official SDK
    /// for Python cannot take the second choice first.
    pub(super) fn begin(&mut self, out: &mut Vec<u8>, index: u64) -> Result<(), BadAnswer> {
        if index >= MOST_CHOICES {
            return Err(BadAnswer(
                "the provider gave more answers than anyone asks for".to_owned(),
            ));
        }
        while self.begun <= index {
            let index = self.begun;
            let delta = Delta { role: Some("assistant"), content: Some(""), ..Delta::default() };
            let logprobs = Value::Null;
            self.choice(out, ChunkChoice { index, delta, logprobs, finish_reason: None })?;
            self.begun += 1;
        }
        Ok(())
    }

    pub(super) fn delta(
        &mut self,
        out: &mut Vec<u8>,
        index: u64,
        delta: Delta<'_>,
    ) -> Result<(), BadAnswer> {
        self.begin(out, index)?;
        self.choice(out, ChunkChoice { index, delta, logprobs: Value::Null, finish_reason: None })
    }

    pub(super) fn logprobs(
        &mut self,
        out: &mut Vec<u8>,
        index: u64,
        logprobs: Value,
    ) -> Result<(), BadAnswer> {
        self.begin(out, index)?;
        let delta = Delta::default();
        self.choice(out, ChunkChoice { index, delta, logprobs, finish_reason: None })
    }

    pub(super) fn finish(
        &mut self,
        out: &mut Vec<u8>,
        index: u64,
        reason: FinishReason,
    ) -> Result<(), BadAnswer> {
        self.begin(out, index)?;
        let delta = Delta::default();
        let finish_reason = Some(reason);
        self.choice(out, ChunkChoice { index, delta, logprobs: Value::Null, finish_reason })
    }

    /// The usage, where the provider told it, and the end of the stream.
    pub(super) fn close(
        &mut self,
        out: &mut Vec<u8>,
        usage: Option<&Usage>,
    ) -> Result<(), BadAnswer> {
        if let Some(usage) = usage {
            self.chunk(out, &[], Some(usage::write_chat(usage)))?;
        }
        out.extend_from_slice(sse::DONE);
        Ok(())
    }

    fn choice(&self, out: &mut Vec<u8>, choice: ChunkChoice<'_>) -> Result<(), BadAnswer> {
        self.chunk(out, &[choice], None)
    }

    fn chunk(
        &self,
        out: &mut Vec<u8>,
        choices: &[ChunkChoice<'_>],
        usage: Option<Value>,
    ) -> Result<(), BadAnswer> {
        let chunk = Chunk {
            id: &self.context.id,
            object: "chat.completion.chunk",
            created: self.context.created,
            model: &self.context.model,
            choices,
            service_tier: self.service_tier,
            usage,
        };
        out.extend_from_slice(b"data: ");
        serde_json::to_writer(&mut *out, &chunk)
            .map_err(|_| BadAnswer("a chunk of the answer could not be written".to_owned()))?;
        out.extend_from_slice(b"\n\n");
        Ok(())
    }
}
