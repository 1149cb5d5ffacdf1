//! Legacy completions: OpenAI's `Completion`, as a document or as a stream.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::chat::{Envelope, FINGERPRINT};
use super::directive::{Directives, Speech};
use super::request::{Fields, Wrong};
use super::script::{self, INTRODUCTION};
use super::stream::{self, DONE};
use super::tokens;

/// A legacy request and what it is answered with.
#[derive(Debug)]
pub(super) struct Completion {
    pub(super) directives: Directives,
    choices: Vec<Choice>,
    /// How many likeliest tokens are told in each place; `None`: no log probabilities.
    logprobs: Option<usize>,
    includes_usage: bool,
    prompt_tokens: u64,
    completion_tokens: u64,
}

#[derive(Debug)]
struct Choice {
    text: String,
    finish: &'static str,
}

impl Completion {
    /// Reads the request and decides what to answer. Each prompt has its own choices.
    pub(super) fn read(body: &Value) -> Result<Self, Wrong> {
        let fields = Fields::of(body)?;
        let mut completion = Self {
            directives: Directives::default(),
            choices: Vec::new(),
            logprobs: fields.number("logprobs", 0..=5)?.and_then(|top| usize::try_from(top).ok()),
            includes_usage: fields.includes_usage(),
            prompt_tokens: 0,
            completion_tokens: 0,
        };
        let n = fields.number("n", 1..=128)?.unwrap_or(1);
        let echo = fields.flag("echo")?.unwrap_or(false);
        let suffix = fields.text("suffix")?;
        let stop = fields.stop()?;
        let most = fields.number("max_tokens", 0..=u64::MAX)?;
        for prompt in fields.texts("prompt")? {
            completion.prompt_tokens += tokens::count(&prompt);
            let left = completion.directives.take_from(&prompt)?;
            let (text, finish) = answer(&completion.directives, &left, suffix, &stop, most);
            completion.completion_tokens += n * tokens::count(&text);
            let text = if echo { format!("{prompt}{text}") } else { text };
            for _ in 0..n {
                completion.choices.push(Choice { text: text.clone(), finish });
            }
        }
        Ok(completion)
    }

    /// The answer as a document.
    pub(super) fn document(&self, envelope: &Envelope) -> Bytes {
        let choices = self.choices.iter().enumerate().map(|(index, choice)| {
            chunk_choice(index, &choice.text, self.logprobs, 0, Some(choice.finish))
        });
        let mut document = object(envelope, choices.collect());
        if let Some(usage) = self.usage() {
            document.insert("usage".to_owned(), usage);
        }
        Value::Object(document).to_string().into()
    }

    /// The answer as a stream: each token of each choice, each choice's finish, the usage, the end.
    pub(super) fn events(self, envelope: Envelope) -> impl Iterator<Item = Bytes> + Send + 'static {
        let usage = self.usage();
        let last = usage.map(|usage| {
            let mut document = object(&envelope, Vec::new());
            document.insert("usage".to_owned(), usage);
            stream::event(&document)
        });
        let (logprobs, includes_usage) = (self.logprobs, self.includes_usage);
        let chunk = move |choice: Value| {
            let mut document = object(&envelope, vec![choice]);
            if includes_usage {
                document.insert("usage".to_owned(), Value::Null);
            }
            stream::event(&document)
        };
        let chunk = Arc::new(chunk);
        let choices = self.choices.into_iter().enumerate().flat_map(move |(index, choice)| {
            let mut offset = 0;
            let texts: Vec<Value> = tokens::tokens(&choice.text)
                .map(|token| {
                    let value = chunk_choice(index, token, logprobs, offset, None);
                    offset += token.chars().count();
                    value
                })
                .collect();
            let finish = chunk_choice(index, "", None, offset, Some(choice.finish));
            let chunk = Arc::clone(&chunk);
            texts.into_iter().chain([finish]).map(move |choice| chunk(choice))
        });
        choices.chain(last).chain([DONE])
    }

    fn usage(&self) -> Option<Value> {
        let cached = self.directives.cached;
        (!self.directives.without_usage)
            .then(|| tokens::usage(self.prompt_tokens, cached, self.completion_tokens, 0))
    }
}

fn answer(
    directives: &Directives,
    prompt: &str,
    suffix: Option<&str>,
    stop: &[String],
    most: Option<u64>,
) -> (String, &'static str) {
    let mut text = match &directives.speech {
        Some(Speech::Say(text) | Speech::Json(text) | Speech::Refuse(text)) => text.clone(),
        Some(Speech::Echo) => prompt.to_owned(),
        Some(Speech::Tokens(tokens)) => script::filler(*tokens),
        None => match suffix {
            Some(suffix) => format!(" {INTRODUCTION} Before it: {prompt} After it: {suffix}"),
            None => format!(" {INTRODUCTION} You wrote: {prompt}"),
        },
    };
    let mut finish = "stop";
    script::stop(&mut text, stop);
    if let Some(most) = most {
        let kept = tokens::first(&text, most).len();
        if kept < text.len() {
            text.truncate(kept);
            finish = "length";
        }
    }
    (text, directives.finish.unwrap_or(finish))
}

fn object(envelope: &Envelope, choices: Vec<Value>) -> Map<String, Value> {
    Map::from_iter([
        ("id".to_owned(), envelope.id.clone().into()),
        ("object".to_owned(), "text_completion".into()),
        ("created".to_owned(), envelope.created.into()),
        ("model".to_owned(), envelope.model.clone().into()),
        ("system_fingerprint".to_owned(), FINGERPRINT.into()),
        ("choices".to_owned(), choices.into()),
    ])
}

fn chunk_choice(
    index: usize,
    text: &str,
    logprobs: Option<usize>,
    offset: usize,
    finish: Option<&str>,
) -> Value {
    json!({
        "index": index,
        "text": text,
        "logprobs": logprobs.map(|top| legacy_logprobs(text, top, offset)),
        "finish_reason": finish,
    })
}

/// Log probabilities in the legacy form: lists side by side.
fn legacy_logprobs(text: &str, top: usize, mut offset: usize) -> Value {
    let (mut offsets, mut chosen, mut likeliest) = (Vec::new(), Vec::new(), Vec::new());
    for token in tokens::tokens(text) {
        offsets.push(offset);
        offset += token.chars().count();
        let own = (token.to_owned(), tokens::logprob(token));
        chosen.push(own.1);
        let ranked = std::iter::once(own).chain(tokens::alternatives(token)).take(top);
        likeliest
            .push(ranked.map(|(token, logprob)| (token, logprob.into())).collect::<Map<_, _>>());
    }
    json!({
        "tokens": tokens::tokens(text).collect::<Vec<_>>(),
        "token_logprobs": chosen,
        "top_logprobs": likeliest,
        "text_offset": offsets,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        Envelope { id: "cmpl-1".to_owned(), created: 7, model: "m".to_owned() }
    }

    fn answer(body: &Value) -> Value {
        serde_json::from_slice(&Completion::read(body).unwrap().document(&envelope())).unwrap()
    }

    #[test]
    fn each_prompt_has_its_choices() {
        let answer = answer(&json!({"prompt": ["a", "b c"], "n": 2}));
        let choices = answer["choices"].as_array().unwrap();
        assert_eq!(choices.len(), 4);
        assert_eq!(choices[2]["text"], format!(" {INTRODUCTION} You wrote: b c"));
        assert_eq!((&choices[3]["index"], &choices[3]["logprobs"]), (&json!(3), &Value::Null));
        assert_eq!(answer["usage"]["prompt_tokens"], 3);
    }

    #[test]
    fn echo_suffix_stop_and_limit_are_kept() {
        let echoed = answer(&json!({"prompt": "Hi", "echo": true, "max_tokens": 0}));
        assert_eq!(
            (&echoed["choices"][0]["text"], &echoed["choices"][0]["finish_reason"]),
            (&json!("Hi"), &json!("length"))
        );
        let inserted = answer(&json!({"prompt": "Once", "suffix": "the end"}));
        assert!(
            inserted["choices"][0]["text"]
                .as_str()
                .unwrap()
                .ends_with("Before it: Once After it: the end")
        );
        let stopped = answer(&json!({"prompt": "sim: say a b c", "stop": " c", "max_tokens": 2}));
        assert_eq!(
            (&stopped["choices"][0]["text"], &stopped["choices"][0]["finish_reason"]),
            (&json!("a b"), &json!("stop"))
        );
    }

    #[test]
    fn log_probabilities_are_lists_side_by_side() {
        let answer = answer(&json!({"prompt": "sim: say 你好 b", "logprobs": 2}));
        let logprobs = &answer["choices"][0]["logprobs"];
        assert_eq!(logprobs["tokens"], json!(["你好", " b"]));
        assert_eq!(logprobs["text_offset"], json!([0, 2]));
        assert_eq!(logprobs["token_logprobs"].as_array().unwrap().len(), 2);
        assert_eq!(logprobs["top_logprobs"][1].as_object().unwrap().len(), 2);
        assert_eq!(logprobs["top_logprobs"][1][" b"], logprobs["token_logprobs"][1]);
    }

    #[test]
    fn a_stream_says_the_same_in_pieces() {
        let body = json!({"prompt": "sim: say a b\nsim: finish length", "n": 2, "logprobs": 0});
        let events: Vec<Bytes> = Completion::read(&body).unwrap().events(envelope()).collect();
        let chunk = |at: usize| -> Value {
            let event: &[u8] = &events[at];
            serde_json::from_slice(event.strip_prefix(b"data: ").unwrap()).unwrap()
        };
        assert_eq!(events.len(), 2 * 3 + 2);
        assert_eq!(chunk(1)["choices"][0]["text"], " b");
        assert_eq!(chunk(1)["choices"][0]["logprobs"]["text_offset"], json!([1]));
        assert_eq!(chunk(2)["choices"][0]["finish_reason"], "length");
        assert_eq!(chunk(3)["choices"][0]["index"], 1);
        assert_eq!(
            (&chunk(6)["choices"], &chunk(6)["usage"]["completion_tokens"]),
            (&json!([]), &json!(4))
        );
        assert_eq!(events.last(), Some(&DONE));
    }
}
