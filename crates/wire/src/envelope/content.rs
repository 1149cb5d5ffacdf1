//! The input of a call: the messages of a chat checked and measured, and the text in any input,
//! for counting its tokens.

use kernel::Operation;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::check::{items, kind, missing, wrong_type};
use crate::error::ErrorBody;
use crate::span::Object;

/// What a message costs beyond its text: its role and its borders, about four tokens.
const BYTES_PER_MESSAGE: u64 = 16;

/// The most that a part which is no text counts, an image or a file: about a thousand tokens.
const BYTES_PER_PART: usize = 4_000;

/// The tokens of an image where nobody reports them: OpenAI's figure for one of 1024 x 1024.
const TOKENS_PER_IMAGE: u64 = 765;

/// What OpenAI's chat format puts around each message, in tokens.
const TOKENS_PER_MESSAGE: u64 = 3;

/// Checks `messages`; their length in bytes of text.
pub(super) fn messages(messages: Option<&RawValue>) -> Result<u64, ErrorBody> {
    let raw = messages.ok_or_else(|| missing("messages"))?;
    if kind(raw.get()) != "an array" {
        return Err(wrong_type("messages", "an array of objects", kind(raw.get())));
    }
    let parsed: Option<Vec<Object<Message<'_>>>> = serde_json::from_str(raw.get()).ok();
    match parsed {
        Some(all) if !all.is_empty() && all.iter().all(|Object(message)| message.has_role()) => {
            Ok(all.iter().map(|Object(message)| BYTES_PER_MESSAGE + message.bytes()).sum())
        }
        _ => Err(fault(raw)),
    }
}

/// What is wrong with these messages, of which something is.
fn fault(raw: &RawValue) -> ErrorBody {
    let items = match items("messages", raw) {
        Ok(items) => items,
        Err(error) => return error,
    };
    for (place, item) in items.into_iter().enumerate() {
        let path = format!("messages[{place}]");
        if kind(item.get()) != "an object" {
            return wrong_type(&path, "an object", kind(item.get()));
        }
        let role = match super::parse::<Message<'_>>(item.get()) {
            Ok(message) if message.has_role() => continue,
            Ok(message) => message.role,
            Err(error) => return error.at(path),
        };
        let path = format!("{path}.role");
        return match role {
            Some(role) => wrong_type(&path, "a string", kind(role.get())),
            None => missing(&path),
        };
    }
    wrong_type("messages", "an array of objects", "something else")
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
}

impl Message<'_> {
    fn has_role(&self) -> bool {
        self.role.is_some_and(|role| kind(role.get()) == "a string")
    }

    fn bytes(&self) -> u64 {
        let calls = self.tool_calls.map_or(0, |calls| calls.get().len());
        let content = match self.content.map(RawValue::get) {
            Some(parts) if parts.starts_with('[') => {
                let parts: Vec<&RawValue> = serde_json::from_str(parts).unwrap_or_default();
                parts.into_iter().map(part_bytes).sum()
            }
            Some(text) => text.len(),
            None => 0,
        };
        (calls + content) as u64
    }
}

fn part_bytes(part: &RawValue) -> usize {
    #[derive(Deserialize)]
    struct Part<'a> {
        #[serde(borrow)]
        text: Option<&'a RawValue>,
    }
    match serde_json::from_str(part.get()) {
        Ok(Part { text: Some(text) }) => text.get().len(),
        _ => part.get().len().min(BYTES_PER_PART),
    }
}

/// The input of a call as text, for counting its tokens where a provider reports none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InputText {
    /// All text that the model reads.
    pub text: String,
    /// Tokens beyond the text: token ids, the borders of messages, images.
    pub tokens: u64,
}

/// Collects the text of a request body that [`Envelope::parse`](super::Envelope::parse) accepted.
/// It reads the body anew, so ask only when there is something to count.
pub fn input_text(operation: Operation, body: &[u8]) -> InputText {
    let mut input = InputText::default();
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return input };
    match operation {
        Operation::ChatCompletions => {
            for message in body.get("messages").and_then(Value::as_array).into_iter().flatten() {
                input.tokens += TOKENS_PER_MESSAGE;
                input.message(message);
            }
            // The answer is primed with the borders of one message more.
            input.tokens += TOKENS_PER_MESSAGE;
            for key in ["tools", "functions", "response_format"] {
                if let Some(value) = body.get(key).filter(|value| !value.is_null()) {
                    input.add(&value.to_string());
                }
            }
        }
        Operation::Completions => input.prompt(body.get("prompt")),
        Operation::Embeddings | Operation::Moderations => input.prompt(body.get("input")),
    }
    input
}

impl InputText {
    fn message(&mut self, message: &Value) {
        for key in ["role", "name", "content", "reasoning", "reasoning_content", "refusal"] {
            self.prompt(message.get(key));
        }
        for call in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            let function = call.get("function").or_else(|| call.get("custom"));
            for key in ["name", "arguments", "input"] {
                self.prompt(function.and_then(|function| function.get(key)));
            }
        }
    }

    /// A string, token ids, content parts, or lists of them.
    fn prompt(&mut self, value: Option<&Value>) {
        match value {
            Some(Value::String(text)) => self.add(text),
            Some(Value::Number(_)) => self.tokens += 1,
            Some(Value::Array(list)) => list.iter().for_each(|item| self.prompt(Some(item))),
            Some(Value::Object(part)) => match part.get("text") {
                Some(Value::String(text)) => self.add(text),
                _ => self.tokens += TOKENS_PER_IMAGE,
            },
            _ => {}
        }
    }

    fn add(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text);
    }
}
