//! The messages of a chat, checked and measured.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::check::{items, kind, missing, wrong_type};
use crate::error::ErrorBody;
use crate::span::Object;

/// What a message costs beyond its text: its role and its borders, about four tokens.
const BYTES_PER_MESSAGE: u64 = 16;

/// What a part counts that is no text, an image or a file: about a thousand tokens.
const BYTES_PER_PART: usize = 4_000;

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

/// The length in bytes of text of the input of a response, which the gateway itself has put
/// together: a text, or items.
pub(super) fn response_input(input: Option<&RawValue>) -> Result<u64, ErrorBody> {
    let raw = input.ok_or_else(|| missing("input"))?;
    if kind(raw.get()) != "an array" {
        return Ok(raw.get().len() as u64);
    }
    let parsed: Vec<Object<Item<'_>>> = super::parse(raw.get())?;
    Ok(parsed.iter().map(|Object(item)| BYTES_PER_MESSAGE + item.bytes()).sum())
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
        calls as u64 + self.content.map_or(0, text_bytes)
    }
}

/// An item of a response's input: a message, a call, its result, reasoning.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
}

impl Item<'_> {
    fn bytes(&self) -> u64 {
        [self.content, self.arguments, self.output].into_iter().flatten().map(text_bytes).sum()
    }
}

/// A text, or parts.
fn text_bytes(content: &RawValue) -> u64 {
    match content.get() {
        parts if parts.starts_with('[') => {
            let parts: Vec<&RawValue> = serde_json::from_str(parts).unwrap_or_default();
            parts.into_iter().map(part_bytes).sum::<usize>() as u64
        }
        text => text.len() as u64,
    }
}

fn part_bytes(part: &RawValue) -> usize {
    #[derive(Deserialize)]
    struct Part<'a> {
        #[serde(borrow)]
        text: Option<&'a RawValue>,
        #[serde(borrow)]
        refusal: Option<&'a RawValue>,
    }
    match serde_json::from_str(part.get()) {
        Ok(Part { text: Some(text), .. } | Part { refusal: Some(text), .. }) => text.get().len(),
        // However short it is: it may be an address.
        _ => BYTES_PER_PART,
    }
}
