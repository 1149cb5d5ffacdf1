//! Items as messages. What the model does in one turn, its reasoning, text and calls, is several
//! items here and one message there; the results of its calls come right behind it.

use std::collections::HashMap;
use std::mem;

use serde_json::{Map, Value, json};

use super::super::item::{PRIVATE, compacted};
use super::super::tools::ToolNames;
use super::{content, unsayable};
use crate::error::ErrorBody;

/// A conversation as it grows.
pub(super) struct Conversation<'a> {
    names: &'a ToolNames,
    /// The turns that are over.
    turns: Vec<Turn>,
    /// The one that is going on.
    now: Turn,
    /// The calls that have no result yet: the turn that they are of, and their place among the
    /// items.
    unanswered: HashMap<String, (usize, usize)>,
}

/// What the model does at a time, and what led to it.
#[derive(Default)]
struct Turn {
    /// What others said before.
    before: Vec<Value>,
    texts: Vec<String>,
    refusal: String,
    reasoning: Vec<String>,
    details: Vec<Value>,
    calls: Vec<Value>,
    /// Messages of tools.
    results: Vec<Value>,
}

impl<'a> Conversation<'a> {
    /// An empty one; `names` are those of its tools.
    pub(super) fn new(names: &'a ToolNames) -> Self {
        Self { names, turns: Vec::new(), now: Turn::default(), unanswered: HashMap::new() }
    }

    /// Tells the model what to do.
    pub(super) fn instruct(&mut self, text: &str) {
        self.say("system", text.into());
    }

    /// Adds the item at this place of the input.
    pub(super) fn add(&mut self, item: &Value, place: usize) -> Result<(), ErrorBody> {
        let path = format!("input[{place}]");
        let field = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        match field("type") {
            "message" => return self.message(item, &path),
            "reasoning" => self.reasoning(item),
            "function_call" => self.call(item, place, field("arguments")),
            "custom_tool_call" => {
                self.call(item, place, &json!({ "input": field("input") }).to_string());
            }
            "function_call_output" | "custom_tool_call_output" => return self.result(item, &path),
            "compaction" => match compacted(item.get(PRIVATE)) {
                Some(summary) => self.instruct(&summary),
                None => {
                    let why = "this compaction can be read only by the provider that made it. \
                               Send the conversation itself, or compact it here.";
                    return Err(unsayable(&path, why));
                }
            },
            "item_reference" => {
                let why = "the item that is referred to is not known here. Send it whole.";
                return Err(unsayable(&path, why));
            }
            // Calls of hosted tools and their kind: the answers that came of them are there.
            _ => {}
        }
        Ok(())
    }

    /// The messages.
    pub(super) fn finish(self) -> Result<Vec<Value>, ErrorBody> {
        let first = self.unanswered.iter().min_by_key(|(_, (_, place))| *place);
        if let Some((call_id, _)) = first {
            let message = format!("No tool output found for function call {}.", short(call_id));
            return Err(ErrorBody::invalid_request(message).at("input"));
        }
        let mut messages = Vec::new();
        for turn in self.turns.into_iter().chain([self.now]) {
            turn.write(&mut messages);
        }
        Ok(messages)
    }

    fn message(&mut self, item: &Value, path: &str) -> Result<(), ErrorBody> {
        let path = format!("{path}.content");
        let content = item.get("content").unwrap_or(&Value::Null);
        match item.get("role").and_then(Value::as_str) {
            Some("assistant") => {
                let (said, refused) = content::of_assistant(content, &path)?;
                let turn = self.turn();
                turn.refusal.push_str(&refused);
                if !said.is_empty() {
                    turn.texts.push(said);
                }
            }
            // Servers other than OpenAI know only the older name.
            Some("system" | "developer") => {
                let content = content::joined(content, &path)?;
                self.say("system", content);
            }
            _ => {
                let content = content::of_user(content, &path)?;
                self.say("user", content);
            }
        }
        Ok(())
    }

    fn say(&mut self, role: &str, content: Value) {
        if self.now.has_begun() {
            self.turns.push(mem::take(&mut self.now));
        }
        self.now.before.push(Value::from_iter([("role", role.into()), ("content", content)]));
    }

    fn reasoning(&mut self, item: &Value) {
        let details = item.get(PRIVATE).and_then(|private| private.get("details")?.as_array());
        let text = ["content", "summary"].iter().find_map(|list| {
            let parts = item.get(list)?.as_array()?;
            let texts: Vec<&str> =
                parts.iter().filter_map(|part| part.get("text")?.as_str()).collect();
            (!texts.is_empty()).then(|| texts.join("\n\n"))
        });
        // Some clients hand reasoning back without its text; the sealed copy still has it.
        let sealed = || Some(item.get(PRIVATE)?.get("text")?.as_str()?.to_owned());
        let text = text.or_else(sealed);
        if details.is_none() && text.is_none() {
            return;
        }
        let turn = self.turn();
        turn.details.extend(details.into_iter().flatten().cloned());
        turn.reasoning.extend(text);
    }

    fn call(&mut self, item: &Value, place: usize, arguments: &str) {
        let field = |name: &str| item.get(name).and_then(Value::as_str);
        let call_id = field("call_id").unwrap_or_default();
        let name = self.names.in_chat(field("namespace"), field("name").unwrap_or_default());
        let call = json!({
            "id": call_id,
            "type": "function",
            "function": { "name": name, "arguments": arguments },
        });
        self.turn().calls.push(call);
        self.unanswered.insert(call_id.to_owned(), (self.turns.len(), place));
    }

    /// The result of a call. It goes where its call is, also when something was said in between.
    fn result(&mut self, item: &Value, path: &str) -> Result<(), ErrorBody> {
        let call_id = item.get("call_id").and_then(Value::as_str).unwrap_or_default();
        let content = match item.get("output") {
            Some(output @ (Value::String(_) | Value::Array(_))) => {
                content::joined(output, &format!("{path}.output"))?
            }
            output => output.map(Value::to_string).unwrap_or_default().into(),
        };
        let Some((turn, _)) = self.unanswered.remove(call_id) else {
            let message = format!(
                "No tool call found for function call output with call_id {}.",
                short(call_id)
            );
            return Err(ErrorBody::invalid_request(message).at("input"));
        };
        let message = Value::from_iter([
            ("role", "tool".into()),
            ("tool_call_id", call_id.into()),
            ("content", content),
        ]);
        self.turns.get_mut(turn).unwrap_or(&mut self.now).results.push(message);
        Ok(())
    }

    /// The turn that is going on; a new one where the tools of the last have answered.
    fn turn(&mut self) -> &mut Turn {
        if !self.now.results.is_empty() {
            self.turns.push(mem::take(&mut self.now));
        }
        &mut self.now
    }
}

impl Turn {
    /// Whether the model has said, thought or called anything.
    fn has_begun(&self) -> bool {
        self.says() || !self.reasoning.is_empty() || !self.details.is_empty()
    }

    fn says(&self) -> bool {
        !self.texts.is_empty() || !self.refusal.is_empty() || !self.calls.is_empty()
    }

    /// The messages of others, of the model and of its tools. Of a turn that broke off while the
    /// model was still thinking, nothing is left.
    fn write(self, messages: &mut Vec<Value>) {
        let says = self.says();
        messages.extend(self.before);
        if !says {
            return;
        }
        let mut message = Map::new();
        let mut put = |name: &str, value: Value| message.insert(name.to_owned(), value);
        put("role", "assistant".into());
        let text = self.texts.join("\n\n");
        put("content", if text.is_empty() { Value::Null } else { text.into() });
        if !self.refusal.is_empty() {
            put("refusal", self.refusal.into());
        }
        // A model reads its own thoughts again only while it is still at work with its tools.
        if !self.reasoning.is_empty() && !self.calls.is_empty() {
            let reasoning = self.reasoning.join("\n\n");
            put("reasoning", reasoning.as_str().into());
            put("reasoning_content", reasoning.into());
        }
        if !self.details.is_empty() {
            put("reasoning_details", self.details.into());
        }
        if !self.calls.is_empty() {
            put("tool_calls", self.calls.into());
        }
        messages.push(Value::Object(message));
        messages.extend(self.results);
    }
}

fn short(call_id: &str) -> String {
    call_id.chars().take(100).collect()
}
