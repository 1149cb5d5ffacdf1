//! The output as it grows, and the one place that knows in which order clients hear of it: an item
//! is added, a part is added, it grows, it is done, the item is done.
//!
//! Whatever its callers do, in whatever order, the events keep that order. An item that nobody may
//! hear of yet grows in silence and is told from its beginning when it is announced.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::item::{Item, Kind, Progress, message};
use super::log::{Log, put};
use super::part::{List, Part, PartKind};
use super::seal::Sealer;
use crate::responses::item::id_prefix;
use crate::responses::{NewId, Seal};

/// An item, by the order in which items were opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key(pub(super) usize);

/// The output.
pub(super) struct Output {
    pub(super) log: Log,
    items: Vec<Item>,
    /// The items that were announced, in the order of their `output_index`.
    places: Vec<Key>,
    taken: HashSet<String>,
    hold_messages: bool,
    hold_all: bool,
    pub(super) sealer: Sealer,
    new_id: NewId,
}

impl Output {
    pub(super) fn new(new_id: NewId, seal: Seal) -> Self {
        Self {
            log: Log::default(),
            items: Vec::new(),
            places: Vec::new(),
            taken: HashSet::new(),
            hold_messages: false,
            hold_all: false,
            sealer: Sealer { provider: None, seal },
            new_id,
        }
    }

    /// From now on messages grow in silence until [`announce_all`](Self::announce_all).
    pub(super) fn hold_messages(&mut self) {
        self.hold_messages = true;
    }

    /// From now on everything does.
    pub(super) fn hold_all(&mut self) {
        self.hold_all = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn item(&self, key: Key) -> Option<&Item> {
        self.items.get(key.0)
    }

    pub(super) fn item_mut(&mut self, key: Key) -> Option<&mut Item> {
        self.items.get_mut(key.0)
    }

    /// All items with their keys, in the order in which they were opened.
    pub(super) fn items(&self) -> impl DoubleEndedIterator<Item = (Key, &Item)> {
        self.items.iter().enumerate().map(|(at, item)| (Key(at), item))
    }

    /// The items as clients see them: those that were announced, then the others.
    pub(super) fn values(&self) -> Vec<Value> {
        let announced = self.places.iter().filter_map(|key| self.item(*key));
        let others = self.items.iter().filter(|item| item.place.is_none());
        announced.chain(others).map(Item::value).collect()
    }

    /// Opens an item. Its id is ours; the upstream's goes back to the upstream alone.
    pub(super) fn open(&mut self, fields: Map<String, Value>, theirs: Option<&str>) -> Key {
        let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
        let id = (self.new_id)(id_prefix(kind));
        let mut item = Item::new(id, Kind::of(kind), fields);
        item.private.id = theirs.map(str::to_owned);
        if item.kind.is_call() {
            let call_id = self.call_id(item.text("call_id"));
            put(&mut item.fields, "call_id", call_id);
            let name = item.text("name").to_owned();
            put(&mut item.fields, "name", name);
        }
        self.items.push(item);
        let key = Key(self.items.len() - 1);
        self.announce_if_ready(key);
        key
    }

    /// The upstream's id of a call, unless it has none or has given it before: clients tell calls
    /// apart by it.
    fn call_id(&mut self, said: &str) -> String {
        let call_id = if said.is_empty() || self.taken.contains(said) {
            (self.new_id)("call_")
        } else {
            said.to_owned()
        };
        self.taken.insert(call_id.clone());
        call_id
    }

    /// Announces an item unless it is held back, or is a call whose tool is not known yet.
    pub(super) fn announce_if_ready(&mut self, key: Key) {
        let Some(item) = self.item(key) else { return };
        let held = self.hold_all || (self.hold_messages && item.kind == Kind::Message);
        let nameless = item.kind.is_call() && item.text("name").is_empty();
        if !held && !nameless {
            self.announce(key);
        }
    }

    /// Announces what was held back.
    pub(super) fn announce_all(&mut self) {
        for at in 0..self.items.len() {
            self.announce(Key(at));
        }
    }

    /// Tells of an item, from its beginning as far as it has grown.
    fn announce(&mut self, key: Key) {
        let Some(item) = self.items.get_mut(key.0).filter(|item| item.place.is_none()) else {
            return;
        };
        let place = self.places.len();
        self.places.push(key);
        item.place = Some(place);
        let progress = std::mem::replace(&mut item.progress, Progress::Open);
        let parts: Vec<_> = item.summary.drain(..).chain(item.content.drain(..)).collect();
        let argument = std::mem::take(&mut item.argument);
        self.log.tell("response.output_item.added", |body| {
            put(body, "output_index", place);
            put(body, "item", item.begun());
        });
        for part in parts {
            self.replay(key, part);
        }
        self.argument(key, &argument);
        if progress != Progress::Open {
            self.close(key, progress);
        }
    }

    fn replay(&mut self, key: Key, part: Part) {
        let (kind, source, open) = (part.kind, part.source, part.open);
        self.begin_part(key, Part { rest: part.rest, ..Part::new(kind, source) });
        if kind != PartKind::Other {
            self.text(key, kind, Some(source), &part.text, part.logprobs);
        }
        for annotation in part.annotations {
            self.annotate(key, Some(source), annotation);
        }
        if !open {
            let last = self.item(key).map_or(0, |item| item.parts(kind.list()).len());
            self.end_part(key, kind.list(), last.saturating_sub(1));
        }
    }

    /// Begins a part.
    pub(super) fn begin_part(&mut self, key: Key, part: Part) {
        let Self { items, log, .. } = self;
        let Some(item) = items.get_mut(key.0).filter(|item| item.is_open()) else { return };
        let list = part.kind.list();
        if let Some(place) = item.place {
            let at = item.parts(list).len();
            let kind = match list {
                List::Content => "response.content_part.added",
                List::Summary => "response.reasoning_summary_part.added",
            };
            log.tell(kind, |body| {
                locate(body, &item.id, place, list, at);
                put(body, "part", part.begun());
            });
        }
        item.parts_mut(list).push(part);
    }

    /// Adds to the text of the part that has the upstream's index `source`, or else of the last
    /// one; where there is none of this kind, one is begun.
    pub(super) fn text(
        &mut self,
        key: Key,
        kind: PartKind,
        source: Option<u64>,
        delta: &str,
        logprobs: Vec<Value>,
    ) {
        let Some(at) = self.open_part(key, kind, source) else { return };
        let Self { items, log, .. } = self;
        let Some(item) = items.get_mut(key.0) else { return };
        let place = item.place;
        let Some(part) = item.parts_mut(kind.list()).get_mut(at) else { return };
        part.text.push_str(delta);
        part.logprobs.extend_from_slice(&logprobs);
        let (Some(place), Some((event, _)), false) = (place, kind.events(), delta.is_empty())
        else {
            return;
        };
        log.tell(event, |body| {
            locate(body, &item.id, place, kind.list(), at);
            put(body, "delta", delta);
            if kind == PartKind::OutputText {
                put(body, "logprobs", logprobs);
            }
        });
    }

    /// Adds an annotation to a text.
    pub(super) fn annotate(&mut self, key: Key, source: Option<u64>, annotation: Value) {
        let kind = PartKind::OutputText;
        let Some(at) = self.open_part(key, kind, source) else { return };
        let Self { items, log, .. } = self;
        let Some(item) = items.get_mut(key.0) else { return };
        let place = item.place;
        let Some(part) = item.content.get_mut(at) else { return };
        if let Some(place) = place {
            log.tell("response.output_text.annotation.added", |body| {
                locate(body, &item.id, place, kind.list(), at);
                put(body, "annotation_index", part.annotations.len());
                put(body, "annotation", annotation.clone());
            });
        }
        part.annotations.push(annotation);
    }

    /// The open part that is meant, begun where there is none yet; `None` where it, or its item,
    /// is done already.
    pub(super) fn open_part(
        &mut self,
        key: Key,
        kind: PartKind,
        source: Option<u64>,
    ) -> Option<usize> {
        let item = self.item(key).filter(|item| item.is_open() && item.kind.holds(kind))?;
        let parts = item.parts(kind.list());
        let found = match source {
            Some(source) => {
                parts.iter().rposition(|part| part.source == source && part.kind == kind)
            }
            None => match parts.last() {
                Some(last) if last.open && last.kind == kind => Some(parts.len() - 1),
                _ => None,
            },
        };
        if let Some(at) = found {
            return parts.get(at).filter(|part| part.open).map(|_| at);
        }
        let at = parts.len();
        if source.is_none() {
            self.end_parts(key, kind.list());
        }
        self.begin_part(key, Part::new(kind, source.unwrap_or(at as u64)));
        Some(at)
    }

    /// Adds to the text of a call.
    pub(super) fn argument(&mut self, key: Key, delta: &str) {
        let Self { items, log, .. } = self;
        let Some(item) = items.get_mut(key.0).filter(|item| item.is_open()) else { return };
        if !item.kind.is_call() || delta.is_empty() {
            return;
        }
        item.argument.push_str(delta);
        let Some(place) = item.place else { return };
        let event = match item.kind {
            Kind::CustomCall => "response.custom_tool_call_input.delta",
            _ => "response.function_call_arguments.delta",
        };
        log.tell(event, |body| {
            put(body, "item_id", item.id.as_str());
            put(body, "output_index", place);
            put(body, "delta", delta);
        });
    }

    /// Ends a part.
    pub(super) fn end_part(&mut self, key: Key, list: List, at: usize) {
        let Self { items, log, .. } = self;
        let Some(item) = items.get_mut(key.0) else { return };
        let place = item.place;
        let Some(part) = item.parts_mut(list).get_mut(at).filter(|part| part.open) else { return };
        part.open = false;
        let Some(place) = place else { return };
        let (id, Some(part)) = (&item.id, item.parts(list).get(at)) else { return };
        if let Some((_, done)) = part.kind.events() {
            log.tell(done, |body| {
                locate(body, id, place, list, at);
                put(body, part.kind.field(), part.text.as_str());
                if part.kind == PartKind::OutputText {
                    put(body, "logprobs", part.logprobs.clone());
                }
            });
        }
        let kind = match list {
            List::Content => "response.content_part.done",
            List::Summary => "response.reasoning_summary_part.done",
        };
        log.tell(kind, |body| {
            locate(body, id, place, list, at);
            put(body, "part", part.value());
        });
    }

    /// Ends all parts of a list.
    pub(super) fn end_parts(&mut self, key: Key, list: List) {
        for at in 0..self.item(key).map_or(0, |item| item.parts(list).len()) {
            self.end_part(key, list, at);
        }
    }

    /// Ends an item.
    pub(super) fn close(&mut self, key: Key, progress: Progress) {
        if !self.item(key).is_some_and(Item::is_open) {
            return;
        }
        self.end_parts(key, List::Summary);
        self.end_parts(key, List::Content);
        let Self { items, log, sealer, .. } = self;
        let Some(item) = items.get_mut(key.0) else { return };
        item.progress = progress;
        if item.kind == Kind::Reasoning && !item.fields.contains_key("encrypted_content") {
            let sealed = sealer.seal(&item.private, &item.content);
            put(&mut item.fields, "encrypted_content", json!(sealed));
        }
        let Some(place) = item.place else { return };
        let done = match item.kind {
            Kind::FunctionCall => Some("response.function_call_arguments.done"),
            Kind::CustomCall => Some("response.custom_tool_call_input.done"),
            _ => None,
        };
        if let (Some(done), Some(field)) = (done, item.kind.argument()) {
            log.tell(done, |body| {
                put(body, "item_id", item.id.as_str());
                put(body, "output_index", place);
                if item.kind == Kind::FunctionCall {
                    put(body, "name", item.text("name"));
                }
                put(body, field, item.argument.as_str());
            });
        }
        log.tell("response.output_item.done", |body| {
            put(body, "output_index", place);
            put(body, "item", item.value());
        });
    }

    /// Ends all items. Where the answer was cut off, so were those that were open, but for calls
    /// that had all their arguments.
    pub(super) fn close_all(&mut self, cut: bool) {
        let last = self.items.len().saturating_sub(1);
        let open: Vec<_> =
            self.items().filter(|(_, item)| item.is_open()).map(|(key, _)| key).collect();
        for key in open {
            let Some(item) = self.item_mut(key) else { continue };
            let whole = key.0 != last && item.is_whole_call();
            let progress = if cut && !whole { Progress::Incomplete } else { Progress::Completed };
            item.settle_status(progress);
            self.close(key, progress);
        }
    }

    /// Replaces the text of the last message that was not announced; where there is no message at
    /// all, there is one now.
    pub(super) fn replace_text(&mut self, text: String) {
        let held = |item: &Item| item.kind == Kind::Message && item.place.is_none();
        if !self.items.iter().any(|item| item.kind == Kind::Message) {
            let key = self.open(message(), None);
            self.text(key, PartKind::OutputText, None, &text, Vec::new());
        } else if let Some(item) = self.items.iter_mut().rfind(|item| held(item)) {
            let open = item.is_open();
            item.content = vec![Part { text, open, ..Part::new(PartKind::OutputText, 0) }];
        }
    }
}

fn locate(body: &mut Map<String, Value>, id: &str, place: usize, list: List, at: usize) {
    put(body, "item_id", id);
    put(body, "output_index", place);
    let index = match list {
        List::Content => "content_index",
        List::Summary => "summary_index",
    };
    put(body, index, at);
}
