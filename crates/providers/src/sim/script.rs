//! Decides what a chat request is answered with: the directives first, then the tools, then the
//! form that the answer must have, then the sim's own words.

use serde_json::{Map, Value};

use super::conversation::{Conversation, Format, Role, Tool, ToolChoice};
use super::directive::Speech;
use super::hints::Hints;
use super::{schema, tokens};

/// What every answer in the sim's own words begins with.
pub(super) const INTRODUCTION: &str =
    "This is kijun-sim, a scripted model inside Kijun: no language model wrote this.";
const REASONING: &str =
    "Scripted reasoning: kijun-sim looks for directives, then for tools, then for a form to fill.";

/// One answer, before it is put in the form of a document or of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) reasoning: String,
    pub(super) text: String,
    /// Whether the text is a refusal.
    pub(super) refuses: bool,
    pub(super) calls: Vec<Call>,
    pub(super) finish: &'static str,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    /// JSON for a function, any text for a custom tool.
    pub(super) input: String,
    pub(super) custom: bool,
}

impl Reply {
    /// The answer to a conversation. `new_id` names calls of tools.
    pub(super) fn to(conversation: &Conversation, new_id: &dyn Fn() -> String) -> Self {
        let directives = &conversation.directives;
        let mut reply = Self { finish: "stop", ..Self::default() };
        match (&directives.reason, conversation.reasons) {
            (Some(reason), _) => reply.reasoning.clone_from(reason),
            (None, true) => REASONING.clone_into(&mut reply.reasoning),
            (None, false) => {}
        }
        if let Some(Speech::Refuse(text)) = &directives.speech {
            reply.text.clone_from(text);
            reply.refuses = true;
        } else {
            reply.calls = calls(conversation, new_id);
            reply.text = match &directives.speech {
                Some(speech) => spoken(speech, conversation),
                None if reply.calls.is_empty() => formed(conversation),
                None => String::new(),
            };
        }
        if !reply.calls.is_empty() {
            reply.finish = "tool_calls";
        }
        if stop(&mut reply.text, &conversation.stop) {
            reply.calls.clear();
            reply.finish = "stop";
        }
        if let Some(most) = conversation.max_tokens {
            reply.limit(most);
        }
        if let Some(finish) = directives.finish {
            reply.finish = finish;
        }
        reply
    }

    /// Tokens of the reasoning.
    pub(super) fn reasoning_tokens(&self) -> u64 {
        tokens::count(&self.reasoning)
    }

    /// Tokens of the whole answer: reasoning, text, and what tools are given.
    pub(super) fn tokens(&self) -> u64 {
        let of_calls: u64 = self
            .calls
            .iter()
            .map(|call| tokens::count(&call.name) + tokens::count(&call.input))
            .sum();
        self.reasoning_tokens() + tokens::count(&self.text) + of_calls
    }

    /// Breaks off where the tokens are used up, in the middle of a tool's arguments too.
    fn limit(&mut self, most: u64) {
        if self.tokens() <= most {
            return;
        }
        self.finish = "length";
        let mut left = most;
        for text in [&mut self.reasoning, &mut self.text] {
            left -= shorten(text, left);
        }
        self.calls.retain_mut(|call| {
            let name = tokens::count(&call.name);
            let fits = name < left;
            if fits {
                left -= name;
                left -= shorten(&mut call.input, left);
            } else {
                left = 0;
            }
            fits
        });
    }
}

/// Cuts a text to so many tokens and returns how many it has.
fn shorten(text: &mut String, most: u64) -> u64 {
    text.truncate(tokens::first(text, most).len());
    tokens::count(text)
}

/// Cuts a text before the first stop sequence and says whether there was one.
pub(super) fn stop(text: &mut String, sequences: &[String]) -> bool {
    let sequences = sequences.iter().filter(|sequence| !sequence.is_empty());
    let first = sequences.filter_map(|sequence| text.find(sequence.as_str())).min();
    if let Some(at) = first {
        text.truncate(at);
    }
    first.is_some()
}

/// Exactly so many tokens, numbered so that a missing one shows.
pub(super) fn filler(tokens: u64) -> String {
    (1..=tokens).map(|at| if at == 1 { "w1".to_owned() } else { format!(" w{at}") }).collect()
}

fn spoken(speech: &Speech, conversation: &Conversation) -> String {
    match speech {
        Speech::Say(text) | Speech::Json(text) | Speech::Refuse(text) => text.clone(),
        Speech::Echo => conversation.question().map(|turn| turn.text.clone()).unwrap_or_default(),
        Speech::Tokens(tokens) => filler(*tokens),
    }
}

fn formed(conversation: &Conversation) -> String {
    let question = conversation.question().map(|turn| turn.text.as_str()).unwrap_or_default();
    let mut hints = Hints::of(question);
    match &conversation.format {
        Format::Text => own_words(conversation),
        Format::JsonSchema(schema) => schema::example(schema, &mut hints).to_string(),
        Format::JsonObject => {
            // Who asks for JSON without a schema names the keys, mostly in quotation marks.
            let mut object: Map<String, Value> = hints
                .quotations()
                .iter()
                .map(|key| (key.clone(), format!("scripted {key}").into()))
                .collect();
            if object.is_empty() {
                object.insert("answer".to_owned(), own_words(conversation).into());
            }
            Value::Object(object).to_string()
        }
    }
}

fn own_words(conversation: &Conversation) -> String {
    let results: Vec<&str> = conversation.tool_results().collect();
    let mut text = INTRODUCTION.to_owned();
    if !results.is_empty() {
        text.push_str(" The tool answered: ");
        text.push_str(&results.join("; "));
        return text;
    }
    let Some(question) = conversation.question() else {
        text.push_str(" You said nothing.");
        return text;
    };
    if !question.attachments.is_empty() {
        text.push_str(" You sent ");
        text.push_str(&question.attachments.join(", "));
        text.push('.');
    }
    if !question.text.is_empty() {
        text.push_str(" You said: ");
        text.push_str(&question.text);
    }
    text
}

fn calls(conversation: &Conversation, new_id: &dyn Fn() -> String) -> Vec<Call> {
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
    use serde_json::json;

    fn reply(body: &Value) -> Reply {
        Reply::to(&Conversation::read(body).unwrap(), &|| "call_1".to_owned())
    }

    fn ask(question: &str, more: Value) -> Reply {
        let mut body = more;
        body["messages"] = json!([{"role": "user", "content": question}]);
        reply(&body)
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
    fn it_says_what_it_is_and_what_it_was_told() {
        let reply = ask("Hello", json!({}));
        assert_eq!(reply.text, format!("{INTRODUCTION} You said: Hello"));
        assert_eq!(reply.finish, "stop");
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
    fn after_a_tool_has_answered_it_is_quoted() {
        let reply = reply(&json!({"tools": [magic()], "messages": [
            {"role": "user", "content": "sim: tool magic_function\nmagic_function(3)?"},
            {"role": "assistant", "content": null, "tool_calls": []},
            {"role": "tool", "tool_call_id": "call_1", "content": "5"},
        ]}));
        assert!(reply.calls.is_empty());
        assert!(reply.text.ends_with("The tool answered: 5"), "{}", reply.text);
    }

    #[test]
    fn directed_tools_are_called_as_directed() {
        let question = "sim: tool a {\"x\":  1}\nsim: tool magic_function\nsim: say Wait.";
        let reply = ask(question, json!({"tools": [magic()]}));
        assert_eq!(reply.text, "Wait.");
        assert_eq!(reply.calls[0].input, "{\"x\":  1}");
        assert_eq!(reply.calls[1].input, r#"{"input":1}"#);
    }

    #[test]
    fn json_has_the_form_that_is_asked_for() {
        let schema = json!({"properties": {"setup": {"type": "string"}}, "required": ["setup"]});
        let format =
            json!({"type": "json_schema", "json_schema": {"name": "Joke", "schema": schema}});
        let reply = ask("Tell me a joke about cats.", json!({"response_format": format}));
        assert_eq!(reply.text, r#"{"setup":"scripted setup"}"#);
        let object = json!({"response_format": {"type": "json_object"}});
        let reply = ask("Return JSON with 'setup' and 'punchline' keys.", object.clone());
        assert_eq!(reply.text, r#"{"setup":"scripted setup","punchline":"scripted punchline"}"#);
        assert!(ask("JSON, please", object).text.starts_with("{\"answer\":"));
    }

    #[test]
    fn limits_break_off_reasoning_text_and_arguments() {
        let cut = ask("sim: reason a b\nsim: say c d e", json!({"max_tokens": 4}));
        assert_eq!(
            (cut.reasoning.as_str(), cut.text.as_str(), cut.finish),
            ("a b", "c d", "length")
        );
        let cut = ask(
            "sim: tool f {\"a\": 1, \"b\": 2}\nsim: tool g",
            json!({"max_completion_tokens": 3}),
        );
        assert_eq!(
            (cut.calls.len(), cut.calls[0].input.as_str(), cut.finish),
            (1, "{\"a\": 1,", "length")
        );
        assert_eq!(cut.tokens(), 3);
        let whole = ask("sim: say a b", json!({"max_tokens": 2}));
        assert_eq!((whole.text.as_str(), whole.finish), ("a b", "stop"));
    }

    #[test]
    fn stop_sequences_end_the_text() {
        let reply = ask("sim: say one two three", json!({"stop": ["three", " two"]}));
        assert_eq!((reply.text.as_str(), reply.finish), ("one", "stop"));
    }

    #[test]
    fn filler_has_exactly_its_tokens() {
        let reply = ask("sim: tokens 12345", json!({}));
        assert_eq!(reply.tokens(), 12_345);
    }

    #[test]
    fn refusal_reasoning_and_finish_are_scripted() {
        let reply = ask(
            "sim: refuse\nsim: finish content_filter",
            json!({"tools": [magic()], "reasoning_effort": "low"}),
        );
        assert!(reply.refuses && reply.calls.is_empty());
        assert_eq!((reply.reasoning.as_str(), reply.finish), (REASONING, "content_filter"));
        assert_eq!(ask("Hi", json!({"reasoning_effort": "none"})).reasoning, "");
    }
}
