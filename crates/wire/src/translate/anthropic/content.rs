//! Messages as blocks of content.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::FORMAT;
use crate::translate::Inexpressible;
use crate::translate::chat::{Assistant, File, Part, PartKind};
use crate::translate::media::Media;
use crate::translate::put::Put;
use crate::translate::reasoning::{Detail, DetailKind, pieces_of};

/// A system message. Only text can stand there.
pub(super) fn text_blocks(parts: &[Part], param: &str) -> Result<Vec<Value>, Inexpressible> {
    let plain = |part: &Part| matches!(part.kind, PartKind::Text { .. });
    match parts.iter().position(|part| !plain(part)) {
        Some(at) => {
            Err(Inexpressible::new(format!("{param}[{at}]"), "system messages hold text only"))
        }
        None => blocks(parts, param),
    }
}

/// The content of a message.
pub(super) fn blocks(parts: &[Part], param: &str) -> Result<Vec<Value>, Inexpressible> {
    let mut blocks = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        let Some(mut block) = block(&part.kind, &format!("{param}[{index}]"))? else { continue };
        block.put_some("cache_control", part.cache_control.clone());
        blocks.push(block);
    }
    Ok(blocks)
}

/// `None` for empty text, which Anthropic refuses and which says nothing.
fn block(part: &PartKind, param: &str) -> Result<Option<Value>, Inexpressible> {
    Ok(match part {
        PartKind::Text { text } | PartKind::Refusal { refusal: text } => {
            (!text.is_empty()).then(|| json!({ "type": "text", "text": text }))
        }
        PartKind::ImageUrl { image_url } => {
            let param = format!("{param}.image_url.url");
            Some(media_block(Media::from_url(&image_url.url, &param)?, "image", &param)?)
        }
        PartKind::File { file } => Some(file_block(file, &format!("{param}.file"))?),
        PartKind::InputAudio { .. } => {
            let why = "Anthropic does not hear; send a transcript as text";
            return Err(Inexpressible::new(format!("{param}.input_audio"), why));
        }
    })
}

fn file_block(file: &File, param: &str) -> Result<Value, Inexpressible> {
    let mut block = match (&file.file_data, &file.file_id) {
        (Some(data), _) => {
            let param = format!("{param}.file_data");
            let media = Media::from_file(data, file.filename.as_deref(), &param)?;
            media_block(media, "document", &param)?
        }
        (None, Some(id)) if id.starts_with("file_") => {
            json!({ "type": "document", "source": { "type": "file", "file_id": id } })
        }
        _ => {
            let why = "must hold `file_data`, or the `file_id` of a file at Anthropic";
            return Err(Inexpressible::new(param, why));
        }
    };
    if block.get("type").is_some_and(|kind| kind == "document") {
        block.put_some("title", file.filename.clone());
    }
    Ok(block)
}

/// `remote` is the kind of block for a URL, whose media type is not known.
fn media_block(media: Media, remote: &str, param: &str) -> Result<Value, Inexpressible> {
    let (media_type, base64) = match media {
        Media::Remote { media_type, url } => {
            let image = media_type.is_some_and(|known| known.starts_with("image/"));
            let kind = if image { "image" } else { remote };
            return Ok(json!({ "type": kind, "source": { "type": "url", "url": url } }));
        }
        Media::Inline { media_type, base64 } => (media_type, base64),
    };
    let kind = match media_type.as_str() {
        "application/pdf" => "document",
        image if image.starts_with("image/") => "image",
        text if text.starts_with("text/") || text == "application/json" => {
            let text = STANDARD.decode(&base64).ok().and_then(|text| String::from_utf8(text).ok());
            let wrong = || Inexpressible::new(param, "must be UTF-8 text in base64");
            let source = json!({
                "type": "text", "media_type": "text/plain", "data": text.ok_or_else(wrong)?,
            });
            return Ok(json!({ "type": "document", "source": source }));
        }
        _ => return Err(Inexpressible::new(param, "Anthropic takes images, PDF and text only")),
    };
    let source = json!({ "type": "base64", "media_type": media_type, "data": base64 });
    Ok(json!({ "type": kind, "source": source }))
}

/// A message of the model: thoughts first, then words, then calls.
pub(super) fn assistant_blocks(said: &Assistant, param: &str) -> Result<Vec<Value>, Inexpressible> {
    let pieces = pieces_of(FORMAT, said.reasoning.clone());
    let mut all: Vec<Value> = pieces.into_iter().filter_map(thinking_block).collect();
    all.append(&mut blocks(&said.content, param)?);
    all.extend(said.tool_calls.iter().map(|call| {
        json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments })
    }));
    Ok(all)
}

/// Anthropic refuses thoughts without its own seal.
fn thinking_block(piece: Detail) -> Option<Value> {
    match piece.kind {
        DetailKind::Text => {
            let text = piece.text.unwrap_or_default();
            Some(json!({ "type": "thinking", "thinking": text, "signature": piece.signature? }))
        }
        DetailKind::Encrypted => Some(json!({ "type": "redacted_thinking", "data": piece.data? })),
        DetailKind::Summary => None,
    }
}

/// The mark of the prompt cache moves from the content to the result: inside it is not accepted.
pub(super) fn tool_result(call_id: &str, mut content: Vec<Value>) -> Value {
    let mut mark = None;
    for block in content.iter_mut().filter_map(Value::as_object_mut) {
        mark = block.remove("cache_control").or(mark);
    }
    let mut result = json!({ "type": "tool_result", "tool_use_id": call_id });
    result.put_list("content", content);
    result.put_some("cache_control", mark);
    result
}
