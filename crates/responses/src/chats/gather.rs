//! The completion that the chunks of a stream make together.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Bytes of a stream that are gathered. An answer that is longer is not kept.
const MOST: usize = 64 * 1024 * 1024;

/// Texts that come in pieces. Every other text is said whole, and may be repeated.
const GROWING: [&str; 11] = [
    "arguments",
    "content",
    "data",
    "input",
    "reasoning",
    "reasoning_content",
    "refusal",
    "summary",
    "text",
    "thinking",
    "transcript",
];

/// What came of a stream so far.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    frame: Map<String, Value>,
    choices: BTreeMap<u64, Map<String, Value>>,
    size: usize,
    broken: bool,
}

impl Gathering {
    /// Reads the JSON of one chunk.
    pub(super) fn add(&mut self, chunk: &[u8]) {
        self.size = self.size.saturating_add(chunk.len());
        if self.broken || self.size > MOST {
            // Nothing will be kept, so nothing needs to be remembered.
            *self = Self { broken: true, ..Self::default() };
            return;
        }
        let Ok(Value::Object(chunk)) = serde_json::from_slice(chunk) else { return };
        self.broken = chunk.get("error").is_some_and(|error| !error.is_null());
        for (name, said) in chunk {
            match (name.as_str(), said) {
                ("choices", Value::Array(choices)) => {
                    choices.into_iter().for_each(|choice| self.add_choice(choice));
                }
                // Padding of the stream, which is no part of the answer.
                ("obfuscation", _) | (_, Value::Null) => {}
                (_, said) => drop(self.frame.insert(name, said)),
            }
        }
    }

    /// The whole completion; `None` where the stream told an error, or was too long, or said
    /// nothing.
    pub(super) fn finish(mut self) -> Option<Map<String, Value>> {
        if self.broken || self.choices.is_empty() {
            return None;
        }
        let choices = self.choices.into_iter().map(|(index, choice)| finished(index, choice));
        self.frame.insert("choices".to_owned(), choices.collect());
        self.frame.insert("object".to_owned(), json!("chat.completion"));
        Some(self.frame)
    }

    fn add_choice(&mut self, choice: Value) {
        let Value::Object(piece) = choice else { return };
        let index = piece.get("index").and_then(Value::as_u64).unwrap_or_default();
        let whole = self.choices.entry(index).or_default();
        for (name, said) in piece {
            let name = if name == "delta" { "message".to_owned() } else { name };
            grow(whole, name, said);
        }
    }
}

/// Adds what a piece says of one member.
fn grow(whole: &mut Map<String, Value>, name: String, piece: Value) {
    match (whole.get_mut(&name), piece) {
        (Some(_), Value::Null) => {}
        (Some(Value::String(text)), Value::String(more)) if GROWING.contains(&name.as_str()) => {
            text.push_str(&more);
        }
        // Some servers repeat a name with nothing in it.
        (Some(Value::String(_)), Value::String(more)) if more.is_empty() => {}
        (Some(Value::Object(members)), Value::Object(more)) => {
            more.into_iter().for_each(|(name, said)| grow(members, name, said));
        }
        (Some(Value::Array(items)), Value::Array(more)) => {
            more.into_iter().for_each(|item| join(items, item));
        }
        (None, Value::Array(more)) => {
            let mut items = Vec::new();
            more.into_iter().for_each(|item| join(&mut items, item));
            whole.insert(name, Value::Array(items));
        }
        (_, said) => drop(whole.insert(name, said)),
    }
}

/// Adds an item to a list, or, where it has the `index` of one that is there, to that one.
fn join(items: &mut Vec<Value>, item: Value) {
    let index = item.get("index").and_then(Value::as_u64);
    let same =
        |known: &&mut Value| index.is_some() && known.get("index").and_then(Value::as_u64) == index;
    match (items.iter_mut().rev().find(same), item) {
        (Some(Value::Object(known)), Value::Object(more)) => {
            more.into_iter().for_each(|(name, said)| grow(known, name, said));
        }
        (_, item) => items.push(item),
    }
}

/// A choice of a whole completion, with the nulls that it has.
fn finished(index: u64, mut choice: Map<String, Value>) -> Value {
    let mut message = match choice.remove("message") {
        Some(Value::Object(message)) => message,
        _ => Map::new(),
    };
    message.entry("role").or_insert_with(|| json!("assistant"));
    for name in ["content", "refusal"] {
        message.entry(name).or_insert(Value::Null);
    }
    message.entry("annotations").or_insert_with(|| json!([]));
    if let Some(Value::Array(calls)) = message.get_mut("tool_calls") {
        for call in calls.iter_mut().filter_map(Value::as_object_mut) {
            call.remove("index");
            call.entry("type").or_insert_with(|| json!("function"));
        }
    }
    choice.insert("index".to_owned(), json!(index));
    choice.insert("message".to_owned(), Value::Object(message));
    for name in ["logprobs", "finish_reason"] {
        choice.entry(name).or_insert(Value::Null);
    }
    Value::Object(choice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(chunks: &[Value]) -> Option<Value> {
        let mut gathering = Gathering::default();
        for chunk in chunks {
            gathering.add(chunk.to_string().as_bytes());
        }
        gathering.finish().map(Value::Object)
    }

    fn delta(delta: &Value) -> Value {
        json!({"id": "c", "object": "chat.completion.chunk", "created": 5, "model": "m",
               "choices": [{"index": 0, "delta": delta, "finish_reason": null}], "usage": null})
    }

    #[test]
    fn text_refusal_and_reasoning_grow() {
        let whole = gathered(&[
            delta(&json!({"role": "assistant", "content": "", "refusal": null})),
            delta(&json!({"reasoning": "be", "reasoning_content": "be"})),
            delta(&json!({"reasoning": "cause", "reasoning_content": "cause"})),
            delta(&json!({"content": "Hel"})),
            delta(&json!({"role": "assistant", "content": "lo"})),
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
            json!({"choices": [], "usage": {"total_tokens": 3}, "system_fingerprint": "fp"}),
        ]);
        let expected = json!({
            "id": "c", "object": "chat.completion", "created": 5, "model": "m",
            "usage": {"total_tokens": 3}, "system_fingerprint": "fp",
            "choices": [{
                "index": 0, "finish_reason": "stop", "logprobs": null,
                "message": {
                    "role": "assistant", "content": "Hello", "refusal": null, "annotations": [],
                    "reasoning": "because", "reasoning_content": "because",
                },
            }],
        });
        assert_eq!(whole, Some(expected));
    }

    #[test]
    fn tool_calls_grow_by_their_index_in_any_interleaving() {
        let call = |index: u64, id: &str, name: &str, arguments: &str| {
            delta(&json!({"tool_calls": [{
                "index": index, "id": id, "function": {"name": name, "arguments": arguments},
            }]}))
        };
        let whole = gathered(&[
            call(0, "a", "f", "{\"x\""),
            call(1, "b", "g", ""),
            call(0, "", "", ":1}"),
            call(1, "b", "g", "{}"),
        ])
        .unwrap();
        let calls = json!([
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ]);
        assert_eq!(whole["choices"][0]["message"]["tool_calls"], calls);
        assert_eq!(whole["choices"][0]["message"]["content"], Value::Null);
    }

    #[test]
    fn choices_stay_apart_and_logprobs_are_joined() {
        let chunk = |index: u64, text: &str| {
            json!({"choices": [{
                "index": index, "delta": {"content": text},
                "logprobs": {"content": [{"token": text}], "refusal": null},
            }]})
        };
        let whole = gathered(&[chunk(1, "b"), chunk(0, "a"), chunk(1, "b")]).unwrap();
        assert_eq!(whole["choices"][0]["message"]["content"], "a");
        assert_eq!(whole["choices"][1]["message"]["content"], "bb");
        let tokens = json!({"content": [{"token": "b"}, {"token": "b"}], "refusal": null});
        assert_eq!(whole["choices"][1]["logprobs"], tokens);
    }

    #[test]
    fn what_broke_or_said_nothing_is_no_completion() {
        assert_eq!(gathered(&[]), None);
        assert_eq!(gathered(&[json!({"choices": [], "usage": {}})]), None);
        let error = json!({"error": {"message": "no"}});
        assert_eq!(gathered(&[delta(&json!({"content": "a"})), error, delta(&json!({}))]), None);
        let mut gathering = Gathering { size: MOST, ..Gathering::default() };
        gathering.add(delta(&json!({"content": "a"})).to_string().as_bytes());
        assert!(gathering.finish().is_none(), "it was too long");
    }
}
