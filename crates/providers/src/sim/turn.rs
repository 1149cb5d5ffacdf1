//! One message of a conversation: who said it, its text, and in words what came beside the text.

use serde_json::Value;

use super::request::Wrong;

/// One message, without its directives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) role: Role,
    pub(super) text: String,
    /// What came beside the text, in words.
    pub(super) attachments: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    System,
    User,
    Assistant,
    Tool,
}

/// The messages of a request, in their order.
pub(super) fn messages(list: &Value) -> Result<Vec<Turn>, Wrong> {
    let list = list.as_array().filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| {
        Wrong::new("messages", "`messages` must be a list of at least one message")
    })?;
    list.iter().enumerate().map(|(at, message)| turn(message, &format!("messages[{at}]"))).collect()
}

fn turn(message: &Value, place: &str) -> Result<Turn, Wrong> {
    let role = match message.get("role").and_then(Value::as_str) {
        Some("system" | "developer") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("tool" | "function") => Role::Tool,
        _ => {
            let known = "system, developer, user, assistant, tool or function";
            return Err(Wrong::new(
                format!("{place}.role"),
                format!("`{place}.role` must be {known}"),
            ));
        }
    };
    if message.get("role").and_then(Value::as_str) == Some("tool")
        && !message.get("tool_call_id").is_some_and(Value::is_string)
    {
        let param = format!("{place}.tool_call_id");
        let message = format!("`{param}` must name the call that the tool answers");
        return Err(Wrong::new(param, message));
    }
    let mut turn = Turn { role, text: String::new(), attachments: Vec::new() };
    match message.get("content") {
        Some(Value::String(text)) => turn.text.clone_from(text),
        Some(Value::Array(parts)) => {
            for part in parts {
                add_part(&mut turn, part);
            }
        }
        None | Some(Value::Null) if role == Role::Assistant => {}
        _ => {
            let param = format!("{place}.content");
            let message = format!("`{param}` must be a string or a list of parts");
            return Err(Wrong::new(param, message));
        }
    }
    Ok(turn)
}

/// Text is added to the text; everything else is described.
fn add_part(turn: &mut Turn, part: &Value) {
    let text = |pointer: &str| part.pointer(pointer).and_then(Value::as_str);
    let attachment = match text("/type") {
        Some("text" | "refusal") => {
            let words = text("/text").or_else(|| text("/refusal")).unwrap_or_default();
            if !turn.text.is_empty() {
                turn.text.push('\n');
            }
            turn.text.push_str(words);
            return;
        }
        Some("image_url") => format!("an image {}", described(text("/image_url/url"))),
        Some("input_audio") => {
            let format = text("/input_audio/format").unwrap_or("unknown format");
            let bytes = decoded_len(text("/input_audio/data").unwrap_or_default());
            format!("a sound ({format}, {bytes} bytes)")
        }
        Some("file") => {
            let name = text("/file/filename").map(|name| format!(" named {name}"));
            let content = match text("/file/file_id") {
                Some(id) => format!("(by its id, {id})"),
                None => described(text("/file/file_data")),
            };
            format!("a file{} {content}", name.unwrap_or_default())
        }
        Some(other) => format!("a part of type {other}"),
        None => "a part of no type".to_owned(),
    };
    turn.attachments.push(attachment);
}

/// Media type and size of a data URL; of any other address, that it was not opened.
fn described(url: Option<&str>) -> String {
    let url = url.unwrap_or_default();
    let Some((kind, data)) = url.strip_prefix("data:").and_then(|rest| rest.split_once(',')) else {
        return match url.contains("://") {
            true => "(by its address, which was not opened)".to_owned(),
            false => format!("({} bytes)", decoded_len(url)),
        };
    };
    let (media, base64) = match kind.strip_suffix(";base64") {
        Some(media) => (media, true),
        None => (kind, false),
    };
    format!("({media}, {} bytes)", if base64 { decoded_len(data) } else { data.len() })
}

/// How many bytes base64 text stands for.
fn decoded_len(base64: &str) -> usize {
    base64.trim_end_matches('=').len() * 3 / 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_comes_beside_the_text_is_described() {
        let turns = messages(&json!([{"role": "user", "content": [
            {"type": "text", "text": "Look:"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0="}},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            {"type": "file", "file": {
                "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg==",
            }},
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "input_audio", "input_audio": {"format": "wav", "data": "UklGRg=="}},
            {"type": "hologram"},
        
        ]}]))
        .unwrap();
        assert_eq!(
            turns[0].attachments,
            [
                "an image (image/png, 5 bytes)",
                "an image (by its address, which was not opened)",
                "a file named a.pdf (application/pdf, 4 bytes)",
                "a file (by its id, file-1)",
                "a sound (wav, 4 bytes)",
                "a part of type hologram",
            ]
        );
        assert_eq!(turns[0].text, "Look:");
    }
}
