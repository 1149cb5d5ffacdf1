//! A Chat Completions request as a Messages request.

use serde_json::{Map, Number, Value, json};

use super::content::{assistant_blocks, blocks, text_blocks, tool_result};
use super::thinking::{Generation, Obstacles, Thinking};
use crate::translate::Inexpressible;
use crate::translate::chat::{Format, Function, Message, Request, Tool, ToolChoice};
use crate::translate::put::Put;

/// Anthropic has no mode for JSON of any shape.
const JSON_ONLY: &str =
    "Answer with one JSON object and nothing else: no words around it, no code fence.";

/// Translates a Chat Completions request.
///
/// # Errors
/// [`Inexpressible`] for what the Messages API cannot say.
pub fn request(body: &[u8], model: &str, stream: bool) -> Result<Vec<u8>, Inexpressible> {
    let request = Request::read(body)?;
    refuse(&request)?;
    let Conversation { mut system, turns, tools_used } = Conversation::read(&request.messages)?;
    if request.format == Format::JsonObject {
        system.push(json!({ "type": "text", "text": JSON_ONLY }));
    }
    let mut fields = Map::new();
    fields.put("model", model);
    fields.put_list("system", system);
    fields.put("messages", turns.iter().map(Turn::to_value).collect::<Value>());
    insert_tools(&mut fields, &request, tools_used);
    insert_sampling(&mut fields, &request, model, thoughts_lost(&turns));
    if stream {
        fields.put("stream", true);
    }
    let user = request.end_user.as_deref();
    fields.put_some("metadata", user.map(|user| json!({ "user_id": user })));
    fields.put_some("service_tier", request.service_tier.as_deref().map(service_tier));
    for (field, value) in request.rest {
        fields.entry(field).or_insert(value);
    }
    Ok(Value::Object(fields).to_string().into_bytes())
}

fn service_tier(tier: &str) -> &str {
    match tier {
        "auto" | "priority" => "auto",
        "default" | "flex" => "standard_only",
        own => own,
    }
}

fn refuse(request: &Request) -> Result<(), Inexpressible> {
    if request.n.is_some_and(|n| n != 1) {
        return Err(Inexpressible::new("n", "Anthropic gives one answer to a call; use 1"));
    }
    if request.logprobs {
        let why = "Anthropic gives no log probabilities; leave it out";
        return Err(Inexpressible::new("logprobs", why));
    }
    Ok(())
}

/// The conversation in Anthropic's order.
#[derive(Default)]
struct Conversation<'a> {
    system: Vec<Value>,
    turns: Vec<Turn>,
    /// Names of the tools that were called in it.
    tools_used: Vec<&'a str>,
}

/// Messages of one role in a row.
struct Turn {
    role: &'static str,
    blocks: Vec<Value>,
}

impl Turn {
    fn to_value(&self) -> Value {
        json!({ "role": self.role, "content": self.blocks })
    }
}

impl<'a> Conversation<'a> {
    fn read(messages: &'a [Message]) -> Result<Self, Inexpressible> {
        let mut conversation = Self::default();
        for (index, message) in messages.iter().enumerate() {
            let param = format!("messages[{index}].content");
            match message {
                Message::System(parts) => conversation.system.extend(text_blocks(parts, &param)?),
                Message::User(parts) => conversation.add("user", blocks(parts, &param)?),
                Message::Assistant(said) => {
                    conversation.tools_used.extend(said.tool_calls.iter().map(|c| c.name.as_str()));
                    conversation.add("assistant", assistant_blocks(said, &param)?);
                }
                Message::Tool { call_id, content } => {
                    let content = blocks(content, &param)?;
                    conversation.add("user", vec![tool_result(call_id, content)]);
                }
            }
        }
        if conversation.turns.is_empty() {
            let why = "must hold at least one message of the user with content";
            return Err(Inexpressible::new("messages", why));
        }
        Ok(conversation)
    }

    fn add(&mut self, role: &'static str, mut blocks: Vec<Value>) {
        match self.turns.last_mut() {
            _ if blocks.is_empty() => {}
            Some(turn) if turn.role == role => turn.blocks.append(&mut blocks),
            _ => self.turns.push(Turn { role, blocks }),
        }
    }
}

/// Whether the model's last turn called tools and comes back without the thoughts before them.
fn thoughts_lost(turns: &[Turn]) -> bool {
    let is = |block: &Value, kind: &str| block.get("type").is_some_and(|own| own == kind);
    let last = turns.iter().rev().find(|turn| turn.role == "assistant");
    last.is_some_and(|turn| {
        let thought = |block| is(block, "thinking") || is(block, "redacted_thinking");
        turn.blocks.iter().any(|block| is(block, "tool_use"))
            && !turn.blocks.first().is_some_and(thought)
    })
}

fn insert_tools(fields: &mut Map<String, Value>, request: &Request, mut used: Vec<&str>) {
    if request.tools.is_empty() {
        // Anthropic refuses a conversation with calls of tools that the request does not define.
        used.sort_unstable();
        used.dedup();
        if !used.is_empty() {
            let tool = |name| json!({ "name": name, "input_schema": { "type": "object" } });
            fields.put("tools", used.into_iter().map(tool).collect::<Value>());
            fields.put("tool_choice", json!({ "type": "none" }));
        }
        return;
    }
    fields.put("tools", request.tools.iter().map(tool).collect::<Value>());
    let one_call = request.parallel_tool_calls == Some(false);
    let mut choice = match &request.tool_choice {
        Some(ToolChoice::Auto) => json!({ "type": "auto" }),
        Some(ToolChoice::None) => json!({ "type": "none" }),
        Some(ToolChoice::Required) => json!({ "type": "any" }),
        Some(ToolChoice::Named(name)) => json!({ "type": "tool", "name": name }),
        None if one_call => json!({ "type": "auto" }),
        None => return,
    };
    if one_call && request.tool_choice != Some(ToolChoice::None) {
        choice.put("disable_parallel_tool_use", true);
    }
    fields.put("tool_choice", choice);
}

fn tool(tool: &Tool) -> Value {
    let Function { name, description, parameters, strict, cache_control } = match tool {
        Tool::Function(function) => function,
        Tool::Native(own) => return own.clone(),
    };
    let mut tool = json!({ "name": name });
    tool.put_some("description", description.as_deref());
    let any = || json!({ "type": "object", "properties": {} });
    tool.put("input_schema", parameters.clone().unwrap_or_else(any));
    tool.put_some("strict", strict.filter(|strict| *strict));
    tool.put_some("cache_control", cache_control.clone());
    tool
}

fn insert_sampling(
    fields: &mut Map<String, Value>,
    request: &Request,
    model: &str,
    thoughts_lost: bool,
) {
    let generation = Generation::of(model);
    let max_tokens = request.max_tokens.unwrap_or_else(|| generation.default_max_tokens());
    fields.put("max_tokens", max_tokens);
    let forced = matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
    let obstacles = Obstacles { forced, thoughts_lost };
    let mut thinking = request.effort.map_or_else(Thinking::default, |effort| {
        Thinking::of(effort, generation, max_tokens, obstacles)
    });
    // A client that speaks Anthropic's own word for it is not corrected.
    thinking.config = request.rest.get("thinking").cloned().or(thinking.config);
    if !thinking.is_on() {
        // 1 is Anthropic's default for both. It is not sent, because models that take no sampling
        // parameters, or only one of the two, refuse even the default.
        fields.put_some("temperature", request.temperature.clone().filter(below_one));
        fields.put_some("top_p", request.top_p.clone().filter(below_one));
    }
    fields.put_list("stop_sequences", request.stop.iter().map(|stop| json!(stop)).collect());
    fields.put_some("thinking", thinking.config);
    let mut output = Map::new();
    output.put_some("effort", thinking.effort);
    if let Format::JsonSchema(schema) = &request.format {
        let mut schema = schema.clone();
        close(&mut schema);
        output.put("format", json!({ "type": "json_schema", "schema": schema }));
    }
    if let Some(own) = request.rest.get("output_config").and_then(Value::as_object) {
        output.extend(own.clone());
    }
    if !output.is_empty() {
        fields.put("output_config", output);
    }
}

fn below_one(number: &Number) -> bool {
    number.as_f64().is_some_and(|number| number < 1.0)
}

/// Anthropic demands that every object of a schema says `additionalProperties: false`. An open
/// one is closed, which leaves only answers that the schema allows anyway.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("type").is_some_and(|kind| kind == "object") {
                fields.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            // Values, not schemas.
            let literal = ["const", "default", "enum", "examples"];
            let schemas = fields.iter_mut().filter(|(key, _)| !literal.contains(&key.as_str()));
            schemas.for_each(|(_, inner)| close(inner));
        }
        Value::Array(list) => list.iter_mut().for_each(close),
        _ => {}
    }
}
