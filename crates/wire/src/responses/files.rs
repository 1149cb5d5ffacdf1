//! The files that items name: which they are, and how their bytes take the place of their ids.

use serde_json::{Map, Value};

/// The ids of the files that these items name, each once, in the order in which they are read.
pub fn file_ids(items: &[Value]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for part in items.iter().filter_map(parts).flatten().filter(|part| holds_file(part)) {
        let id = part.get("file_id").and_then(Value::as_str).filter(|id| !id.is_empty());
        if let Some(id) = id.filter(|id| !ids.iter().any(|known| known == id)) {
            ids.push(id.to_owned());
        }
    }
    ids
}

/// Puts a file's bytes in the place of its id, wherever these items name it.
pub fn inline_file(items: &mut [Value], file_id: &str, filename: &str, data_url: &str) {
    for part in items.iter_mut().filter_map(parts_mut).flatten() {
        if part.get("file_id").and_then(Value::as_str) != Some(file_id) || !holds_file(part) {
            continue;
        }
        let Value::Object(part) = part else { continue };
        part.shift_remove("file_id");
        if is(part, "input_image") {
            part.insert("image_url".to_owned(), data_url.into());
        } else {
            part.insert("filename".to_owned(), filename.into());
            part.insert("file_data".to_owned(), data_url.into());
        }
    }
}

/// The parts of a message, or of a tool's result.
fn parts(item: &Value) -> Option<&Vec<Value>> {
    item.get(place_of_parts(item)?)?.as_array()
}

fn parts_mut(item: &mut Value) -> Option<&mut Vec<Value>> {
    let place = place_of_parts(item)?;
    item.get_mut(place)?.as_array_mut()
}

fn place_of_parts(item: &Value) -> Option<&'static str> {
    match item.get("type")?.as_str()? {
        "message" => Some("content"),
        "function_call_output" | "custom_tool_call_output" => Some("output"),
        _ => None,
    }
}

fn holds_file(part: &Value) -> bool {
    part.as_object().is_some_and(|part| is(part, "input_file") || is(part, "input_image"))
}

fn is(part: &Map<String, Value>, kind: &str) -> bool {
    part.get("type").and_then(Value::as_str) == Some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_is_found_and_put_in_its_place() {
        let mut items = vec![
            json!({"type": "message", "role": "user", "content": [
                {"type": "input_file", "file_id": "file-a"},
                {"type": "input_image", "file_id": "file-b", "detail": "low"},
                {"type": "input_text", "text": "x", "file_id": "file-none"}]}),
            json!({"type": "function_call_output", "call_id": "c", "output": [
                {"type": "input_file", "file_id": "file-a"}]}),
            json!({"type": "function_call_output", "call_id": "d", "output": "text"}),
            json!({"type": "mystery", "content": [{"type": "input_file", "file_id": "file-c"}]}),
        ];
        assert_eq!(file_ids(&items), ["file-a", "file-b"]);
        inline_file(&mut items, "file-a", "a.txt", "data:text/plain;base64,YQ==");
        inline_file(&mut items, "file-b", "b.png", "data:image/png;base64,Yg==");
        assert_eq!(file_ids(&items), [""; 0]);
        let file = json!({"type": "input_file", "filename": "a.txt",
            "file_data": "data:text/plain;base64,YQ=="});
        assert_eq!(items[0]["content"][0], file);
        assert_eq!(items[1]["output"][0], file);
        assert_eq!(
            items[0]["content"][1],
            json!({"type": "input_image", "detail": "low",
                "image_url": "data:image/png;base64,Yg=="})
        );
        assert_eq!(items[0]["content"][2]["file_id"], "file-none");
    }
}
