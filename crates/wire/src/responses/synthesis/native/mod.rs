//! Reads a response of the Responses API, in events or whole, of any quality: OpenAI's own, or one
//! without numbers and indexes, with events that are missing or come twice.
//!
//! Every event only adds to what is known of an item; the item's own order of events is made anew.
//! Events and items that are not understood pass, with our ids and numbers in them.

mod find;
mod learn;

use serde_json::{Map, Value};

use self::find::{Meant, Names};
use super::item::{Item, Kind};
use super::log::put;
use super::output::Key;
use super::part::{List, PartKind};
use super::{Draft, pieces};
use crate::error::ErrorBody;
use crate::translate::BadAnswer;
use crate::usage;

/// What was read so far.
#[derive(Default)]
pub(super) struct Native {
    names: Names,
}

type Event = Map<String, Value>;

impl Native {
    /// Reads an event; `named` is the type that the server-sent event itself gives.
    pub(super) fn event(&mut self, event: Event, named: Option<&str>, draft: &mut Draft) {
        let kind = event.get("type").and_then(Value::as_str).or(named).unwrap_or_default();
        match kind {
            "response.created" | "response.queued" | "response.in_progress" => {
                if let Some(Value::Object(response)) = event.get("response") {
                    draft.frame.adopt(response);
                }
            }
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled"
            | "response.done" => {
                let empty = Map::new();
                let response = event.get("response").and_then(Value::as_object).unwrap_or(&empty);
                self.last_word(kind, response, draft);
            }
            "error" | "response.error" => {
                draft.word.error.get_or_insert_with(|| told(&event));
                draft.word.done = true;
            }
            "response.output_item.added" => self.item_added(&event, draft),
            "response.output_item.done" => self.item_done(&event, draft),
            "keepalive" | "ping" => {}
            _ if self.content(kind, &event, draft) => {}
            _ => {
                let kind = kind.to_owned();
                self.pass(kind, event, draft);
            }
        }
    }

    /// Reads a whole answer.
    pub(super) fn whole(&mut self, answer: &Event, draft: &mut Draft) -> Result<(), BadAnswer> {
        let failed = answer.get("error").is_some_and(|error| !error.is_null());
        if !answer.get("output").is_some_and(Value::is_array) && !failed {
            return Err(BadAnswer("the provider's answer holds no output".to_owned()));
        }
        self.last_word("", answer, draft);
        Ok(())
    }

    /// The whole response at its end. Its status says how it ended; where it has none, the event
    /// does.
    fn last_word(&mut self, kind: &str, response: &Event, draft: &mut Draft) {
        draft.word.done = true;
        draft.frame.adopt(response);
        if let Some(usage) = response.get("usage").filter(|usage| usage.is_object()) {
            draft.frame.usage =
                usage::read(usage.to_string().as_bytes()).or(draft.frame.usage.take());
        }
        let failed = response.get("error").is_some_and(|error| !error.is_null());
        match (response.get("status").and_then(Value::as_str), kind) {
            (Some("failed" | "cancelled"), _) => self.failed(response, draft),
            (_, "response.failed" | "response.cancelled") => self.failed(response, draft),
            _ if failed => self.failed(response, draft),
            (Some("in_progress" | "queued"), _) if says_nothing(response) => draft.no_answer(),
            (Some("incomplete"), _) | (_, "response.incomplete") => {
                let details = response.get("incomplete_details");
                let reason = details.and_then(|details| details.get("reason"));
                let reason = reason.and_then(Value::as_str).unwrap_or("max_output_tokens");
                draft.word.incomplete = Some(reason.to_owned());
                self.reconcile(response, draft);
            }
            _ => self.reconcile(response, draft),
        }
    }

    fn failed(&mut self, response: &Event, draft: &mut Draft) {
        draft.word.error.get_or_insert_with(|| told(response));
    }

    fn item_added(&mut self, event: &Event, draft: &mut Draft) {
        let Some(Value::Object(item)) = event.get("item") else { return };
        let index = index(event, "output_index");
        if let Meant::Open(key) | Meant::Done(key) = self.names.repeated(item, index, &draft.output)
        {
            learn::merge(key, item, &mut draft.output);
        } else if item.get("type").is_some_and(Value::is_string) {
            let key = learn::open(item, &mut draft.output);
            self.names.learn(key, item.get("id"), index);
            learn::merge(key, item, &mut draft.output);
        }
    }

    fn item_done(&mut self, event: &Event, draft: &mut Draft) {
        let Some(Value::Object(item)) = event.get("item") else { return };
        let index = index(event, "output_index");
        match self.names.of_item(item, index, &draft.output) {
            Meant::Open(key) => learn::settle(key, item, &mut draft.output),
            Meant::Done(_) => {}
            Meant::None if item.get("type").is_some_and(Value::is_string) => {
                let key = learn::open(item, &mut draft.output);
                self.names.learn(key, item.get("id"), index);
                learn::settle(key, item, &mut draft.output);
            }
            Meant::None => {}
        }
    }

    /// Completes the output with that of the whole response: by their ids, else by their order
    /// among items of the same type.
    fn reconcile(&mut self, response: &Event, draft: &mut Draft) {
        let output = &mut draft.output;
        let said = response.get("output").and_then(Value::as_array);
        let said: Vec<&Event> = said.into_iter().flatten().filter_map(Value::as_object).collect();
        let mut known: Vec<_> = said.iter().map(|item| self.names.by_id(item, output)).collect();
        for (at, item) in said.iter().enumerate() {
            let found = known.get(at).copied().flatten().or_else(|| {
                let kind = item.get("type").and_then(Value::as_str)?;
                let same = |(key, ours): &(_, &Item)| {
                    ours.text("type") == kind && !known.contains(&Some(*key))
                };
                output.items().find(same).map(|(key, _)| key)
            });
            let key = match found {
                Some(key) => key,
                None if item.get("type").is_some_and(Value::is_string) => learn::open(item, output),
                None => continue,
            };
            if let Some(known) = known.get_mut(at) {
                *known = Some(key);
            }
            learn::settle(key, item, output);
        }
    }

    /// An event of an item's parts or of its text; false if it is another one.
    fn content(&mut self, kind: &str, event: &Event, draft: &mut Draft) -> bool {
        use PartKind::{OutputText, ReasoningText, Refusal, SummaryText};
        match kind.strip_prefix("response.").unwrap_or_default() {
            "content_part.added" | "reasoning_part.added" => {
                self.part(event, List::Content, false, draft);
            }
            "content_part.done" | "reasoning_part.done" => {
                self.part(event, List::Content, true, draft);
            }
            "reasoning_summary_part.added" => self.part(event, List::Summary, false, draft),
            "reasoning_summary_part.done" => self.part(event, List::Summary, true, draft),
            "output_text.delta" => self.delta(event, OutputText, draft),
            "refusal.delta" => self.delta(event, Refusal, draft),
            "reasoning_text.delta" | "reasoning.delta" => self.delta(event, ReasoningText, draft),
            "reasoning_summary_text.delta" => self.delta(event, SummaryText, draft),
            "output_text.done" => self.text_done(event, OutputText, draft),
            "refusal.done" => self.text_done(event, Refusal, draft),
            "reasoning_text.done" | "reasoning.done" => self.text_done(event, ReasoningText, draft),
            "reasoning_summary_text.done" => self.text_done(event, SummaryText, draft),
            "output_text.annotation.added" | "output_text_annotation.added" => {
                self.annotation(event, draft);
            }
            "function_call_arguments.delta" => self.argument(event, Kind::FunctionCall, draft),
            "custom_tool_call_input.delta" => self.argument(event, Kind::CustomCall, draft),
            "function_call_arguments.done" => self.argument_done(event, Kind::FunctionCall, draft),
            "custom_tool_call_input.done" => self.argument_done(event, Kind::CustomCall, draft),
            _ => return false,
        }
        true
    }

    fn part(&mut self, event: &Event, list: List, done: bool, draft: &mut Draft) {
        let Some(Value::Object(part)) = event.get("part") else { return };
        let said = part.get("type").and_then(Value::as_str).unwrap_or_default();
        let item = match said {
            "output_text" | "refusal" => Kind::Message,
            "reasoning_text" | "summary_text" => Kind::Reasoning,
            _ if list == List::Summary => Kind::Reasoning,
            _ => match self.names.of_event(event, &draft.output) {
                Meant::Open(key) => draft.output.item(key).map_or(Kind::Message, |item| item.kind),
                Meant::Done(_) => return,
                Meant::None => Kind::Message,
            },
        };
        let kind = PartKind::of(said, item, list);
        let source = index(event, index_name(kind));
        let written = part.get(kind.field()).and_then(Value::as_str).unwrap_or_default();
        let key = match self.names.of_kind(event, item, &draft.output) {
            Meant::Open(key) => key,
            Meant::Done(_) => return,
            Meant::None if done && learn::is_repeated(item, written, &draft.output) => return,
            Meant::None => self.open(event, item, draft),
        };
        learn::part(key, kind, source, part, done, &mut draft.output);
        if done {
            learn::end_part(key, kind, source, &mut draft.output);
        }
    }

    fn delta(&mut self, event: &Event, kind: PartKind, draft: &mut Draft) {
        let Some(delta) = event.get("delta").and_then(Value::as_str) else { return };
        let Some(key) = self.meant(event, item_kind(kind), draft) else { return };
        let logprobs = pieces::logprobs(event.get("logprobs"));
        let source = index(event, index_name(kind));
        draft.output.text(key, kind, source, delta, logprobs);
    }

    fn text_done(&mut self, event: &Event, kind: PartKind, draft: &mut Draft) {
        let item = item_kind(kind);
        let Some(text) = event.get(kind.field()).and_then(Value::as_str) else { return };
        let key = match self.names.of_kind(event, item, &draft.output) {
            Meant::Open(key) => key,
            Meant::Done(_) => return,
            Meant::None if learn::is_repeated(item, text, &draft.output) => return,
            Meant::None => self.open(event, item, draft),
        };
        let mut part = Map::new();
        put(&mut part, kind.field(), text);
        put(&mut part, "logprobs", event.get("logprobs").cloned().unwrap_or_default());
        let source = index(event, index_name(kind));
        learn::part(key, kind, source, &part, true, &mut draft.output);
    }

    fn annotation(&mut self, event: &Event, draft: &mut Draft) {
        let Some(annotation) = event.get("annotation").filter(|said| said.is_object()) else {
            return;
        };
        if let Meant::Open(key) = self.names.of_kind(event, Kind::Message, &draft.output) {
            let source = index(event, "content_index");
            draft.output.annotate(key, source, annotation.clone());
        }
    }

    fn argument(&mut self, event: &Event, kind: Kind, draft: &mut Draft) {
        let Some(delta) = event.get("delta").and_then(Value::as_str) else { return };
        if let Some(key) = self.meant(event, kind, draft) {
            draft.output.argument(key, delta);
        }
    }

    fn argument_done(&mut self, event: &Event, kind: Kind, draft: &mut Draft) {
        let written = kind.argument().and_then(|field| event.get(field)).and_then(Value::as_str);
        let (Some(written), Meant::Open(key)) =
            (written, self.names.of_kind(event, kind, &draft.output))
        else {
            return;
        };
        learn::argument(key, written, &mut draft.output);
    }

    /// The open item of this kind that an event speaks of, begun where it is new.
    fn meant(&mut self, event: &Event, kind: Kind, draft: &mut Draft) -> Option<Key> {
        match self.names.of_kind(event, kind, &draft.output) {
            Meant::Open(key) => {
                // So that the next event with this id means the same call.
                self.names.learn(key, event.get("item_id").filter(|_| kind.is_call()), None);
                Some(key)
            }
            Meant::Done(_) => None,
            Meant::None => Some(self.open(event, kind, draft)),
        }
    }

    /// An item that was never announced to us.
    fn open(&mut self, event: &Event, kind: Kind, draft: &mut Draft) -> Key {
        let mut item = Map::new();
        let kind = match kind {
            Kind::Reasoning => "reasoning",
            Kind::FunctionCall => "function_call",
            Kind::CustomCall => "custom_tool_call",
            Kind::Message | Kind::Other => "message",
        };
        put(&mut item, "type", kind);
        if let Some(id) = event.get("item_id") {
            put(&mut item, "id", id.clone());
        }
        let key = learn::open(&item, &mut draft.output);
        self.names.learn(key, event.get("item_id"), index(event, "output_index"));
        key
    }

    /// An event that is not understood, with our ids and numbers. One that speaks of an item which
    /// is not there, or is done, says nothing that a client could follow.
    fn pass(&mut self, kind: String, event: Event, draft: &mut Draft) {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if kind.is_empty() || !kind.bytes().all(is_name) {
            return;
        }
        let located = event.contains_key("item_id") || event.contains_key("output_index");
        let place = match self.names.of_event(&event, &draft.output) {
            Meant::Open(key) => draft
                .output
                .item(key)
                .and_then(|item| item.place.map(|place| (item.id.clone(), place))),
            _ => None,
        };
        if located && place.is_none() {
            return;
        }
        let response = event.contains_key("response").then(|| draft.response());
        let id = draft.frame.id.clone();
        draft.output.log.tell(kind, |body| {
            for (name, value) in event {
                match name.as_str() {
                    "type" | "sequence_number" | "item_id" | "output_index" | "response" => {}
                    "response_id" => put(body, "response_id", id.as_str()),
                    _ => put(body, &name, value),
                }
            }
            if let Some((id, place)) = place {
                put(body, "item_id", id);
                put(body, "output_index", place);
            }
            if let Some(response) = response {
                put(body, "response", response);
            }
        });
    }
}

const fn item_kind(part: PartKind) -> Kind {
    match part {
        PartKind::ReasoningText | PartKind::SummaryText => Kind::Reasoning,
        PartKind::OutputText | PartKind::Refusal | PartKind::Other => Kind::Message,
    }
}

fn index_name(part: PartKind) -> &'static str {
    match part.list() {
        List::Content => "content_index",
        List::Summary => "summary_index",
    }
}

fn index(event: &Event, name: &str) -> Option<u64> {
    event.get(name).and_then(Value::as_u64)
}

/// An error, flat or nested, or that of a failed response.
fn told(said: &Event) -> ErrorBody {
    let mut error =
        ErrorBody::from_upstream(500, Value::Object(said.clone()).to_string().as_bytes());
    if matches!(error.kind.as_str(), "error" | "response.error") {
        "server_error".clone_into(&mut error.kind);
    }
    error
}

/// Whether a response has no output.
fn says_nothing(response: &Event) -> bool {
    response.get("output").and_then(Value::as_array).is_none_or(Vec::is_empty)
}
