//! A request for a response as a Chat Completions request, for every provider that has no
//! Responses API of its own. Items become messages, flat fields nested ones; what a chat has no
//! word for and can do without is left out; what it cannot do without is refused by name.

mod content;
mod tools;
mod turns;

use serde_json::{Map, Value, json};

use self::turns::Conversation;
use super::tools::{ToolNames, flatten, offered};
use crate::envelope;
use crate::error::ErrorBody;

/// Fields that mean something to the Responses API only:
/// - `store`, `include`, `background`, `metadata`, `previous_response_id`, `conversation`,
///   `generate`: about the state, which is ours;
/// - `truncation`, `context_management`: what is done to the context before it comes here;
/// - `max_tool_calls`: counts calls of hosted tools, of which there are none;
/// - `moderation`: about what OpenAI checks on its side.
const DROPPED: [&str; 11] = [
    "store",
    "include",
    "background",
    "metadata",
    "previous_response_id",
    "conversation",
    "generate",
    "truncation",
    "context_management",
    "max_tool_calls",
    "moderation",
];

/// A request for a response as a Chat Completions request. `body` is what
/// [`CreateRequest::upstream`](super::CreateRequest::upstream) made.
///
/// # Errors
/// What cannot be said in a chat, by its `param`.
pub fn chat_request(body: &[u8]) -> Result<Vec<u8>, ErrorBody> {
    let mut fields: Map<String, Value> = envelope::read(body)?;
    fields.retain(|_, value| !value.is_null());
    let wants_logprobs = fields
        .get("include")
        .and_then(Value::as_array)
        .is_some_and(|include| include.iter().any(|name| name == "message.output_text.logprobs"));
    if fields.contains_key("prompt") {
        let why = "a prompt template is kept by OpenAI, and the provider of this model does not \
                   have it. Send its text as 'instructions' and 'input'.";
        return Err(unsayable("prompt", why));
    }
    for name in DROPPED {
        fields.shift_remove(name);
    }
    let items = take_list(&mut fields, "input");
    let given = take_list(&mut fields, "tools");
    let all = offered(&given, &items);
    let flat = flatten(&all);
    let names = ToolNames::of(&flat);

    let mut chat = Map::new();
    if let Some(model) = fields.shift_remove("model") {
        chat.insert("model".to_owned(), model);
    }
    let mut conversation = Conversation::new(&names);
    if let Some(Value::String(instructions)) = fields.shift_remove("instructions") {
        conversation.instruct(&instructions);
    }
    for (place, item) in items.iter().enumerate() {
        conversation.add(item, place)?;
    }
    chat.insert("messages".to_owned(), conversation.finish()?.into());
    let choice = fields.shift_remove("tool_choice");
    tools::put(&mut chat, &flat, &names, choice.as_ref())?;
    let parallel = fields.shift_remove("parallel_tool_calls");
    if let Some(parallel) = parallel.filter(|_| chat.contains_key("tools")) {
        chat.insert("parallel_tool_calls".to_owned(), parallel);
    }
    settings(&mut chat, &mut fields, wants_logprobs);
    chat.extend(fields);
    Ok(Value::Object(chat).to_string().into_bytes())
}

/// The fields that have another name or another place in a chat.
fn settings(chat: &mut Map<String, Value>, fields: &mut Map<String, Value>, logprobs: bool) {
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            chat.insert(name.to_owned(), value);
        }
    };
    if let Some(Value::Object(mut text)) = fields.shift_remove("text") {
        put("response_format", text.shift_remove("format").and_then(response_format));
        put("verbosity", text.shift_remove("verbosity"));
    }
    if let Some(Value::Object(mut reasoning)) = fields.shift_remove("reasoning") {
        put("reasoning_effort", reasoning.shift_remove("effort"));
    }
    put("max_completion_tokens", fields.shift_remove("max_output_tokens"));
    let top = fields.shift_remove("top_logprobs").filter(|top| top.as_u64() != Some(0));
    put("logprobs", (logprobs || top.is_some()).then(|| true.into()));
    put("top_logprobs", top);
    if fields.get("stream") == Some(&Value::Bool(true)) {
        put("stream_options", Some(json!({ "include_usage": true })));
    }
}

/// Text is what a chat answers with unless it is told otherwise.
fn response_format(format: Value) -> Option<Value> {
    let Value::Object(mut format) = format else { return None };
    match format.get("type").and_then(Value::as_str) {
        Some("text") => None,
        Some("json_schema") => {
            format.shift_remove("type");
            format.retain(|_, value| !value.is_null());
            Some(json!({ "type": "json_schema", "json_schema": format }))
        }
        _ => Some(Value::Object(format)),
    }
}

fn take_list(fields: &mut Map<String, Value>, name: &str) -> Vec<Value> {
    match fields.shift_remove(name) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    }
}

/// What a chat cannot say. `why` says what would help, and never quotes content.
fn unsayable(param: &str, why: &str) -> ErrorBody {
    ErrorBody::invalid_request(format!("'{param}': {why}")).at(param).coded("unsupported_value")
}
