//! Decides what a chat request is answered with: the directives first, then the tools, then the
//! form that the answer must have, then the sim's own words.

use serde_json::{Map, Value};

use super::conversation::{Conversation, Format};
use super::directive::Speech;
use super::hints::Hints;
use super::tools::{self, Call};
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
            reply.calls = tools::calls(conversation, new_id);
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
