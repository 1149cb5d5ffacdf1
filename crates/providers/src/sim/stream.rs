//! A chat answer as a stream: OpenAI's `ChatCompletionChunk`s, one event per token, made one by
//! one as they are read.

use std::ops::Range;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::chat::{self, Envelope, FINGERPRINT};
use super::conversation::Conversation;
use super::script::Reply;
use super::tokens;

/// The end of every stream.
pub(super) const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

/// The answer's events: the role, the tokens of each part in turn, the finish reason, the usage,
/// the end.
pub(super) fn events(
    envelope: Envelope,
    conversation: &Conversation,
    reply: Reply,
) -> impl Iterator<Item = Bytes> + Send + 'static {
    let usage = chat::usage(conversation, &reply);
    let pieces = pieces(&reply);
    let writer = Writer {
        envelope,
        reply,
        choices: conversation.n,
        top_logprobs: conversation.top_logprobs,
        includes_usage: conversation.includes_usage,
    };
    let last = usage.map(|usage| writer.event(&[], Some(Some(&usage))));
    pieces.into_iter().flat_map(move |piece| writer.chunks(&piece)).chain(last).chain([DONE])
}

/// One event, of bytes that hold no line break.
pub(super) fn event(data: &impl Serialize) -> Bytes {
    let mut event = Vec::with_capacity(384);
    event.extend_from_slice(b"data: ");
    // Writing plain structs to memory cannot fail; were it to, the event would be cut short and
    // the reader would see that it is no JSON.
    let _ = serde_json::to_writer(&mut event, data);
    event.extend_from_slice(b"\n\n");
    event.into()
}

/// A part of an answer that makes one event in each choice.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Role,
    Reasoning(Range<usize>),
    Text(Range<usize>),
    Call(usize),
    Input(usize, Range<usize>),
    Finish,
}

fn pieces(reply: &Reply) -> Vec<Piece> {
    let mut pieces = vec![Piece::Role];
    pieces.extend(ranges(&reply.reasoning).map(Piece::Reasoning));
    pieces.extend(ranges(&reply.text).map(Piece::Text));
    for (at, call) in reply.calls.iter().enumerate() {
        pieces.push(Piece::Call(at));
        pieces.extend(ranges(&call.input).map(|range| Piece::Input(at, range)));
    }
    pieces.push(Piece::Finish);
    pieces
}

/// Where each token of a text stands.
fn ranges(text: &str) -> impl Iterator<Item = Range<usize>> {
    tokens::tokens(text).scan(0, |start, token| {
        let range = *start..*start + token.len();
        *start = range.end;
        Some(range)
    })
}

struct Writer {
    envelope: Envelope,
    reply: Reply,
    choices: u64,
    top_logprobs: Option<usize>,
    includes_usage: bool,
}

impl Writer {
    fn chunks(&self, piece: &Piece) -> Vec<Bytes> {
        let usage = self.includes_usage.then_some(None);
        (0..self.choices).map(|choice| self.event(&[self.choice(piece, choice)], usage)).collect()
    }

    fn event(&self, choices: &[Choice<'_>], usage: Option<Option<&Value>>) -> Bytes {
        event(&Chunk {
            id: &self.envelope.id,
            object: "chat.completion.chunk",
            created: self.envelope.created,
            model: &self.envelope.model,
            service_tier: "default",
            system_fingerprint: FINGERPRINT,
            choices,
            usage,
        })
    }

    fn choice(&self, piece: &Piece, index: u64) -> Choice<'_> {
        let reply = &self.reply;
        let mut choice =
            Choice { index, delta: Delta::default(), logprobs: None, finish_reason: None };
        match piece {
            Piece::Role => {
                let calls_only = reply.text.is_empty() && !reply.calls.is_empty();
                choice.delta.role = Some("assistant");
                choice.delta.content = Some((!calls_only && !reply.refuses).then_some(""));
                choice.delta.refusal = Some(None);
            }
            Piece::Reasoning(range) => {
                let token = reply.reasoning.get(range.clone());
                choice.delta.reasoning = token;
                choice.delta.reasoning_content = token;
            }
            Piece::Text(range) => {
                let token = reply.text.get(range.clone()).unwrap_or_default();
                let logprobs = self.top_logprobs.map(|top| vec![tokens::token_logprob(token, top)]);
                if reply.refuses {
                    choice.delta.refusal = Some(Some(token));
                    choice.logprobs =
                        logprobs.map(|each| Logprobs { content: None, refusal: Some(each) });
                } else {
                    choice.delta.content = Some(Some(token));
                    choice.logprobs =
                        logprobs.map(|each| Logprobs { content: Some(each), refusal: None });
                }
            }
            Piece::Call(at) => choice.delta.tool_calls = self.call(*at, None, index),
            Piece::Input(at, range) => {
                choice.delta.tool_calls = self.call(*at, Some(range.clone()), index);
            }
            Piece::Finish => choice.finish_reason = Some(reply.finish),
        }
        choice
    }

    /// The beginning of a call, or a token of what the tool is given.
    fn call(
        &self,
        at: usize,
        range: Option<Range<usize>>,
        choice: u64,
    ) -> Option<[CallDelta<'_>; 1]> {
        let call = self.reply.calls.get(at)?;
        let begins = range.is_none();
        let token = call.input.get(range.unwrap_or(0..0)).unwrap_or_default();
        let name = begins.then_some(call.name.as_str());
        let (kind, function, custom) = if call.custom {
            ("custom", None, Some(CustomDelta { name, input: token }))
        } else {
            ("function", Some(FunctionDelta { name, arguments: token }), None)
        };
        Some([CallDelta {
            index: at,
            id: begins.then(|| chat::call_id(call, choice)),
            kind: begins.then_some(kind),
            function,
            custom,
        }])
    }
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    service_tier: &'static str,
    system_fingerprint: &'static str,
    choices: &'a [Choice<'a>],
    /// Null in every chunk but the last, and only where the client asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<&'a Value>>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u64,
    delta: Delta<'a>,
    logprobs: Option<Logprobs>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize)]
struct Logprobs {
    content: Option<Vec<Value>>,
    refusal: Option<Vec<Value>>,
}

#[derive(Serialize, Default)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallDelta<'a>; 1]>,
}

#[derive(Serialize)]
struct CallDelta<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<FunctionDelta<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<CustomDelta<'a>>,
}

#[derive(Serialize)]
struct FunctionDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

#[derive(Serialize)]
struct CustomDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    input: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stream(body: &Value) -> Vec<Value> {
        let conversation = Conversation::read(body).unwrap();
        let reply = Reply::to(&conversation, &|| "call_1".to_owned());
        let envelope = Envelope { id: "chatcmpl-1".to_owned(), created: 7, model: "m".to_owned() };
        let mut events: Vec<Bytes> = events(envelope, &conversation, reply).collect();
        assert_eq!(events.pop().unwrap(), DONE);
        let data = |event: &Bytes| {
            let data =
                event.strip_prefix(b"data: ").unwrap().strip_suffix(b"\n\n").unwrap().to_vec();
            serde_json::from_slice(&data).unwrap()
        };
        events.iter().map(data).collect()
    }

    fn deltas(chunks: &[Value]) -> Vec<&Value> {
        chunks.iter().filter_map(|chunk| chunk.pointer("/choices/0/delta")).collect()
    }

    #[test]
    fn role_tokens_finish_and_usage_come_in_this_order() {
        let chunks = stream(
            &json!({"messages": [{"role": "user", "content": "sim: say 你好 🦀\nsim: reason Why"}]}),
        );
        assert_eq!(
            deltas(&chunks),
            [
                &json!({"role": "assistant", "content": "", "refusal": null}),
                &json!({"reasoning": "Why", "reasoning_content": "Why"}),
                &json!({"content": "你好"}),
                &json!({"content": " 🦀"}),
                &json!({}),
            ]
        );
        assert_eq!(chunks[4]["choices"][0]["finish_reason"], "stop");
        assert_eq!(chunks[3]["choices"][0]["finish_reason"], Value::Null);
        assert_eq!(chunks[3].get("usage"), None);
        assert_eq!(chunks[5]["choices"], json!([]));
        assert_eq!(chunks[5]["usage"]["completion_tokens"], 3);
        for chunk in &chunks {
            assert_eq!(
                (&chunk["id"], &chunk["object"]),
                (&json!("chatcmpl-1"), &json!("chat.completion.chunk"))
            );
        }
    }

    #[test]
    fn calls_come_with_their_name_first_and_their_arguments_in_pieces() {
        let text = "sim: tool f {\"city\": \"Rome\"}\nsim: tool g";
        let chunks = stream(&json!({"messages": [{"role": "user", "content": text}]}));
        let calls: Vec<&Value> = chunks
            .iter()
            .filter_map(|chunk| chunk.pointer("/choices/0/delta/tool_calls/0"))
            .collect();
        assert_eq!(
            calls[0],
            &json!({"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}})
        );
        assert_eq!(calls[1], &json!({"index": 0, "function": {"arguments": "{\"city\":"}}));
        let arguments: String = calls
            .iter()
            .filter(|call| call["index"] == 0)
            .map(|call| call["function"]["arguments"].as_str().unwrap())
            .collect();
        assert_eq!(arguments, "{\"city\": \"Rome\"}");
        assert_eq!(calls.last().unwrap()["index"], 1);
        assert_eq!(chunks[chunks.len() - 2]["choices"][0]["finish_reason"], "tool_calls");
        assert_eq!(deltas(&chunks)[0]["content"], Value::Null);
    }

    #[test]
    fn choices_logprobs_and_empty_usage_as_asked() {
        let chunks = stream(&json!({
            "messages": [{"role": "user", "content": "sim: say Hi\nsim: usage none"}],
            "n": 2, "logprobs": true, "stream_options": {"include_usage": true},
        }));
        let indexes: Vec<u64> =
            chunks.iter().map(|chunk| chunk["choices"][0]["index"].as_u64().unwrap()).collect();
        assert_eq!(indexes, [0, 1, 0, 1, 0, 1]);
        assert_eq!(chunks[2]["choices"][0]["logprobs"]["content"][0]["token"], "Hi");
        assert_eq!(chunks[0]["usage"], Value::Null);
        assert!(chunks[0].get("usage").is_some());
    }
}
