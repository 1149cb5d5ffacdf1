//! Reads a chat completion, in chunks or whole.
//!
//! A chat knows no items: text, reasoning and tool calls stand side by side. Here an item begins
//! with the first word of it. Reasoning ends when text begins, text when a call begins; calls stay
//! open to the end, because parallel calls may come in any interleaving.

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::item::{Progress, message};
use super::log::put;
use super::output::{Key, Output};
use super::part::PartKind;
use super::seal::Private;
use super::{Draft, details, pieces};
use crate::error::ErrorBody;
use crate::responses::ToolNames;
use crate::translate::BadAnswer;
use crate::usage;

/// What was read so far.
#[derive(Default)]
pub(super) struct Chat {
    reasoning: Option<Key>,
    message: Option<Key>,
    calls: Vec<Call>,
    /// Details of reasoning that came when no reasoning was under way.
    late: Vec<Value>,
    pub(super) finished: bool,
}

/// A tool call.
struct Call {
    index: Option<u64>,
    /// Its id, as the upstream says.
    id: String,
    /// Arguments that cannot be told yet: the tool is not known, or is a custom one, whose input
    /// is known at the end only.
    held: String,
    custom: bool,
    /// Its item, once the tool is known.
    key: Option<Key>,
}

impl Call {
    /// Whether it has all its arguments, which are an object.
    fn is_whole(&self, output: &Output) -> bool {
        let told = self.key.filter(|_| !self.custom).and_then(|key| output.item(key));
        let arguments = told.map_or(self.held.as_str(), |item| item.argument.as_str());
        arguments.starts_with('{') && serde_json::from_str::<IgnoredAny>(arguments).is_ok()
    }
}

impl Chat {
    /// Reads a chunk of a stream.
    pub(super) fn chunk(&mut self, chunk: &Map<String, Value>, draft: &mut Draft) {
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            draft.word.error.get_or_insert_with(|| told(error));
            return;
        }
        if let Some(usage) = chunk.get("usage").filter(|usage| usage.is_object()) {
            // Some servers report it with every chunk, counting up; the last word counts.
            draft.frame.usage =
                usage::read(usage.to_string().as_bytes()).or(draft.frame.usage.take());
        }
        draft.frame.serve(chunk.get("service_tier"));
        let Some(choice) = first_choice(chunk) else { return };
        let said = choice.get("delta").or(choice.get("message")).and_then(Value::as_object);
        let logprobs = choice.get("logprobs").and_then(|logprobs| logprobs.get("content"));
        if let Some(said) = said {
            self.add(said, pieces::logprobs(logprobs), draft);
        }
        match choice.get("finish_reason").and_then(Value::as_str).unwrap_or_default() {
            "" => return,
            "length" => draft.word.incomplete = Some("max_output_tokens".to_owned()),
            "content_filter" => draft.word.incomplete = Some("content_filter".to_owned()),
            _ => {}
        }
        self.finished = true;
    }

    /// Reads a whole answer.
    pub(super) fn whole(
        &mut self,
        answer: &Map<String, Value>,
        draft: &mut Draft,
    ) -> Result<(), BadAnswer> {
        self.chunk(answer, draft);
        if first_choice(answer).is_none() && draft.word.error.is_none() {
            return Err(BadAnswer("the provider's answer holds no choice".to_owned()));
        }
        draft.word.done = true;
        Ok(())
    }

    /// The end of the answer: what was held back until now.
    pub(super) fn finish(&mut self, draft: &mut Draft) {
        let output = &mut draft.output;
        for mut call in std::mem::take(&mut self.calls) {
            if call.key.is_none() && !(call.id.is_empty() && call.held.is_empty()) {
                self.begin_call(&mut call, "", &draft.tools, output);
            }
            let Some(key) = call.key else { continue };
            if call.custom {
                output.argument(key, &pieces::custom_input(&call.held));
            } else if self.finished && output.item(key).is_some_and(|item| item.argument.is_empty())
            {
                // `""` is no JSON.
                output.argument(key, "{}");
            }
        }
        let late = Private { details: std::mem::take(&mut self.late), ..Private::default() };
        if !late.details.is_empty()
            && let Some(sealed) = output.sealer.seal(&late, &[])
        {
            self.end_message(output);
            let mut fields = reasoning();
            put(&mut fields, "encrypted_content", sealed);
            let key = output.open(fields, None);
            output.close(key, Progress::Completed);
        }
    }

    /// Adds what a chunk, or the message of a whole answer, says.
    fn add(&mut self, said: &Map<String, Value>, logprobs: Vec<Value>, draft: &mut Draft) {
        let Draft { output, tools, .. } = draft;
        let text = |name: &str| said.get(name).and_then(Value::as_str).filter(|s| !s.is_empty());
        // Both names mean the same; some servers write both.
        if let Some(thought) = text("reasoning").or_else(|| text("reasoning_content")) {
            self.think(thought, output);
        }
        for part in list(said, "reasoning_details") {
            self.detail(part, output);
        }
        match said.get("content") {
            Some(Value::String(text)) => {
                self.say(PartKind::OutputText, text, logprobs, output);
            }
            Some(Value::Array(parts)) => parts.iter().for_each(|part| self.part(part, output)),
            _ => self.say(PartKind::OutputText, "", logprobs, output),
        }
        if let Some(refusal) = text("refusal") {
            self.say(PartKind::Refusal, refusal, Vec::new(), output);
        }
        for annotation in list(said, "annotations").filter_map(pieces::annotation) {
            if let Some(message) = self.message {
                output.annotate(message, None, annotation);
            }
        }
        list(said, "images").for_each(|image| self.image(image, output));
        for call in list(said, "tool_calls") {
            self.call(call, tools, output);
        }
    }

    /// A content part, where a server writes content as a list of them.
    fn part(&mut self, part: &Value, output: &mut Output) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match part.get("type").and_then(Value::as_str) {
            Some("thinking") => {
                let Some(thinking) = part.get("thinking") else { return };
                let parts = thinking.as_array().into_iter().flatten();
                let joined: String =
                    parts.filter_map(|part| part.get("text").and_then(text)).collect();
                self.think(&text(thinking).unwrap_or(joined), output);
            }
            Some("image_url") => self.image(part, output),
            _ => {
                let said = part.get("text").and_then(text).unwrap_or_default();
                self.say(PartKind::OutputText, &said, Vec::new(), output);
            }
        }
    }

    fn think(&mut self, thought: &str, output: &mut Output) {
        if thought.is_empty() {
            return;
        }
        let key = self.reasoning(output);
        output.text(key, PartKind::ReasoningText, None, thought, Vec::new());
    }

    /// The reasoning under way, begun if there is none.
    fn reasoning(&mut self, output: &mut Output) -> Key {
        if let Some(key) = self.reasoning {
            return key;
        }
        self.end_message(output);
        let key = output.open(reasoning(), None);
        self.reasoning = Some(key);
        // They keep their order, since a provider reads them one after the other.
        if let Some(item) = output.item_mut(key) {
            item.private.details = std::mem::take(&mut self.late);
        }
        key
    }

    fn detail(&mut self, part: &Value, output: &mut Output) {
        if self.reasoning.is_none() && !output.is_empty() {
            details::join(&mut self.late, part);
            return;
        }
        let key = self.reasoning(output);
        if let Some(item) = output.item_mut(key) {
            details::join(&mut item.private.details, part);
        }
    }

    fn say(&mut self, kind: PartKind, text: &str, logprobs: Vec<Value>, output: &mut Output) {
        if text.is_empty() {
            if let Some(message) = self.message.filter(|_| !logprobs.is_empty()) {
                output.text(message, kind, None, "", logprobs);
            }
            return;
        }
        self.end_reasoning(output);
        let key = *self.message.get_or_insert_with(|| output.open(message(), None));
        output.text(key, kind, None, text, logprobs);
    }

    /// An image that the model made. One that lies elsewhere has no place in a response.
    fn image(&mut self, said: &Value, output: &mut Output) {
        let Some((format, base64)) = pieces::image(said) else { return };
        self.end_reasoning(output);
        self.end_message(output);
        let mut fields = Map::new();
        put(&mut fields, "type", "image_generation_call");
        put(&mut fields, "status", "in_progress");
        put(&mut fields, "result", Value::Null);
        let key = output.open(fields, None);
        if let Some(item) = output.item_mut(key) {
            put(&mut item.fields, "status", "completed");
            put(&mut item.fields, "result", base64);
            if ["png", "webp", "jpeg", "gif"].contains(&format) {
                put(&mut item.fields, "output_format", format);
            }
        }
        output.close(key, Progress::Completed);
    }

    fn call(&mut self, said: &Value, tools: &ToolNames, output: &mut Output) {
        let index = said.get("index").and_then(Value::as_u64);
        let id = said.get("id").and_then(Value::as_str).unwrap_or_default();
        let function = said.get("function");
        let field = |name: &str| function.and_then(|function| function.get(name));
        let name = field("name").and_then(Value::as_str).unwrap_or_default();
        let more = field("arguments").is_some_and(|more| more.as_str() != Some(""));
        let is_another = !name.is_empty() && more;
        let at = self.place_of_call(index, id, name, |call| is_another && call.is_whole(output));
        let mut call = self.calls.remove(at);
        if call.key.is_none() && !name.is_empty() {
            self.begin_call(&mut call, name, tools, output);
        }
        match (field("arguments"), call.key.filter(|_| !call.custom)) {
            (Some(Value::String(more)), Some(key)) => output.argument(key, more),
            (Some(Value::String(more)), None) => call.held.push_str(more),
            // Some servers write the arguments themselves, not their text.
            (Some(whole @ Value::Object(_)), Some(key)) => output.argument(key, &whole.to_string()),
            (Some(whole @ Value::Object(_)), None) => call.held.push_str(&whole.to_string()),
            _ => {}
        }
        self.calls.insert(at, call);
    }

    /// Which call is meant: by its index, or by its id where a server gives no index. Some servers
    /// give all calls the same index; then a name with another id, or after whole arguments, begins
    /// another call.
    fn place_of_call(
        &mut self,
        index: Option<u64>,
        id: &str,
        name: &str,
        is_over: impl Fn(&Call) -> bool,
    ) -> usize {
        let renamed = |call: &Call| {
            !id.is_empty() && !call.id.is_empty() && call.id != id && !name.is_empty()
        };
        let mut calls = self.calls.iter();
        let found = match index {
            Some(_) => calls.rposition(|call| call.index == index && !renamed(call)),
            None if !id.is_empty() => calls.rposition(|call| call.id == id),
            None if name.is_empty() => self.calls.len().checked_sub(1),
            None => None,
        };
        let found = found.filter(|at| !self.calls.get(*at).is_some_and(is_over));
        if let Some(at) = found {
            if let Some(call) = self.calls.get_mut(at).filter(|call| call.id.is_empty()) {
                id.clone_into(&mut call.id);
            }
            return at;
        }
        let (id, held) = (id.to_owned(), String::new());
        self.calls.push(Call { index, id, held, custom: false, key: None });
        self.calls.len() - 1
    }

    /// The tool of a call is known.
    fn begin_call(&mut self, call: &mut Call, name: &str, tools: &ToolNames, output: &mut Output) {
        self.end_reasoning(output);
        self.end_message(output);
        call.custom = tools.custom.contains(name);
        let mut fields = Map::new();
        put(&mut fields, "type", if call.custom { "custom_tool_call" } else { "function_call" });
        put(&mut fields, "call_id", call.id.as_str());
        match tools.namespaced.get(name) {
            Some((namespace, name)) => {
                put(&mut fields, "name", name.as_str());
                put(&mut fields, "namespace", namespace.as_str());
            }
            None => put(&mut fields, "name", name),
        }
        let key = output.open(fields, None);
        call.key = Some(key);
        if !call.custom {
            output.argument(key, &std::mem::take(&mut call.held));
        }
    }

    fn end_reasoning(&mut self, output: &mut Output) {
        if let Some(key) = self.reasoning.take() {
            output.close(key, Progress::Completed);
        }
    }

    fn end_message(&mut self, output: &mut Output) {
        if let Some(key) = self.message.take() {
            output.close(key, Progress::Completed);
        }
    }
}

fn reasoning() -> Map<String, Value> {
    let mut fields = Map::new();
    put(&mut fields, "type", "reasoning");
    fields
}

/// Others were not asked for.
fn first_choice(chunk: &Map<String, Value>) -> Option<&Value> {
    let mut choices = chunk.get("choices")?.as_array()?.iter();
    choices.find(|choice| choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0)
}

fn list<'a>(said: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a Value> {
    said.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// An error that was told in the middle of an answer, whose head said 200.
fn told(error: &Value) -> ErrorBody {
    ErrorBody::from_upstream(500, serde_json::json!({ "error": error }).to_string().as_bytes())
}
