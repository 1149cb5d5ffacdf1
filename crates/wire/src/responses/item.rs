//! Items: what a response reads and what it says. Here those that clients send get the one shape
//! in which everything behind this file finds them.

use serde_json::{Map, Value, json};

use crate::envelope::check::{kind_of, missing, unsupported, wrong_type};
use crate::error::ErrorBody;

/// What private knowledge of ours an item carries inside the process.
pub const PRIVATE: &str = "kijun";

/// The roles of messages.
const ROLES: [&str; 4] = ["assistant", "system", "developer", "user"];

/// By type: what ids begin with, and whether items of it have a status.
const KINDS: [(&str, &str, bool); 27] = [
    ("message", "msg_", true),
    ("function_call", "fc_", true),
    ("function_call_output", "fco_", true),
    ("custom_tool_call", "ctc_", true),
    ("custom_tool_call_output", "ctco_", true),
    ("reasoning", "rs_", false),
    ("compaction", "cmp_", false),
    ("web_search_call", "ws_", true),
    ("file_search_call", "fs_", true),
    ("computer_call", "cu_", true),
    ("computer_call_output", "cuo_", true),
    ("code_interpreter_call", "ci_", true),
    ("image_generation_call", "ig_", true),
    ("local_shell_call", "lsh_", true),
    ("local_shell_call_output", "lsho_", true),
    ("shell_call", "sh_", true),
    ("shell_call_output", "sho_", true),
    ("apply_patch_call", "apc_", true),
    ("apply_patch_call_output", "apco_", true),
    ("tool_search_call", "tsc_", true),
    ("tool_search_output", "tso_", true),
    ("program_output", "po_", true),
    ("mcp_list_tools", "mcpl_", false),
    ("mcp_call", "mcp_", true),
    ("mcp_approval_request", "mcpr_", false),
    ("mcp_approval_response", "mcpa_", false),
    ("additional_tools", "at_", false),
];

/// What ids of items of a type that is not known begin with.
const UNKNOWN: &str = "item_";

/// Checks one item that a client sends, and gives it its shape: the short forms of messages become
/// the long one. An item of a type that is not known passes as it is. `path` is where it stands.
///
/// # Errors
/// The 400 that OpenAI would answer.
pub fn normalise(item: Value, path: &str) -> Result<Value, ErrorBody> {
    let mut item = match item {
        Value::Object(item) => item,
        other => return Err(wrong_type(path, "an object", kind_of(&other))),
    };
    item.remove(PRIVATE);
    let kind = match item.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        None | Some(Value::Null) => {
            let kind = implied(&item).ok_or_else(|| missing(&format!("{path}.type")))?;
            item.shift_remove("type");
            item.shift_insert(0, "type".to_owned(), kind.into());
            kind.to_owned()
        }
        Some(other) => {
            return Err(wrong_type(&format!("{path}.type"), "a string", kind_of(other)));
        }
    };
    let required: &[&str] = match kind.as_str() {
        "message" => return message(item, path).map(Value::Object),
        "function_call" => &["call_id", "name", "arguments"],
        "custom_tool_call" => &["call_id", "name", "input"],
        "function_call_output" | "custom_tool_call_output" => {
            output(&mut item, path)?;
            &["call_id"]
        }
        "item_reference" => &["id"],
        "compaction" => &["encrypted_content"],
        "reasoning" => {
            summary(&mut item, path)?;
            &[]
        }
        _ => &[],
    };
    for field in required {
        text(&item, field, path)?;
    }
    Ok(Value::Object(item))
}

/// What ids of items of this type begin with.
pub(super) fn id_prefix(kind: &str) -> &'static str {
    KINDS.iter().find(|(name, ..)| *name == kind).map_or(UNKNOWN, |(_, prefix, _)| prefix)
}

/// Gives every item an id, and a status where items of its type have one: the shape in which items
/// are listed and stored. `new_id` makes an id that begins with what it is given.
pub fn with_ids(items: &mut [Value], new_id: &mut dyn FnMut(&'static str) -> String) {
    for item in items {
        let Some(fields) = item.as_object_mut() else { continue };
        let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
        if kind == "item_reference" {
            continue;
        }
        let known = KINDS.iter().find(|(name, ..)| *name == kind);
        let (prefix, has_status) =
            known.map_or((UNKNOWN, false), |(_, prefix, status)| (prefix, *status));
        if fields.get("id").and_then(Value::as_str).is_none_or(str::is_empty) {
            fields.shift_remove("id");
            fields.shift_insert(0, "id".to_owned(), new_id(prefix).into());
        }
        if has_status && fields.get("status").is_none_or(Value::is_null) {
            fields.insert("status".to_owned(), "completed".into());
        }
    }
}

/// What stands for a compacted conversation where a model reads it, from a compaction's private
/// knowledge.
pub(super) fn compacted(private: Option<&Value>) -> Option<String> {
    let summary = private?.get("summary")?.as_str()?;
    Some(format!("A summary of the conversation up to here:\n\n{summary}"))
}

/// The type of an item that names none.
fn implied(item: &Map<String, Value>) -> Option<&'static str> {
    if item.contains_key("role") {
        return Some("message");
    }
    item.contains_key("id").then_some("item_reference")
}

fn message(mut item: Map<String, Value>, path: &str) -> Result<Map<String, Value>, ErrorBody> {
    let role = text(&item, "role", path)?;
    if !ROLES.contains(&role) {
        return Err(unsupported(&format!("{path}.role"), role, &ROLES));
    }
    let of_model = role == "assistant";
    let at = format!("{path}.content");
    let content = item.get_mut("content").ok_or_else(|| missing(&at))?;
    match content {
        Value::String(text) if of_model => {
            *content = json!([{
                "type": "output_text", "text": text, "annotations": [], "logprobs": [],
            }]);
        }
        Value::String(text) => *content = json!([{"type": "input_text", "text": text}]),
        Value::Array(parts) => check_parts(parts, &at)?,
        other => return Err(wrong_type(&at, "a string or an array of objects", kind_of(other))),
    }
    Ok(item)
}

/// A tool's result: a text, or parts.
fn output(item: &mut Map<String, Value>, path: &str) -> Result<(), ErrorBody> {
    let at = format!("{path}.output");
    match item.get_mut("output") {
        None => Err(missing(&at)),
        Some(Value::String(_)) => Ok(()),
        Some(Value::Array(parts)) => check_parts(parts, &at),
        Some(other) => Err(wrong_type(&at, "a string or an array of objects", kind_of(other))),
    }
}

/// Items of reasoning always have a summary, be it empty.
fn summary(item: &mut Map<String, Value>, path: &str) -> Result<(), ErrorBody> {
    match item.get("summary") {
        Some(Value::Array(_)) => Ok(()),
        None | Some(Value::Null) => {
            item.insert("summary".to_owned(), json!([]));
            Ok(())
        }
        Some(other) => {
            let at = format!("{path}.summary");
            Err(wrong_type(&at, "an array of objects", kind_of(other)))
        }
    }
}

fn check_parts(parts: &mut [Value], path: &str) -> Result<(), ErrorBody> {
    for (place, part) in parts.iter_mut().enumerate() {
        let at = format!("{path}[{place}]");
        let Value::Object(part) = part else {
            return Err(wrong_type(&at, "an object", kind_of(part)));
        };
        match text(part, "type", &at)? {
            "input_text" => {
                text(part, "text", &at)?;
            }
            "output_text" => {
                text(part, "text", &at)?;
                for list in ["annotations", "logprobs"] {
                    default(part, list, json!([]));
                }
            }
            "refusal" => {
                text(part, "refusal", &at)?;
            }
            "input_image" => default(part, "detail", "auto".into()),
            _ => {}
        }
    }
    Ok(())
}

/// A field that must be there and be a string.
fn text<'a>(fields: &'a Map<String, Value>, name: &str, path: &str) -> Result<&'a str, ErrorBody> {
    match fields.get(name) {
        Some(Value::String(text)) => Ok(text),
        None | Some(Value::Null) => Err(missing(&format!("{path}.{name}"))),
        Some(other) => Err(wrong_type(&format!("{path}.{name}"), "a string", kind_of(other))),
    }
}

fn default(fields: &mut Map<String, Value>, name: &str, value: Value) {
    let field = fields.entry(name).or_insert(Value::Null);
    if field.is_null() {
        *field = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(item: Value) -> Value {
        normalise(item, "input[0]").unwrap()
    }

    #[test]
    fn short_messages_become_long_ones() {
        assert_eq!(
            normal(json!({"role": "user", "content": "Hi."})),
            json!({"type": "message", "role": "user",
                "content": [{"type": "input_text", "text": "Hi."}]})
        );
        assert_eq!(
            normal(json!({"role": "assistant", "content": "Hi.", "phase": "commentary"})),
            json!({"type": "message", "role": "assistant", "phase": "commentary", "content": [
                {"type": "output_text", "text": "Hi.", "annotations": [], "logprobs": []}]})
        );
        let image = json!({"type": "message", "role": "user", "content": [
            {"type": "input_image", "image_url": "https://example.com/a.png"}]});
        assert_eq!(normal(image)["content"][0]["detail"], "auto");
        assert_eq!(normal(json!({"id": "msg_1"}))["type"], "item_reference");
    }

    #[test]
    fn the_unknown_passes_and_what_is_private_does_not() {
        let item = json!({"type": "mystery", "depth": 7, "kijun": {"provider": "p"}});
        assert_eq!(normal(item), json!({"type": "mystery", "depth": 7}));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (item, param) in [
            (json!("Hi."), "input[0]"),
            (json!({}), "input[0].type"),
            (json!({"type": 7}), "input[0].type"),
            (json!({"role": "tool", "content": "x"}), "input[0].role"),
            (json!({"role": "user"}), "input[0].content"),
            (json!({"role": "user", "content": {}}), "input[0].content"),
            (json!({"role": "user", "content": ["x"]}), "input[0].content[0]"),
            (
                json!({"role": "user", "content": [{"type": "input_text", "text": 1}]}),
                "input[0].content[0].text",
            ),
            (json!({"type": "function_call", "call_id": "c", "name": "f"}), "input[0].arguments"),
            (json!({"type": "function_call_output", "call_id": "c"}), "input[0].output"),
            (json!({"type": "function_call_output", "output": "x"}), "input[0].call_id"),
            (json!({"type": "reasoning", "summary": "x"}), "input[0].summary"),
            (json!({"type": "item_reference"}), "input[0].id"),
            (json!({"type": "compaction"}), "input[0].encrypted_content"),
        ] {
            let error = normalise(item.clone(), "input[0]").unwrap_err();
            assert_eq!(error.param.as_deref(), Some(param), "{item}");
        }
    }

    #[test]
    fn ids_and_statuses_are_given_where_they_lack() {
        let mut items = vec![
            json!({"type": "message", "role": "user", "content": []}),
            json!({"type": "function_call", "id": "fc_own", "status": "in_progress"}),
            json!({"type": "reasoning", "id": null, "summary": []}),
            json!({"type": "item_reference", "id": "msg_1"}),
            json!({"type": "mystery"}),
        ];
        let mut made = 0;
        with_ids(&mut items, &mut |prefix| {
            made += 1;
            format!("{prefix}{made}")
        });
        assert_eq!(
            Value::from(items),
            json!([
                {"id": "msg_1", "type": "message", "role": "user", "content": [],
                    "status": "completed"},
                {"type": "function_call", "id": "fc_own", "status": "in_progress"},
                {"id": "rs_2", "type": "reasoning", "summary": []},
                {"type": "item_reference", "id": "msg_1"},
                {"id": "item_3", "type": "mystery"},
            ])
        );
    }
}
