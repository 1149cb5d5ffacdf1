//! The parts of messages and of tools' results.

use serde_json::{Map, Value, json};

use super::unsayable;
use crate::error::ErrorBody;

/// The content of a message of the user: a text, or parts.
pub(super) fn of_user(content: &Value, path: &str) -> Result<Value, ErrorBody> {
    let parts = parts(content, path)?;
    Ok(match parts.as_slice() {
        [] => "".into(),
        [one] if let Some(text) = plain_text(one) => text.into(),
        _ => parts.into(),
    })
}

/// The content of an instruction or of a tool's result: one text where it is all text, because
/// many servers take nothing else there.
pub(super) fn joined(content: &Value, path: &str) -> Result<Value, ErrorBody> {
    let parts = parts(content, path)?;
    let texts: Option<Vec<&str>> = parts.iter().map(plain_text).collect();
    Ok(match texts {
        Some(texts) => texts.join("\n").into(),
        None => parts.into(),
    })
}

/// What the model said in a message: its text, and its refusal.
pub(super) fn of_assistant(content: &Value, path: &str) -> Result<(String, String), ErrorBody> {
    let (mut said, mut refused) = (String::new(), String::new());
    if let Value::String(text) = content {
        said.push_str(text);
    }
    for (place, part) in content.as_array().into_iter().flatten().enumerate() {
        let field = |name: &str| part.get(name).and_then(Value::as_str).unwrap_or_default();
        match field("type") {
            "output_text" | "input_text" | "text" | "summary_text" => said.push_str(field("text")),
            "refusal" => refused.push_str(field("refusal")),
            _ => {
                let why = "what a model said can be text or a refusal only. Send other content \
                           in a message of the user.";
                return Err(unsayable(&format!("{path}[{place}]"), why));
            }
        }
    }
    Ok((said, refused))
}

fn parts(content: &Value, path: &str) -> Result<Vec<Value>, ErrorBody> {
    match content {
        Value::String(text) => Ok(vec![json!({ "type": "text", "text": text })]),
        Value::Array(parts) => {
            let parts = parts.iter().enumerate();
            parts.map(|(place, each)| part(each, &format!("{path}[{place}]"))).collect()
        }
        _ => Ok(Vec::new()),
    }
}

fn part(part: &Value, path: &str) -> Result<Value, ErrorBody> {
    let field = |name: &str| part.get(name).filter(|value| !value.is_null());
    let text = |name: &str| json!({ "type": "text", "text": field(name).and_then(Value::as_str).unwrap_or_default() });
    let mut said = match field("type").and_then(Value::as_str).unwrap_or_default() {
        "input_text" | "output_text" | "text" | "summary_text" => text("text"),
        "refusal" => text("refusal"),
        "input_image" | "computer_screenshot" => image(part, path)?,
        "input_file" => file(part, path)?,
        "input_audio" => json!({ "type": "input_audio", "input_audio": field("input_audio") }),
        _ => {
            let why = "the provider of this model takes text, images, files and sound only";
            return Err(unsayable(path, why));
        }
    };
    if let (Some(mark), Value::Object(said)) = (field("cache_control"), &mut said) {
        said.insert("cache_control".to_owned(), mark.clone());
    }
    Ok(said)
}

fn image(part: &Value, path: &str) -> Result<Value, ErrorBody> {
    let Some(url) = part.get("image_url").and_then(Value::as_str) else {
        let why = "the image must be there as 'image_url', a URL or a `data:` URL";
        return Err(unsayable(path, why));
    };
    let mut image = Map::new();
    image.insert("url".to_owned(), url.into());
    // A chat has no word for the image as it is; the finest that it has is next to it.
    let detail = match part.get("detail").and_then(Value::as_str) {
        Some("original") => Some("high"),
        Some("auto") | None => None,
        detail => detail,
    };
    if let Some(detail) = detail {
        image.insert("detail".to_owned(), detail.into());
    }
    Ok(json!({ "type": "image_url", "image_url": image }))
}

fn file(part: &Value, path: &str) -> Result<Value, ErrorBody> {
    let text = |name: &str| part.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut file = Map::new();
    // What stands behind a URL is fetched by the provider, from the same field.
    let data = text("file_data").or_else(|| text("file_url"));
    for (name, value) in
        [("filename", text("filename")), ("file_data", data), ("file_id", text("file_id"))]
    {
        if let Some(value) = value {
            file.insert(name.to_owned(), value.into());
        }
    }
    if data.is_none() && !file.contains_key("file_id") {
        let why = "the file must be there as 'file_data', 'file_url' or 'file_id'";
        return Err(unsayable(path, why));
    }
    Ok(json!({ "type": "file", "file": file }))
}

/// The text of a part that is nothing but text.
fn plain_text(part: &Value) -> Option<&str> {
    part.get("text").filter(|_| part.get("cache_control").is_none())?.as_str()
}
