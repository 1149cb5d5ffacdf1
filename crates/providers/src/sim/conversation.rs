//! A chat request as the sim understands it: who said what, the tools at hand, the form of the
//! answer.

use serde_json::Value;

use super::directive::Directives;
use super::request::{Fields, Wrong};
use super::tokens;
use super::turn::{self, Role, Turn};

/// A chat request.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) turns: Vec<Turn>,
    pub(super) directives: Directives,
    pub(super) tools: Vec<Tool>,
    pub(super) tool_choice: ToolChoice,
    /// Whether several tools may be called at once.
    pub(super) parallel: bool,
    pub(super) format: Format,
    pub(super) max_tokens: Option<u64>,
    pub(super) stop: Vec<String>,
    /// How many choices are asked for.
    pub(super) n: u64,
    /// Whether log probabilities are asked for, and of how many tokens in each place.
    pub(super) top_logprobs: Option<usize>,
    pub(super) reasons: bool,
    pub(super) includes_usage: bool,
    pub(super) prompt_tokens: u64,
}

#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: String,
    /// The JSON schema of its arguments; `None` for a custom tool, which takes any text.
    pub(super) parameters: Option<Value>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum ToolChoice {
    None,
    Auto,
    Required,
    Named(String),
}

/// What the answer's text must be.
#[derive(Debug)]
pub(super) enum Format {
    Text,
    JsonObject,
    JsonSchema(Value),
}

/// Tokens that every message costs beside its text.
const PER_MESSAGE: u64 = 3;
/// Tokens that an image, a file or a sound costs, whatever its size.
const PER_ATTACHMENT: u64 = 85;

impl Conversation {
    /// Reads the body of a chat request.
    pub(super) fn read(body: &Value) -> Result<Self, Wrong> {
        let fields = Fields::of(body)?;
        let mut turns = turn::messages(fields.required("messages")?)?;
        let mut directives = Directives::default();
        let last_user = turns.iter().rposition(|turn| turn.role == Role::User);
        for (at, turn) in turns.iter_mut().enumerate() {
            if turn.role == Role::System || Some(at) == last_user {
                turn.text = directives.take_from(&turn.text)?;
            }
        }
        let mut tools = tools(fields)?;
        let tool_choice = tool_choice(fields, &mut tools)?;
        Ok(Self {
            directives,
            tool_choice,
            parallel: fields.flag("parallel_tool_calls")?.unwrap_or(true),
            format: format(fields)?,
            max_tokens: match fields.number("max_completion_tokens", 1..=u64::MAX)? {
                None => fields.number("max_tokens", 1..=u64::MAX)?,
                most => most,
            },
            stop: fields.stop()?,
            n: fields.number("n", 1..=128)?.unwrap_or(1),
            top_logprobs: top_logprobs(fields)?,
            reasons: fields.text("reasoning_effort")?.is_some_and(|effort| effort != "none"),
            includes_usage: fields.includes_usage(),
            prompt_tokens: prompt_tokens(&turns, fields.get("tools")),
            turns,
            tools,
        })
    }

    /// The last message of a user.
    pub(super) fn question(&self) -> Option<&Turn> {
        self.turns.iter().rfind(|turn| turn.role == Role::User)
    }

    /// What tools answered since the user last spoke.
    pub(super) fn tool_results(&self) -> impl Iterator<Item = &str> {
        let since = self.turns.iter().rposition(|turn| turn.role == Role::User);
        self.turns
            .iter()
            .skip(since.map_or(0, |at| at + 1))
            .filter(|turn| turn.role == Role::Tool)
            .map(|turn| turn.text.as_str())
    }
}

fn tools(fields: Fields<'_>) -> Result<Vec<Tool>, Wrong> {
    let wrong = |param: &str| {
        Wrong::new(
            param,
            format!("`{param}` must be {{\"type\": \"function\", \"function\": {{\"name\": …}}}}"),
        )
    };
    let Some(list) = fields.get("tools") else { return Ok(Vec::new()) };
    let list = list.as_array().ok_or_else(|| Wrong::new("tools", "`tools` must be a list"))?;
    let tool = |(at, tool): (usize, &Value)| {
        let name = |kind: &str| tool.get(kind)?.get("name")?.as_str().map(str::to_owned);
        if let Some(name) = name("custom") {
            return Ok(Tool { name, parameters: None });
        }
        let name = name("function").ok_or_else(|| wrong(&format!("tools[{at}]")))?;
        let parameters = tool.pointer("/function/parameters").filter(|schema| !schema.is_null());
        let parameters =
            parameters.cloned().unwrap_or_else(|| serde_json::json!({"type": "object"}));
        Ok(Tool { name, parameters: Some(parameters) })
    };
    list.iter().enumerate().map(tool).collect()
}

/// Which tool must be called. `allowed_tools` leaves only those that it names.
fn tool_choice(fields: Fields<'_>, tools: &mut Vec<Tool>) -> Result<ToolChoice, Wrong> {
    let wrong = |message: String| Wrong::new("tool_choice", message);
    let Some(choice) = fields.get("tool_choice") else { return Ok(ToolChoice::Auto) };
    let named = |of: &Value| -> Option<String> {
        let name = of.pointer("/function/name").or_else(|| of.pointer("/custom/name"));
        name.and_then(Value::as_str).map(str::to_owned)
    };
    let (mode, allowed) = match choice {
        Value::String(mode) => (mode.as_str(), None),
        choice => match (choice.get("allowed_tools"), named(choice)) {
            (Some(allowed), _) => (
                allowed.get("mode").and_then(Value::as_str).unwrap_or("auto"),
                allowed.get("tools").and_then(Value::as_array),
            ),
            (None, Some(name)) if tools.iter().any(|tool| tool.name == name) => {
                return Ok(ToolChoice::Named(name));
            }
            (None, Some(name)) => return Err(wrong(format!("no tool is named `{name}`"))),
            (None, None) => return Err(wrong("`tool_choice` must name a tool".to_owned())),
        },
    };
    if let Some(allowed) = allowed {
        let allowed: Vec<String> = allowed.iter().filter_map(named).collect();
        tools.retain(|tool| allowed.contains(&tool.name));
    }
    match mode {
        "none" => Ok(ToolChoice::None),
        "auto" => Ok(ToolChoice::Auto),
        "required" | "any" if !tools.is_empty() => Ok(ToolChoice::Required),
        "required" | "any" => Err(wrong("a tool is required, but `tools` holds none".to_owned())),
        _ => Err(wrong("`tool_choice` must be none, auto, required or a tool".to_owned())),
    }
}

fn format(fields: Fields<'_>) -> Result<Format, Wrong> {
    let Some(format) = fields.get("response_format") else { return Ok(Format::Text) };
    match format.get("type").and_then(Value::as_str) {
        Some("text") => Ok(Format::Text),
        Some("json_object") => Ok(Format::JsonObject),
        Some("json_schema") => match format.pointer("/json_schema/schema") {
            Some(schema) => Ok(Format::JsonSchema(schema.clone())),
            None => {
                let param = "response_format.json_schema.schema";
                Err(Wrong::new(param, format!("`{param}` is required")))
            }
        },
        _ => Err(Wrong::new(
            "response_format.type",
            "`response_format.type` must be text, json_object or json_schema",
        )),
    }
}

fn top_logprobs(fields: Fields<'_>) -> Result<Option<usize>, Wrong> {
    let wanted = fields.flag("logprobs")?.unwrap_or(false);
    match fields.number("top_logprobs", 0..=20)? {
        Some(top) if top > 0 && !wanted => {
            Err(Wrong::new("top_logprobs", "`top_logprobs` needs `logprobs` to be true"))
        }
        top => Ok(wanted.then(|| usize::try_from(top.unwrap_or(0)).unwrap_or(0))),
    }
}

fn prompt_tokens(turns: &[Turn], tools: Option<&Value>) -> u64 {
    let of_turns: u64 = turns
        .iter()
        .map(|turn| {
            let attachments = u64::try_from(turn.attachments.len()).unwrap_or(0);
            PER_MESSAGE + tokens::count(&turn.text) + PER_ATTACHMENT * attachments
        })
        .sum();
    of_turns + tools.map_or(0, |tools| tokens::count(&tools.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;
    use serde_json::json;

    fn param_of(body: &Value) -> Value {
        let failure = Failure::from(Conversation::read(body).unwrap_err());
        let said: Value = serde_json::from_slice(&failure.said.unwrap().body).unwrap();
        said["error"]["param"].clone()
    }

    #[test]
    fn directives_of_the_system_and_of_the_last_user_count() {
        let conversation = Conversation::read(&json!({"messages": [
            {"role": "system", "content": "sim: cached 7\nBe kind."},
            {"role": "user", "content": "sim: nonsense that is over"},
            {"role": "assistant", "content": "sim: nonsense"},
            {"role": "user", "content": [{"type": "text", "text": "sim: echo\nHello"}]},
        ]}))
        .unwrap();
        assert_eq!(conversation.directives.cached, 7);
        assert_eq!(conversation.question().unwrap().text, "Hello");
        assert_eq!(conversation.turns[0].text, "Be kind.");
    }

    #[test]
    fn the_prompt_is_texts_and_attachments() {
        let conversation = Conversation::read(&json!({"messages": [{"role": "user", "content": [
            {"type": "text", "text": "Look:"},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            {"type": "file", "file": {"file_id": "file-1"}},
        ]}]}))
        .unwrap();
        assert_eq!(conversation.prompt_tokens, 3 + 1 + 2 * 85);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let hello = json!([{"role": "user", "content": "Hello"}]);
        assert_eq!(param_of(&json!({})), "messages");
        assert_eq!(param_of(&json!({"messages": []})), "messages");
        assert_eq!(param_of(&json!({"messages": [{"role": "robot"}]})), "messages[0].role");
        assert_eq!(param_of(&json!({"messages": [{"role": "user"}]})), "messages[0].content");
        let tool = json!([{"role": "tool", "content": "5"}]);
        assert_eq!(param_of(&json!({"messages": tool})), "messages[0].tool_call_id");
        assert_eq!(param_of(&json!({"messages": hello, "n": 0})), "n");
        assert_eq!(param_of(&json!({"messages": hello, "top_logprobs": 2})), "top_logprobs");
        assert_eq!(param_of(&json!({"messages": hello, "tools": [{}]})), "tools[0]");
        assert_eq!(param_of(&json!({"messages": hello, "tool_choice": "required"})), "tool_choice");
        let format = json!({"type": "json_schema"});
        assert_eq!(
            param_of(&json!({"messages": hello, "response_format": format})),
            "response_format.json_schema.schema"
        );
    }

    #[test]
    fn allowed_tools_leave_no_others() {
        let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
        let conversation = Conversation::read(&json!({
            "messages": [{"role": "user", "content": "Hello"}],
            "tools": [tool("a"), tool("b")],
            "tool_choice": {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [tool("b")]},
            },
        }))
        .unwrap();
        assert_eq!(conversation.tool_choice, ToolChoice::Required);
        assert_eq!(conversation.tools.len(), 1);
        assert_eq!(conversation.tools[0].name, "b");
    }

    #[test]
    fn only_results_since_the_question_count() {
        let conversation = Conversation::read(&json!({"messages": [
            {"role": "tool", "tool_call_id": "1", "content": "old"},
            {"role": "user", "content": "Again?"},
            {"role": "assistant", "tool_calls": []},
            {"role": "tool", "tool_call_id": "2", "content": "new"},
        ]}))
        .unwrap();
        assert_eq!(conversation.tool_results().collect::<Vec<_>>(), ["new"]);
    }
}
