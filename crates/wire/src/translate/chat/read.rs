//! Reading a request, field by field, so that what is wrong can be named.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    Assistant, Format, Function, Message, Part, PartKind, Request, Tool, ToolCall, ToolChoice,
};
use crate::translate::Inexpressible;

/// Fields that mean something to OpenAI only, or to Kijun; they go no further:
/// - `model`, `stream`, `stream_options`: said to the vendor in its own way;
/// - `store`, `metadata`, `moderation`: about what OpenAI keeps or checks on its side;
/// - `prompt_cache_key`, `prompt_cache_retention`, `prompt_cache_options`, `prediction`: hints that
///   change cost or speed, not the answer;
/// - `logit_bias`: names tokens of OpenAI's vocabularies;
/// - `verbosity`: a hint that no other vendor takes.
const DROPPED: [&str; 12] = [
    "model",
    "stream",
    "stream_options",
    "store",
    "metadata",
    "moderation",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "prediction",
    "logit_bias",
    "verbosity",
];

/// Fields whose loss would change the answer behind the client's back, and what to use instead.
const REFUSED: [(&str, &str); 4] = [
    ("functions", "use `tools`"),
    ("function_call", "use `tool_choice`"),
    ("audio", "this provider gives no sound in its answers"),
    ("web_search_options", "put the provider's own search tool into `tools`"),
];

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// [`Inexpressible`] when it is no Chat Completions request, or asks for what no vendor here
    /// can do.
    pub fn read(body: &[u8]) -> Result<Self, Inexpressible> {
        let mut fields: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|_| Inexpressible::new("body", "must be a JSON object"))?;
        // `null` is as good as absent at OpenAI, and an error at others.
        fields.retain(|_, value| !value.is_null());
        for (field, instead) in REFUSED {
            if fields.contains_key(field) {
                return Err(Inexpressible::new(field, instead));
            }
        }
        for field in DROPPED {
            fields.remove(field);
        }
        let modalities: Vec<String> =
            take(&mut fields, "modalities", "a list of names")?.unwrap_or_default();
        if modalities.iter().any(|modality| modality != "text") {
            return Err(Inexpressible::new("modalities", "this provider answers in text only"));
        }
        let messages: Vec<Value> =
            take(&mut fields, "messages", "a list of messages")?.unwrap_or_default();
        let tools: Vec<Value> = take(&mut fields, "tools", "a list of tools")?.unwrap_or_default();
        let mut tools = read_each(tools, "tools", read_tool)?;
        let tool_choice = fields.remove("tool_choice").unwrap_or_default();
        let tool_choice = read_tool_choice(&tool_choice, &mut tools)?;
        let format = read_format(fields.remove("response_format").unwrap_or_default())?;
        let stop = read_stop(fields.remove("stop").unwrap_or_default())?;
        let user = take(&mut fields, "user", "a string")?;
        let fields = &mut fields;
        Ok(Self {
            messages: read_each(messages, "messages", read_message)?,
            tools,
            tool_choice,
            parallel_tool_calls: take(fields, "parallel_tool_calls", "true or false")?,
            format,
            stop,
            effort: take(fields, "reasoning_effort", EFFORTS)?,
            max_tokens: take_max_tokens(fields)?,
            temperature: take(fields, "temperature", "a number")?,
            top_p: take(fields, "top_p", "a number")?,
            frequency_penalty: take(fields, "frequency_penalty", "a number")?,
            presence_penalty: take(fields, "presence_penalty", "a number")?,
            seed: take(fields, "seed", "a whole number")?,
            n: take(fields, "n", "a whole number")?,
            logprobs: take(fields, "logprobs", "true or false")?.unwrap_or(false),
            top_logprobs: take(fields, "top_logprobs", "a whole number")?,
            end_user: take(fields, "safety_identifier", "a string")?.or(user),
            service_tier: take(fields, "service_tier", "a string")?,
            rest: std::mem::take(fields),
        })
    }
}

const EFFORTS: &str = "one of none, minimal, low, medium, high, xhigh, max";

/// Takes a field out of an object; `null` counts as absent.
fn take<T: DeserializeOwned>(
    fields: &mut Map<String, Value>,
    name: &str,
    wanted: &str,
) -> Result<Option<T>, Inexpressible> {
    fields
        .remove(name)
        .filter(|value| !value.is_null())
        .map(|value| read(value, name, wanted))
        .transpose()
}

/// The errors of serde quote what they read, which may be content; ours say what was wanted.
fn read<T: DeserializeOwned>(value: Value, param: &str, wanted: &str) -> Result<T, Inexpressible> {
    serde_json::from_value(value)
        .map_err(|_| Inexpressible::new(param, format!("must be {wanted}")))
}

fn read_each<T>(
    values: Vec<Value>,
    param: &str,
    read: impl Fn(Value, &str) -> Result<T, Inexpressible>,
) -> Result<Vec<T>, Inexpressible> {
    let each = values.into_iter().enumerate();
    each.map(|(index, value)| read(value, &format!("{param}[{index}]"))).collect()
}

fn take_max_tokens(fields: &mut Map<String, Value>) -> Result<Option<u64>, Inexpressible> {
    let old = take(fields, "max_tokens", "a whole number")?;
    Ok(take(fields, "max_completion_tokens", "a whole number")?.or(old))
}

fn read_message(value: Value, param: &str) -> Result<Message, Inexpressible> {
    let mut fields: Map<String, Value> = read(value, param, "an object")?;
    let content = fields.remove("content").unwrap_or_default();
    let content = read_content(content, &format!("{param}.content"))?;
    match fields.get("role").and_then(Value::as_str) {
        Some("system" | "developer") => Ok(Message::System(content)),
        Some("user") => Ok(Message::User(content)),
        Some("assistant") => read_assistant(fields, content, param).map(Message::Assistant),
        Some("tool") => {
            let id = fields.remove("tool_call_id").unwrap_or_default();
            let call_id = read(id, &format!("{param}.tool_call_id"), "a string")?;
            Ok(Message::Tool { call_id, content })
        }
        _ => Err(Inexpressible::new(
            format!("{param}.role"),
            "must be system, developer, user, assistant or tool",
        )),
    }
}

fn read_content(value: Value, param: &str) -> Result<Vec<Part>, Inexpressible> {
    let wanted = "a text, image_url, input_audio, file or refusal part";
    match value {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => {
            Ok(vec![Part { kind: PartKind::Text { text }, cache_control: None }])
        }
        Value::Array(parts) => read_each(parts, param, |part, param| read(part, param, wanted)),
        _ => Err(Inexpressible::new(param, "must be a string or a list of parts")),
    }
}

fn read_assistant(
    mut fields: Map<String, Value>,
    mut content: Vec<Part>,
    param: &str,
) -> Result<Assistant, Inexpressible> {
    for (field, instead) in [
        ("function_call", "use `tool_calls`"),
        ("audio", "this provider has no earlier sound to refer to; send its transcript as text"),
    ] {
        if fields.get(field).is_some_and(|value| !value.is_null()) {
            return Err(Inexpressible::new(format!("{param}.{field}"), instead));
        }
    }
    let refusal: Option<String> = take(&mut fields, "refusal", "a string")?;
    if let Some(refusal) = refusal.filter(|_| content.is_empty()) {
        content.push(Part { kind: PartKind::Refusal { refusal }, cache_control: None });
    }
    let calls: Vec<Value> =
        take(&mut fields, "tool_calls", "a list of tool calls")?.unwrap_or_default();
    let reasoning =
        take(&mut fields, "reasoning_details", "a list as it was answered").map_err(|_| {
            Inexpressible::new(format!("{param}.reasoning_details"), "must be as it was answered")
        })?;
    Ok(Assistant {
        content,
        reasoning: reasoning.unwrap_or_default(),
        tool_calls: read_each(calls, &format!("{param}.tool_calls"), read_tool_call)?,
    })
}

fn read_tool_call(value: Value, param: &str) -> Result<ToolCall, Inexpressible> {
    #[derive(Deserialize)]
    struct Call {
        id: String,
        function: Function,
        extra_content: Option<Value>,
    }
    #[derive(Deserialize)]
    struct Function {
        name: String,
        arguments: String,
    }
    let call: Call = read(value, param, "a function call with `id`, `name` and `arguments`")?;
    let text = call.function.arguments.trim();
    // Models give no text at all for a tool without parameters.
    let arguments =
        serde_json::from_str(if text.is_empty() { "{}" } else { text }).map_err(|_| {
            Inexpressible::new(
                format!("{param}.function.arguments"),
                "must be the text of a JSON object; this provider takes arguments as an object",
            )
        })?;
    let signature = call
        .extra_content
        .and_then(|extra| Some(extra.pointer("/google/thought_signature")?.as_str()?.to_owned()));
    Ok(ToolCall { id: call.id, name: call.function.name, arguments, signature })
}

fn read_tool(value: Value, param: &str) -> Result<Tool, Inexpressible> {
    if value.get("custom").is_some() {
        let why = "custom tools are OpenAI's own; use a function with one string parameter";
        return Err(Inexpressible::new(param, why));
    }
    if value.get("type").and_then(Value::as_str) != Some("function") {
        return Ok(Tool::Native(value));
    }
    let mut fields: Map<String, Value> = read(value, param, "an object")?;
    let function = fields.remove("function").unwrap_or_default();
    let wanted = "an object with a `name`";
    let mut function: Function = read(function, &format!("{param}.function"), wanted)?;
    function.cache_control = fields.remove("cache_control");
    Ok(Tool::Function(function))
}

fn read_tool_choice(
    value: &Value,
    tools: &mut Vec<Tool>,
) -> Result<Option<ToolChoice>, Inexpressible> {
    let wrong = |why: &str| Err(Inexpressible::new("tool_choice", why));
    let mode = |name: Option<&str>| match name {
        Some("auto") => Ok(Some(ToolChoice::Auto)),
        Some("none") => Ok(Some(ToolChoice::None)),
        Some("required") => Ok(Some(ToolChoice::Required)),
        _ => wrong("must be auto, none, required, or a function by name"),
    };
    match value.get("type").and_then(Value::as_str) {
        None if value.is_null() => Ok(None),
        None => mode(value.as_str()),
        Some("function") => match value.pointer("/function/name").and_then(Value::as_str) {
            Some(name) => Ok(Some(ToolChoice::Named(name.to_owned()))),
            None => wrong("must name the function: {\"function\": {\"name\": …}}"),
        },
        // No vendor has the set as such; tools that may not be called need not be shown.
        Some("allowed_tools") => {
            let allowed = value.pointer("/allowed_tools/tools").and_then(Value::as_array);
            let names: Vec<&str> = allowed
                .into_iter()
                .flatten()
                .filter_map(|tool| tool.pointer("/function/name")?.as_str())
                .collect();
            tools.retain(|tool| match tool {
                Tool::Function(function) => names.contains(&function.name.as_str()),
                Tool::Native(_) => false,
            });
            mode(value.pointer("/allowed_tools/mode").and_then(Value::as_str))
        }
        Some(_) => wrong("must be auto, none, required, a function by name, or allowed_tools"),
    }
}

fn read_format(mut value: Value) -> Result<Format, Inexpressible> {
    match value.get("type").and_then(Value::as_str) {
        None if value.is_null() => Ok(Format::Text),
        Some("text") => Ok(Format::Text),
        Some("json_object") => Ok(Format::JsonObject),
        Some("json_schema") => match value.pointer_mut("/json_schema/schema") {
            Some(schema) => Ok(Format::JsonSchema(schema.take())),
            // OpenAI allows a schema without a body: any object fits it.
            None => Ok(Format::JsonObject),
        },
        _ => Err(Inexpressible::new(
            "response_format.type",
            "must be text, json_object or json_schema",
        )),
    }
}

fn read_stop(value: Value) -> Result<Vec<String>, Inexpressible> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::String(stop) => Ok(vec![stop]),
        list => read(list, "stop", "a string or a list of strings"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: &Value) -> Result<Request, Inexpressible> {
        Request::read(body.to_string().as_bytes())
    }

    #[test]
    fn what_is_wrong_is_named_and_never_quoted() {
        let cases = [
            (json!({"messages": [{"role": "user"}, {"role": "SECRET"}]}), "messages[1].role"),
            (json!({"messages": [{"role": "user", "content": 7}]}), "messages[0].content"),
            (
                json!({"messages": [{"role": "user", "content": [{"type": "SECRET"}]}]}),
                "messages[0].content[0]",
            ),
            (json!({"messages": [{"role": "tool"}]}), "messages[0].tool_call_id"),
            (
                json!({"messages": [{"role": "assistant", "tool_calls": [
                    {"id": "a", "function": {"name": "f", "arguments": "{\"SECRET\""}}]}]}),
                "messages[0].tool_calls[0].function.arguments",
            ),
            (json!({"temperature": "SECRET"}), "temperature"),
            (json!({"reasoning_effort": "SECRET"}), "reasoning_effort"),
            (json!({"tools": [{"type": "custom", "custom": {}}]}), "tools[0]"),
            (json!({"tool_choice": "SECRET"}), "tool_choice"),
            (json!({"functions": []}), "functions"),
            (json!({"modalities": ["audio"]}), "modalities"),
        ];
        for (body, param) in cases {
            let wrong = read(&body).unwrap_err();
            assert_eq!(wrong.param, param);
            assert!(!wrong.to_string().contains("SECRET"), "{wrong}");
        }
    }

    #[test]
    fn null_is_absent_and_the_unknown_is_kept() {
        let request = read(&json!({
            "messages": [], "temperature": null, "store": true, "top_k": 5, "thinking": {"a": 1},
        }))
        .unwrap();
        assert_eq!(request.temperature, None);
        assert_eq!(Value::Object(request.rest), json!({"top_k": 5, "thinking": {"a": 1}}));
    }

    #[test]
    fn allowed_tools_are_the_only_ones_left() {
        let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
        let request = read(&json!({
            "messages": [],
            "tools": [tool("a"), tool("b")],
            "tool_choice": {"type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [tool("b")]}},
        }))
        .unwrap();
        assert_eq!(request.tool_choice, Some(ToolChoice::Required));
        let [Tool::Function(only)] = request.tools.as_slice() else { panic!("one tool is left") };
        assert_eq!(only.name, "b");
    }
}
