//! What the model is given to read: the items of the context with what is behind their references.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::{FileId, ResponseId, Scope};
use serde_json::Value;
use store::{Sealer, StoreError};
use wire::error::ErrorBody;
use wire::responses::{file_ids, inline_file};

use crate::engine::Engine;
use crate::state::{output_of, read_items, response_of};
use crate::{Refused, opaque};

/// Files that one request may name.
const MOST_FILES: usize = 50;
/// Responses that one request may refer to items of.
const MOST_RESPONSES: usize = 100;

/// Opens what was sealed, resolves references to items of the context itself, and puts files in
/// the places of their ids.
pub(crate) async fn prepare(
    engine: &Engine,
    scope: &Scope,
    sealer: &Sealer,
    mut items: Vec<Value>,
) -> Result<Vec<Value>, Refused> {
    refer(engine, scope, &mut items).await?;
    opaque::open(sealer, &mut items)?;
    let ids = file_ids(&items);
    if ids.len() > MOST_FILES {
        let message =
            format!("A request may name {MOST_FILES} files; this one names {}.", ids.len());
        return Err(ErrorBody::invalid_request(message).at("input").coded("too_many_files").into());
    }
    let mut left = engine.config.max_inlined_bytes;
    for id in ids {
        let uses = items.iter().map(|item| uses_of(item, &id)).sum();
        let (name, url) = read_file(engine, scope, &id, uses, &mut left).await?;
        inline_file(&mut items, &id, &name, &url);
    }
    Ok(items)
}

/// How often an item names a file, which is how often its bytes will be in the request.
fn uses_of(value: &Value, id: &str) -> u64 {
    match value {
        Value::Object(fields) => {
            let named = fields.get("file_id").and_then(Value::as_str) == Some(id);
            u64::from(named) + fields.values().map(|value| uses_of(value, id)).sum::<u64>()
        }
        Value::Array(values) => values.iter().map(|value| uses_of(value, id)).sum(),
        _ => 0,
    }
}

/// An `item_reference` means an item of the context, or of a response that was kept.
async fn refer(engine: &Engine, scope: &Scope, items: &mut Vec<Value>) -> Result<(), Refused> {
    if !items.iter().any(is_reference) {
        return Ok(());
    }
    let mut known: HashMap<String, Value> = by_id(items.iter().filter(|item| !is_reference(item)));
    let mut asked: HashSet<ResponseId> = HashSet::new();
    for item in items.iter().filter(|item| is_reference(item)) {
        let id = id_of(item);
        let response = response_of(id).filter(|_| !known.contains_key(id));
        let Some(response) = response else { continue };
        if asked.len() == MOST_RESPONSES || !asked.insert(response.clone()) {
            continue;
        }
        match engine.store.response_get(scope, &response).await {
            Ok(row) => {
                let kept = [read_items(&row.input), output_of(&row.body)].concat();
                known.extend(by_id(kept.iter()));
            }
            Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut seen: HashSet<String> = HashSet::new();
    let mut resolved = Vec::with_capacity(items.len());
    for (place, item) in std::mem::take(items).into_iter().enumerate() {
        let id = id_of(&item).to_owned();
        if !is_reference(&item) {
            seen.insert(id);
            resolved.push(item);
            continue;
        }
        let Some(meant) = known.get(&id) else {
            let id: String = id.chars().take(100).collect();
            let error = ErrorBody::invalid_request(format!("Item with id '{id}' not found."));
            return Err(error.at(format!("input[{place}].id")).into());
        };
        // What the context holds already is not said twice.
        if seen.insert(id) {
            resolved.push(meant.clone());
        }
    }
    *items = resolved;
    Ok(())
}

fn is_reference(item: &Value) -> bool {
    item.get("type").and_then(Value::as_str) == Some("item_reference")
}

fn id_of(item: &Value) -> &str {
    item.get("id").and_then(Value::as_str).unwrap_or_default()
}

fn by_id<'a>(items: impl Iterator<Item = &'a Value>) -> HashMap<String, Value> {
    items.map(|item| (id_of(item).to_owned(), item.clone())).collect()
}

async fn read_file(
    engine: &Engine,
    scope: &Scope,
    id: &str,
    uses: u64,
    left: &mut u64,
) -> Result<(String, String), Refused> {
    let file = engine.files.get(scope, &FileId::from(id)).await.map_err(|error| match error {
        files::FilesError::Store(StoreError::NotFound { .. }) => no_file(id),
        error => error.into(),
    })?;
    let size = file.bytes;
    *left = left.checked_sub(size.saturating_mul(uses)).ok_or_else(|| {
        let message = format!(
            "The files that this request names have more than {} bytes in all. Send fewer or \
             smaller ones.",
            engine.config.max_inlined_bytes
        );
        ErrorBody::invalid_request(message).at("input").coded("files_too_large")
    })?;
    let reader = engine.files.open(scope, &FileId::from(id)).await?;
    let bytes = reader.read_range(0, size).await?;
    let url =
        format!("data:{};base64,{}", media_type(&file.filename, &bytes), STANDARD.encode(&bytes));
    Ok((file.filename, url))
}

fn no_file(id: &str) -> Refused {
    let id: String = id.chars().take(100).collect();
    let error = ErrorBody::invalid_request(format!("No such File object: {id}"));
    Refused::Said { status: 404, error: error.at("file_id") }
}

/// By its first bytes or, where those say nothing, by its name.
fn media_type(name: &str, bytes: &[u8]) -> &'static str {
    const MAGIC: [(&[u8], &str); 6] = [
        (b"%PDF-", "application/pdf"),
        (b"\x89PNG", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"RIFF", "image/webp"),
        (b"PK\x03\x04", "application/zip"),
    ];
    if let Some((_, media_type)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return media_type;
    }
    let extension = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "json" => "application/json",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "md" => "text/markdown",
        _ => "text/plain",
    }
}
