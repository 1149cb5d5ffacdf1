//! What is learnt of an item when the upstream tells it whole: what was not told piece by piece.

use serde_json::{Map, Value, json};

use crate::responses::item::PRIVATE;
use crate::responses::synthesis::item::{Item, Kind, Progress, message};
use crate::responses::synthesis::output::{Key, Output};
use crate::responses::synthesis::part::{List, Part, PartKind};
use crate::responses::synthesis::pieces;
use crate::responses::synthesis::seal::Private;

/// Opens an item that the upstream tells of.
pub(super) fn open(said: &Map<String, Value>, output: &mut Output) -> Key {
    let kind = Kind::of(said.get("type").and_then(Value::as_str).unwrap_or_default());
    let mut fields = if kind == Kind::Message { message() } else { Map::new() };
    for (name, value) in said {
        if is_field(name, kind) && !(kind == Kind::Message && name == "role") {
            fields.insert(name.clone(), value.clone());
        }
    }
    seal_passed(&mut fields, said.get("id").and_then(Value::as_str), kind, output);
    let key = output.open(fields, said.get("id").and_then(Value::as_str));
    let said_call_id = said.get("call_id").and_then(Value::as_str).map(str::to_owned);
    if let Some(item) = output.item_mut(key) {
        item.source_call_id = said_call_id;
    }
    key
}

/// Whether a field is said of an item of this kind at once, not grown.
fn is_field(name: &str, kind: Kind) -> bool {
    match name {
        // The private object is for nobody outside to write.
        "id" | PRIVATE => false,
        _ if kind == Kind::Other => true,
        "status" => false,
        "content" => !matches!(kind, Kind::Message | Kind::Reasoning),
        "summary" | "encrypted_content" => kind != Kind::Reasoning,
        _ => kind.argument() != Some(name),
    }
}

/// What a provider must see again of an item that is passed whole: a compaction, say.
fn seal_passed(fields: &mut Map<String, Value>, id: Option<&str>, kind: Kind, output: &Output) {
    if kind != Kind::Other {
        return;
    }
    if let Some(Value::String(blob)) = fields.get_mut("encrypted_content") {
        let id = id.map(str::to_owned);
        let private = Private { id, blob: Some(std::mem::take(blob)), details: Vec::new() };
        *blob = output.sealer.seal(&private, &[]).unwrap_or_default();
    }
}

/// Takes what is said of an item at once.
pub(super) fn merge(key: Key, said: &Map<String, Value>, output: &mut Output) {
    let Some(kind) = output.item(key).filter(|item| item.is_open()).map(|item| item.kind) else {
        return;
    };
    let mut said_fields = said.clone();
    said_fields.retain(|name, _| is_field(name, kind));
    seal_passed(&mut said_fields, said.get("id").and_then(Value::as_str), kind, output);
    let Some(item) = output.item_mut(key) else { return };
    for (name, value) in said_fields {
        let fixed = match name.as_str() {
            // Clients know an item by these from its first event on.
            "type" | "call_id" => item.fields.contains_key(&name),
            "role" => kind == Kind::Message,
            "name" if kind.is_call() => !item.text("name").is_empty() || !value.is_string(),
            // No client expects it null.
            "phase" => value.is_null(),
            _ => value.is_null() && item.fields.contains_key(&name),
        };
        if !fixed {
            item.fields.insert(name, value);
        }
    }
    if let (Kind::Reasoning, Some(Value::String(blob))) = (kind, said.get("encrypted_content")) {
        item.private.blob = Some(blob.clone()).filter(|blob| !blob.is_empty());
    }
    output.announce_if_ready(key);
}

/// Takes all that is said of an item, and ends it.
pub(super) fn settle(key: Key, said: &Map<String, Value>, output: &mut Output) {
    if !output.item(key).is_some_and(Item::is_open) {
        return;
    }
    merge(key, said, output);
    for (name, list) in [("summary", List::Summary), ("content", List::Content)] {
        let parts = said.get(name).and_then(Value::as_array).into_iter().flatten();
        for (at, part) in parts.filter_map(Value::as_object).enumerate() {
            settle_part(key, list, at, part, output);
        }
    }
    let kind = output.item(key).map_or(Kind::Other, |item| item.kind);
    if let Some(written) = kind.argument().and_then(|name| said.get(name)).and_then(Value::as_str) {
        argument(key, written, output);
    }
    let progress = match said.get("status").and_then(Value::as_str) {
        Some("incomplete") => Progress::Incomplete,
        _ => Progress::Completed,
    };
    if let Some(item) = output.item_mut(key) {
        item.settle_status(progress);
    }
    output.close(key, progress);
}

/// A part of an item that is told whole, known by where it stands.
fn settle_part(key: Key, list: List, at: usize, said: &Map<String, Value>, output: &mut Output) {
    let Some(item) = output.item(key) else { return };
    let kind = said.get("type").and_then(Value::as_str).unwrap_or_default();
    let kind = PartKind::of(kind, item.kind, list);
    let source = match item.parts(list).get(at) {
        Some(part) if part.kind == kind => part.source,
        _ => at as u64,
    };
    self::part(key, kind, Some(source), said, true, output);
}

/// A part of which the upstream tells: its beginning, or the whole of it.
pub(super) fn part(
    key: Key,
    kind: PartKind,
    source: Option<u64>,
    said: &Map<String, Value>,
    whole: bool,
    output: &mut Output,
) {
    if kind == PartKind::Other {
        pass_part(key, source, said, output);
        return;
    }
    let written = said.get(kind.field()).and_then(Value::as_str).unwrap_or_default();
    let last = output.item(key).and_then(|item| item.parts(kind.list()).last());
    let repeats = |last: &Part| !last.open && last.kind == kind && last.text == written;
    if whole && source.is_none() && last.is_some_and(repeats) {
        return;
    }
    let Some(at) = output.open_part(key, kind, source) else { return };
    let our = |output: &mut Output, learn: &mut dyn FnMut(&mut Part)| {
        let parts = output.item_mut(key).map(|item| item.parts_mut(kind.list()));
        parts.and_then(|parts| parts.get_mut(at)).map(learn);
    };
    our(output, &mut |part| learn_rest(part, said));
    if !whole {
        return;
    }
    let (mut more, mut known) = (String::new(), 0);
    our(output, &mut |part| {
        // Clients cannot unhear what they heard: only what goes on from there is of use.
        written.strip_prefix(part.text.as_str()).unwrap_or_default().clone_into(&mut more);
        known = part.annotations.len();
    });
    let source = output.item(key).and_then(|item| item.parts(kind.list()).get(at));
    let source = source.map(|part| part.source);
    let logprobs = pieces::logprobs(said.get("logprobs"));
    output.text(key, kind, source, &more, Vec::new());
    our(output, &mut |part| {
        if part.logprobs.is_empty() {
            part.logprobs.clone_from(&logprobs);
        }
    });
    let annotations = said.get("annotations").and_then(Value::as_array).into_iter().flatten();
    for annotation in annotations.skip(known).filter(|said| said.is_object()) {
        output.annotate(key, source, annotation.clone());
    }
}

/// Fields that are not understood.
fn learn_rest(part: &mut Part, said: &Map<String, Value>) {
    for (name, value) in said {
        if !matches!(name.as_str(), "type" | "text" | "refusal" | "annotations" | "logprobs") {
            part.rest.insert(name.clone(), value.clone());
        }
    }
}

/// A part that is not understood.
fn pass_part(key: Key, source: Option<u64>, said: &Map<String, Value>, output: &mut Output) {
    let Some(item) = output.item_mut(key).filter(|item| item.kind.holds(PartKind::Other)) else {
        return;
    };
    let (mut rest, count) = (said.clone(), item.content.len() as u64);
    if !rest.get("type").is_some_and(Value::is_string) {
        rest.insert("type".to_owned(), json!("unknown"));
    }
    let mut passed = item.content.iter_mut().rev().filter(|part| part.kind == PartKind::Other);
    match passed.find(|part| source.map_or(part.open, |source| part.source == source)) {
        Some(part) if part.open => part.rest = rest,
        Some(_) => {}
        None => {
            let part = Part { rest, ..Part::new(PartKind::Other, source.unwrap_or(count)) };
            output.begin_part(key, part);
        }
    }
}

/// Ends the part that is meant.
pub(super) fn end_part(key: Key, kind: PartKind, source: Option<u64>, output: &mut Output) {
    let parts = output.item(key).map(|item| item.parts(kind.list())).unwrap_or_default();
    let meant =
        |part: &Part| part.kind == kind && source.map_or(part.open, |source| part.source == source);
    if let Some(at) = parts.iter().rposition(meant) {
        output.end_part(key, kind.list(), at);
    }
}

/// The whole text of a call.
pub(super) fn argument(key: Key, written: &str, output: &mut Output) {
    let ours = output.item(key).map(|item| item.argument.as_str()).unwrap_or_default();
    let more = written.strip_prefix(ours).unwrap_or_default().to_owned();
    output.argument(key, &more);
}

/// Whether something without a name was told before, of an item that is done.
pub(super) fn is_repeated(kind: Kind, written: &str, output: &Output) -> bool {
    let same = |part: &Part| part.text == written;
    let told = |item: &Item| item.summary.iter().chain(&item.content).any(same);
    output.items().any(|(_, item)| item.kind == kind && !item.is_open() && told(item))
}
