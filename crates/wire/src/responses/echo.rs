//! What a response repeats of its request: every field, with its default where the request left
//! it out, so that nothing has to be guessed by who reads it.

use serde_json::{Map, Value, json};

use super::request::CreateRequest;

/// Fields of a tool that its answer does not show: they let others act in the client's name.
const SECRETS: [&str; 2] = ["authorization", "headers"];

impl CreateRequest {
    /// The fields of a response that repeat its request, with explicit nulls and defaults.
    pub fn echo(&self) -> Map<String, Value> {
        let conversation = self.conversation.as_ref().map(|id| json!({ "id": id }));
        let echo = json!({
            "background": self.background,
            "conversation": conversation,
            "frequency_penalty": self.or("frequency_penalty", 0.0),
            "instructions": self.or("instructions", Value::Null),
            "max_output_tokens": self.or("max_output_tokens", Value::Null),
            "max_tool_calls": self.max_tool_calls,
            "metadata": self.metadata,
            "model": self.model,
            "parallel_tool_calls": self.or("parallel_tool_calls", true),
            "presence_penalty": self.or("presence_penalty", 0.0),
            "previous_response_id": self.previous_response_id,
            "prompt": self.or("prompt", Value::Null),
            "prompt_cache_key": self.or("prompt_cache_key", Value::Null),
            "prompt_cache_retention": self.or("prompt_cache_retention", Value::Null),
            "reasoning": self.reasoning(),
            "safety_identifier": self.or("safety_identifier", Value::Null),
            "service_tier": self.service_tier(),
            "store": self.store.unwrap_or(true),
            "temperature": self.or("temperature", 1.0),
            "text": self.text(),
            "tool_choice": self.or("tool_choice", "auto"),
            "tools": self.tools().iter().map(tool).collect::<Vec<_>>(),
            "top_logprobs": self.or("top_logprobs", 0),
            "top_p": self.or("top_p", 1.0),
            "truncation": self.or("truncation", "disabled"),
            "user": self.or("user", Value::Null),
        });
        match echo {
            Value::Object(echo) => echo,
            _ => Map::new(),
        }
    }

    /// A field, or its default.
    fn or(&self, name: &str, default: impl Into<Value>) -> Value {
        match self.fields.get(name) {
            Some(value) if !value.is_null() => value.clone(),
            _ => default.into(),
        }
    }

    fn reasoning(&self) -> Value {
        let defaults = json!({ "effort": null, "summary": null });
        overlaid(defaults, self.fields.get("reasoning"))
    }

    /// Which tier `auto` means is the provider's to say; before it does, it is the usual one.
    fn service_tier(&self) -> Value {
        match self.or("service_tier", "default") {
            auto if auto == "auto" => "default".into(),
            tier => tier,
        }
    }

    fn text(&self) -> Value {
        let given = self.fields.get("text");
        let mut text =
            overlaid(json!({ "format": { "type": "text" }, "verbosity": "medium" }), given);
        if let Some(format) = text.get_mut("format")
            && format.get("type").is_some_and(|kind| kind == "json_schema")
        {
            let defaults = json!({
                "type": null, "name": null, "description": null, "schema": null, "strict": false,
            });
            *format = overlaid(defaults, Some(&*format));
        }
        text
    }
}

fn tool(tool: &Value) -> Value {
    let mut shown = tool.clone();
    if tool.get("type").is_some_and(|kind| kind == "function") {
        let defaults = json!({
            "type": null, "name": null, "description": null, "parameters": null, "strict": null,
        });
        shown = overlaid(defaults, Some(tool));
    }
    if let Value::Object(shown) = &mut shown {
        SECRETS.iter().for_each(|secret| drop(shown.shift_remove(*secret)));
    }
    shown
}

/// An object with what another one says in the place of its defaults.
fn overlaid(mut defaults: Value, given: Option<&Value>) -> Value {
    if let (Value::Object(fields), Some(Value::Object(given))) = (&mut defaults, given) {
        let said = given.iter().filter(|(_, value)| !value.is_null());
        fields.extend(said.map(|(name, value)| (name.clone(), value.clone())));
    }
    defaults
}
