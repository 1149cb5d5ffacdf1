//! A Chat Completions request as translations read it: every field that means something to more
//! than one vendor, typed; the rest untouched.

mod read;

use serde::Deserialize;
use serde_json::{Map, Number, Value};

use super::reasoning::Detail;

/// A request.
#[derive(Debug)]
pub struct Request {
    /// The conversation; its indexes are those of the client's array.
    pub messages: Vec<Message>,
    /// The tools, without those that `tool_choice` forbids.
    pub tools: Vec<Tool>,
    /// How the tools are to be used.
    pub tool_choice: Option<ToolChoice>,
    /// Whether several calls in one answer are welcome.
    pub parallel_tool_calls: Option<bool>,
    /// The shape of the answer.
    pub format: Format,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// How hard to think.
    pub effort: Option<Effort>,
    /// The most tokens of the answer, reasoning included.
    pub max_tokens: Option<u64>,
    /// Sampling temperature, 0 to 2.
    pub temperature: Option<Number>,
    /// Nucleus sampling.
    pub top_p: Option<Number>,
    /// Penalty by frequency.
    pub frequency_penalty: Option<Number>,
    /// Penalty by presence.
    pub presence_penalty: Option<Number>,
    /// For answers that repeat, as well as can be.
    pub seed: Option<Number>,
    /// How many answers.
    pub n: Option<u64>,
    /// Whether to give log probabilities.
    pub logprobs: bool,
    /// Of how many tokens at each place.
    pub top_logprobs: Option<u64>,
    /// The end user: `safety_identifier`, else `user`.
    pub end_user: Option<String>,
    /// The class of service.
    pub service_tier: Option<String>,
    /// Every field that is not named in this file, as it came.
    pub rest: Map<String, Value>,
}

/// One message.
#[derive(Debug)]
pub enum Message {
    /// Of the `system` or `developer`.
    System(Vec<Part>),
    /// Of the user.
    User(Vec<Part>),
    /// Of the model.
    Assistant(Assistant),
    /// A tool's result.
    Tool {
        /// The call that it answers.
        call_id: String,
        /// The result.
        content: Vec<Part>,
    },
}

/// A message of the model.
#[derive(Debug)]
pub struct Assistant {
    /// What it said.
    pub content: Vec<Part>,
    /// Its reasoning, for the provider that reasoned.
    pub(super) reasoning: Vec<Detail>,
    /// Its tool calls.
    pub tool_calls: Vec<ToolCall>,
}

/// A call of a tool.
#[derive(Debug)]
pub struct ToolCall {
    /// Its id.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments, read from their text.
    pub arguments: Map<String, Value>,
    /// `extra_content.google.thought_signature`.
    pub signature: Option<String>,
}

/// A piece of content.
#[derive(Debug, Deserialize)]
pub struct Part {
    /// The piece itself.
    #[serde(flatten)]
    pub kind: PartKind,
    /// Anthropic's mark for its prompt cache.
    pub cache_control: Option<Value>,
}

/// The kinds of content.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are OpenAI's, by OpenAI's names")]
pub enum PartKind {
    Text { text: String },
    Refusal { refusal: String },
    ImageUrl { image_url: ImageUrl },
    InputAudio { input_audio: InputAudio },
    File { file: File },
}

/// An image. Its `detail` has no counterpart elsewhere.
#[derive(Debug, Deserialize)]
pub struct ImageUrl {
    /// A `data:` or `https:` URL.
    pub url: String,
}

/// A sound.
#[derive(Debug, Deserialize)]
pub struct InputAudio {
    /// In base64.
    pub data: String,
    /// `wav` or `mp3`.
    pub format: String,
}

/// A document.
#[derive(Debug, Deserialize)]
pub struct File {
    /// A `data:` URL, an `https:` URL, or base64.
    pub file_data: Option<String>,
    /// The id of a file that the provider already has.
    pub file_id: Option<String>,
    /// Its name.
    pub filename: Option<String>,
}

/// A tool.
#[derive(Debug)]
pub enum Tool {
    /// A function of the client.
    Function(Function),
    /// The vendor's own tool, in the vendor's own words.
    Native(Value),
}

/// A function.
#[derive(Debug, Deserialize)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// A JSON schema of its arguments.
    pub parameters: Option<Value>,
    /// Whether the arguments must fit the schema.
    pub strict: Option<bool>,
    /// Anthropic's mark for its prompt cache, which stands beside `function`.
    #[serde(skip)]
    pub cache_control: Option<Value>,
}

/// How the tools are to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model sees fit.
    Auto,
    /// Not at all.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
}

/// The shape of the answer.
#[derive(Debug, PartialEq)]
pub enum Format {
    /// Text.
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that fits this schema.
    JsonSchema(Value),
}

/// How hard to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are OpenAI's and say all there is to say")]
pub enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}
