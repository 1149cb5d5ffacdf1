//! Tools, and how they are to be used.

use serde_json::{Map, Value, json};

use super::super::tools::{Flat, ToolNames};
use super::unsayable;
use crate::error::ErrorBody;

/// Puts the tools that a chat can have into it, and how they are to be used.
pub(super) fn put(
    chat: &mut Map<String, Value>,
    tools: &[Flat<'_>],
    names: &ToolNames,
    choice: Option<&Value>,
) -> Result<(), ErrorBody> {
    let choice = Choice::read(choice, names)?;
    // No provider but OpenAI has the set as such; a tool that may not be called need not be shown.
    let allowed = |flat: &&Flat<'_>| match &choice.allowed {
        Some(allowed) => allowed.contains(&flat.name),
        None => true,
    };
    let shown: Vec<Value> = tools.iter().filter(allowed).map(tool).collect();
    let must_call = choice.mode.as_ref().is_some_and(|mode| mode != "auto" && mode != "none");
    if shown.is_empty() && must_call {
        let why = "a tool must be called, and of the tools here the provider of this model has \
                   none. Offer it functions.";
        return Err(unsayable("tool_choice", why));
    }
    if !shown.is_empty() {
        chat.insert("tools".to_owned(), shown.into());
        if let Some(mode) = choice.mode {
            chat.insert("tool_choice".to_owned(), mode);
        }
    }
    Ok(())
}

/// How tools are to be used, in a chat's words.
struct Choice {
    mode: Option<Value>,
    /// The names of the only tools that may be called.
    allowed: Option<Vec<String>>,
}

impl Choice {
    fn read(choice: Option<&Value>, names: &ToolNames) -> Result<Self, ErrorBody> {
        let Some(choice) = choice else { return Ok(Self { mode: None, allowed: None }) };
        let Some(kind) = text(choice, "type") else {
            return Ok(Self { mode: Some(choice.clone()), allowed: None });
        };
        match kind {
            "allowed_tools" => {
                let tools = choice.get("tools").and_then(Value::as_array).into_iter().flatten();
                let allowed = tools.filter_map(|tool| named(tool, names)).collect();
                let mode = choice.get("mode").cloned().unwrap_or_else(|| "auto".into());
                Ok(Self { mode: Some(mode), allowed: Some(allowed) })
            }
            _ => match named(choice, names) {
                Some(name) => {
                    let mode = json!({ "type": "function", "function": { "name": name } });
                    Ok(Self { mode: Some(mode), allowed: None })
                }
                None => {
                    let why = "it names a tool that only OpenAI itself has, and the provider of \
                               this model does not. Choose a function.";
                    Err(unsayable("tool_choice", why))
                }
            },
        }
    }
}

/// The name in the chat of the function or custom tool that is meant.
fn named(choice: &Value, names: &ToolNames) -> Option<String> {
    let name = text(choice, "name")
        .filter(|_| matches!(text(choice, "type"), Some("function" | "custom")))?;
    Some(names.in_chat(text(choice, "namespace"), name))
}

/// A tool as a chat's function.
fn tool(flat: &Flat<'_>) -> Value {
    let mut function = Map::new();
    function.insert("name".to_owned(), flat.name.as_str().into());
    if flat.custom {
        let description = custom_description(flat.tool);
        if !description.is_empty() {
            function.insert("description".to_owned(), description.into());
        }
        let input = json!({ "type": "string", "description": "The tool's whole input, as text." });
        function.insert(
            "parameters".to_owned(),
            json!({
                "type": "object",
                "properties": { "input": input },
                "required": ["input"],
                "additionalProperties": false,
            }),
        );
    } else {
        for name in ["description", "parameters", "strict"] {
            if let Some(value) = flat.tool.get(name).filter(|value| !value.is_null()) {
                function.insert(name.to_owned(), value.clone());
            }
        }
    }
    let mut tool = json!({ "type": "function", "function": function });
    if let (Some(mark), Value::Object(tool)) = (flat.tool.get("cache_control"), &mut tool) {
        tool.insert("cache_control".to_owned(), mark.clone());
    }
    tool
}

/// What a custom tool does and, where its input has a grammar, that it must follow it: nothing
/// enforces it here.
fn custom_description(tool: &Value) -> String {
    let mut description = text(tool, "description").unwrap_or_default().to_owned();
    let format = tool.get("format");
    let definition = format.and_then(|format| text(format, "definition"));
    if let Some(definition) = definition {
        let syntax = format.and_then(|format| text(format, "syntax")).unwrap_or("the following");
        if !description.is_empty() {
            description.push_str("\n\n");
        }
        description.push_str("The input must follow this grammar (");
        description.push_str(syntax);
        description.push_str("):\n");
        description.push_str(definition);
    }
    description
}

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field)?.as_str()
}
