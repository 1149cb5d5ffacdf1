//! Which item an event speaks of. Upstreams name items by id, by index, by both, by neither, and
//! some change an item's id from event to event.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::index;
use crate::responses::synthesis::item::{Item, Kind};
use crate::responses::synthesis::output::{Key, Output};

/// The item that is meant.
pub(super) enum Meant {
    /// One that still grows.
    Open(Key),
    /// One that is done, so that there is nothing more to say of it.
    Done(Key),
    /// One that is not known yet.
    None,
}

/// The names that the upstream uses.
#[derive(Default)]
pub(super) struct Names {
    ids: HashMap<String, Key>,
    indexes: HashMap<u64, Key>,
}

impl Names {
    /// The upstream gave these names to an item; it may have used them before for another one.
    pub(super) fn learn(&mut self, key: Key, id: Option<&Value>, index: Option<u64>) {
        if let Some(id) = id.and_then(name) {
            self.ids.insert(id.to_owned(), key);
        }
        if let Some(index) = index {
            self.indexes.insert(index, key);
        }
    }

    /// The item with the id that this one has.
    pub(super) fn by_id(&self, said: &Map<String, Value>, output: &Output) -> Option<Key> {
        let key = *self.ids.get(said.get("id").and_then(name)?)?;
        output.item(key).filter(|item| is_same(item, said)).map(|_| key)
    }

    /// The item that an `output_item.added` repeats.
    pub(super) fn repeated(
        &self,
        said: &Map<String, Value>,
        index: Option<u64>,
        output: &Output,
    ) -> Meant {
        if let Some(key) = self.by_id(said, output) {
            return match meant(key, output) {
                // An id that is used again with an index that is new stands for another item.
                Meant::Done(_) if index.is_some_and(|at| self.indexes.get(&at) != Some(&key)) => {
                    Meant::None
                }
                known => known,
            };
        }
        if said.get("id").and_then(name).is_some() {
            return Meant::None;
        }
        match index {
            Some(index) => match self.at(index, output, |item| is_same(item, said)) {
                Meant::Open(key) => Meant::Open(key),
                _ => Meant::None,
            },
            None => last_open(output, |item| is_same(item, said)),
        }
    }

    /// The item that an `output_item.done` ends.
    pub(super) fn of_item(
        &self,
        said: &Map<String, Value>,
        index: Option<u64>,
        output: &Output,
    ) -> Meant {
        if let Some(key) = self.by_id(said, output) {
            return meant(key, output);
        }
        let known = index.map_or(Meant::None, |at| self.at(at, output, |item| is_same(item, said)));
        match known {
            Meant::Open(key) => return Meant::Open(key),
            Meant::Done(key) if said.get("id").and_then(name).is_none() => return Meant::Done(key),
            _ => {}
        }
        match last_open(output, |item| is_same(item, said)) {
            Meant::None => {
                let repeats = |item: &Item| is_same(item, said) && item.written() == written(said);
                let mut done = output.items().filter(|(_, item)| !item.is_open() && repeats(item));
                done.next().map_or(Meant::None, |(key, _)| Meant::Done(key))
            }
            open => open,
        }
    }

    /// The item of this kind that an event of its content is about.
    pub(super) fn of_kind(&self, event: &Map<String, Value>, kind: Kind, output: &Output) -> Meant {
        let id = event.get("item_id").and_then(name);
        let fits = |item: &Item| item.kind == kind;
        let by_id = id.and_then(|id| self.ids.get(id)).copied();
        if let Some(key) = by_id.filter(|key| output.item(*key).is_some_and(fits)) {
            return meant(key, output);
        }
        let index = index(event, "output_index");
        match index.map_or(Meant::None, |at| self.at(at, output, fits)) {
            Meant::Done(_) if id.is_some() => Meant::None,
            Meant::None if index.is_some_and(|index| !self.indexes.contains_key(&index)) => {
                Meant::None
            }
            Meant::None => match id.filter(|_| kind.is_call()) {
                Some(id) => self.of_call(id, fits, output),
                None => last_open(output, fits),
            },
            known => known,
        }
    }

    /// The call with an id that is new. Calls are made in parallel, so it is another one than those
    /// that have an id.
    fn of_call(&self, id: &str, fits: impl Fn(&Item) -> bool, output: &Output) -> Meant {
        // Some servers name a call by its `call_id`.
        let mut calls = output.items().filter(|(_, item)| fits(item));
        match calls.find(|(_, item)| item.source_call_id.as_deref() == Some(id)) {
            Some((key, _)) => meant(key, output),
            None => {
                let named = |key| self.ids.values().any(|named| *named == key);
                let mut open = output.items().rev().filter(|(_, item)| item.is_open());
                let nameless = open.find(|(key, item)| fits(item) && !named(*key));
                nameless.map_or(Meant::None, |(key, _)| Meant::Open(key))
            }
        }
    }

    /// The item, of whatever kind, that an event is about.
    pub(super) fn of_event(&self, event: &Map<String, Value>, output: &Output) -> Meant {
        let id = event.get("item_id").and_then(name).and_then(|id| self.ids.get(id));
        let by_index = || self.indexes.get(&index(event, "output_index")?);
        id.or_else(by_index).map_or(Meant::None, |key| meant(*key, output))
    }

    fn at(&self, index: u64, output: &Output, fits: impl Fn(&Item) -> bool) -> Meant {
        let key = self.indexes.get(&index).copied();
        let key = key.filter(|key| output.item(*key).is_some_and(fits));
        key.map_or(Meant::None, |key| meant(key, output))
    }
}

fn meant(key: Key, output: &Output) -> Meant {
    match output.item(key) {
        Some(item) if item.is_open() => Meant::Open(key),
        Some(_) => Meant::Done(key),
        None => Meant::None,
    }
}

fn last_open(output: &Output, fits: impl Fn(&Item) -> bool) -> Meant {
    let mut open = output.items().rev().filter(|(_, item)| item.is_open() && fits(item));
    open.next().map_or(Meant::None, |(key, _)| Meant::Open(key))
}

/// Whether an item may be the one that is told of: of the same type, and the same call.
fn is_same(item: &Item, said: &Map<String, Value>) -> bool {
    let call_id = said.get("call_id").and_then(name);
    let same_call =
        call_id.is_none_or(|said| item.source_call_id.as_deref().is_none_or(|ours| ours == said));
    same_call && said.get("type").and_then(Value::as_str) == Some(item.text("type"))
}

/// All that is written in an item, as [`Item::written`] has it.
fn written(said: &Map<String, Value>) -> String {
    let list = |name: &str| said.get(name).and_then(Value::as_array).into_iter().flatten();
    let parts = list("summary").chain(list("content"));
    let texts = parts.filter_map(|part| part.get("text").or(part.get("refusal"))?.as_str());
    let field = |name: &str| said.get(name).and_then(Value::as_str);
    texts.chain(field("arguments").or(field("input"))).collect()
}

fn name(value: &Value) -> Option<&str> {
    value.as_str().filter(|name| !name.is_empty())
}
