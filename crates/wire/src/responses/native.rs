//! A request for a response as a provider that has a Responses API of its own reads it: the
//! client's, without what is between the client and us.

use serde_json::{Map, Value, json};

use super::item::{PRIVATE, compacted};
use crate::envelope;
use crate::error::ErrorBody;

/// Items whose ids mean nothing to a provider that did not store them, and may be left out.
const NAMELESS: [&str; 5] = [
    "message",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
];

/// A request for a response as the provider of this name reads it. Reasoning and compactions go
/// back to who made them; of others' reasoning nothing is left, of others' compactions the
/// summary. `body` is what [`CreateRequest::upstream`](super::CreateRequest::upstream) made.
///
/// # Errors
/// A compaction of another provider that has no summary, by its `param`.
pub fn native_request(body: &[u8], provider: &str) -> Result<Vec<u8>, ErrorBody> {
    let mut fields: Map<String, Value> = envelope::read(body)?;
    if let Some(Value::Array(items)) = fields.get_mut("input") {
        let mut said = Vec::with_capacity(items.len());
        for (place, each) in std::mem::take(items).into_iter().enumerate() {
            said.extend(item(each, provider, place)?);
        }
        *items = said;
    }
    Ok(Value::Object(fields).to_string().into_bytes())
}

/// The item as it is said; `None` where nothing of it is.
fn item(item: Value, provider: &str, place: usize) -> Result<Option<Value>, ErrorBody> {
    let Value::Object(mut fields) = item else { return Ok(Some(item)) };
    let private = fields.shift_remove(PRIVATE);
    let summary = compacted(private.as_ref());
    let blob = private.as_ref().and_then(|private| blob(private, provider));
    let is_opaque = fields.get("encrypted_content").is_some_and(Value::is_string);
    match fields.get("type").and_then(Value::as_str).unwrap_or_default() {
        "reasoning" => {
            // OpenAI refuses it in what it is sent, and sends it itself.
            fields.shift_remove("status");
            match blob {
                Some(blob) => restore(&mut fields, private.as_ref(), blob),
                None if is_opaque => {}
                None => return Ok(None),
            }
        }
        "compaction" => match (blob, summary) {
            (Some(blob), _) => restore(&mut fields, private.as_ref(), blob),
            (None, Some(summary)) => return Ok(Some(developer(&summary))),
            (None, None) if is_opaque => {}
            (None, None) => {
                let message = "This compaction can be read only by the provider that made it. Send \
                               the conversation itself, or compact it here.";
                return Err(ErrorBody::invalid_request(message).at(format!("input[{place}]")));
            }
        },
        kind if NAMELESS.contains(&kind) => drop(fields.shift_remove("id")),
        _ => {}
    }
    Ok(Some(Value::Object(fields)))
}

/// The item as its provider made it: its content is bound to the id that it had there.
fn restore(fields: &mut Map<String, Value>, private: Option<&Value>, blob: &str) {
    fields.insert("encrypted_content".to_owned(), blob.into());
    if let Some(id) = private.and_then(|private| private.get("id")).filter(|id| id.is_string()) {
        fields.insert("id".to_owned(), id.clone());
    }
}

/// The provider's own content, if this is the provider.
fn blob<'a>(private: &'a Value, provider: &str) -> Option<&'a str> {
    let theirs = private.get("provider").is_some_and(|maker| maker == provider);
    private.get("blob").filter(|_| theirs)?.as_str()
}

fn developer(text: &str) -> Value {
    json!({
        "type": "message",
        "role": "developer",
        "content": [{ "type": "input_text", "text": text }],
    })
}
