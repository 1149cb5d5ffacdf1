//! Decides which tools are called, and with what: what a directive names, what the request demands,
//! else what the message speaks of.

use serde_json::Value;

use super::conversation::{Conversation, Tool, ToolChoice};
use super::hints::Hints;
use super::schema;
use super::turn::Role;

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    /// JSON for a function, any text for a custom tool.
    pub(super) input: String,
    pub(super) custom: bool,
}

/// The calls that answer a conversation, if any. `new_id` names them.
pub(super) fn calls(conversation: &Conversation, new_id: &dyn Fn() -> String) -> Vec<Call> {
    let question = conversation.question().map(|turn| turn.text.as_str()).unwrap_or_default();
    let mut hints = Hints::of(question);
    let answered = conversation.tool_results().next().is_some();
    let directed = &conversation.directives.tools;
    if !directed.is_empty() && !answered {
        return directed
            .iter()
            .map(|(name, arguments)| {
                let tool = conversation.tools.iter().find(|tool| tool.name == *name);
                let input = arguments.clone().unwrap_or_else(|| match tool {
                    Some(tool) => input(tool, &mut hints),
                    None => "{}".to_owned(),
                });
                let custom = tool.is_some_and(|tool| tool.parameters.is_none());
                Call { id: new_id(), name: name.clone(), input, custom }
            })
            .collect();
    }
    let asks_now = conversation.turns.last().is_some_and(|turn| turn.role == Role::User);
    let mentioned = || mentioned(&conversation.tools, question, &hints);
    let mut tools: Vec<&Tool> = match &conversation.tool_choice {
        ToolChoice::None => Vec::new(),
        ToolChoice::Auto if asks_now => mentioned(),
        ToolChoice::Auto => Vec::new(),
        ToolChoice::Named(name) => {
            conversation.tools.iter().filter(|tool| tool.name == *name).collect()
        }
        ToolChoice::Required => match mentioned() {
            none if none.is_empty() => conversation.tools.iter().take(1).collect(),
            some => some,
        },
    };
    if !conversation.parallel {
        tools.truncate(1);
    }
    let call = |tool: &Tool| Call {
        id: new_id(),
        name: tool.name.clone(),
        input: input(tool, &mut hints),
        custom: tool.parameters.is_none(),
    };
    tools.into_iter().map(call).collect()
}

fn input(tool: &Tool, hints: &mut Hints) -> String {
    match &tool.parameters {
        Some(schema) => match schema::example(schema, hints) {
            Value::Object(arguments) => Value::Object(arguments).to_string(),
            // Arguments are an object, also where the schema does not say so.
            _ => "{}".to_owned(),
        },
        None => hints.text(|_| true).unwrap_or_else(|| format!("scripted input of {}", tool.name)),
    }
}

/// The tools that a message names; else the one that shares most words with it, so that "What is
/// the weather?" finds `get_weather`.
fn mentioned<'a>(tools: &'a [Tool], question: &str, hints: &Hints) -> Vec<&'a Tool> {
    let named: Vec<&Tool> = tools.iter().filter(|tool| hints.mentions(&tool.name)).collect();
    if !named.is_empty() || question.is_empty() {
        return named;
    }
    let shared =
        |tool: &Tool| words_of(&tool.name).iter().filter(|word| hints.mentions(word)).count();
    // `max_by_key` would take the last of equals; the first is what a reader expects.
    let best = tools.iter().rev().max_by_key(|tool| shared(tool));
    best.filter(|tool| shared(tool) > 0).into_iter().collect()
}

/// The telling words of a tool's name: `get_currentWeather` has `current` and `weather`.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for char in name.chars() {
        if char.is_uppercase() || !char.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| char.is_alphanumeric()) {
            word.extend(char.to_lowercase());
        }
    }
    let empty_words = ["the", "get", "set", "and", "for", "tool", "call", "function"];
    words.retain(|word| word.chars().count() > 2 && !empty_words.contains(&word.as_str()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::script::Reply;
    use serde_json::json;

    fn ask(question: &str, mut body: Value) -> Reply {
        body["messages"] = json!([{"role": "user", "content": question}]);
        Reply::to(&Conversation::read(&body).unwrap(), &|| "call_1".to_owned())
    }

    fn tool(name: &str, parameters: &Value) -> Value {
        json!({"type": "function", "function": {"name": name, "parameters": parameters}})
    }

    fn magic() -> Value {
        tool(
            "magic_function",
            &json!({
                "type": "object",
                "properties": {"input": {"type": "integer"}},
                "required": ["input"],
            }),
        )
    }

    #[test]
    fn a_tool_that_is_named_is_called_with_what_the_message_offers() {
        let no_arguments =
            tool("magic_function_no_args", &json!({"type": "object", "properties": {}}));
        let tools = json!({"tools": [magic(), no_arguments]});
        let called = ask("What is the value of magic_function(3)? Use the tool.", tools.clone());
        assert_eq!(called.calls.len(), 1);
        assert_eq!(
            (called.calls[0].name.as_str(), called.calls[0].input.as_str()),
            ("magic_function", r#"{"input":3}"#)
        );
        assert_eq!((called.text.as_str(), called.finish), ("", "tool_calls"));
        let called = ask("What is magic_function_no_args()?", tools.clone());
        assert_eq!(
            (called.calls[0].name.as_str(), called.calls[0].input.as_str()),
            ("magic_function_no_args", "{}")
        );
        assert!(ask("Hello", tools).calls.is_empty());
    }

    #[test]
    fn words_of_a_name_are_enough_and_the_best_match_wins() {
        let location =
            json!({"properties": {"location": {"type": "string"}}, "required": ["location"]});
        let alerts = tool("getWeatherAlerts", &json!({}));
        let tools = json!({"tools": [alerts, tool("get_weather", &location)]});
        let called = ask("Is there weather in San Francisco, CA?", tools.clone());
        assert_eq!(called.calls[0].name, "getWeatherAlerts");
        let called = ask("Use get_weather for San Francisco, CA!", tools);
        assert_eq!(called.calls[0].input, r#"{"location":"San Francisco, CA"}"#);
    }

    #[test]
    fn the_choice_of_tools_is_obeyed() {
        let with = |choice: Value| {
            ask("Hello", json!({"tools": [tool("a", &json!({})), magic()], "tool_choice": choice}))
        };
        assert_eq!(with(json!("required")).calls[0].name, "a");
        let named = json!({"type": "function", "function": {"name": "magic_function"}});
        assert_eq!(with(named).calls[0].input, r#"{"input":1}"#);
        let none = ask("magic_function(3)", json!({"tools": [magic()], "tool_choice": "none"}));
        assert!(none.calls.is_empty());
    }

    #[test]
    fn directed_tools_are_called_as_directed() {
        let question = "sim: tool a {\"x\":  1}\nsim: tool magic_function\nsim: say Wait.";
        let reply = ask(question, json!({"tools": [magic()]}));
        assert_eq!(reply.text, "Wait.");
        assert_eq!(reply.calls[0].input, "{\"x\":  1}");
        assert_eq!(reply.calls[1].input, r#"{"input":1}"#);
    }
}
