//! A chat answer as one document: OpenAI's `ChatCompletion`.

use bytes::Bytes;
use serde_json::{Value, json};

use super::conversation::Conversation;
use super::script::Reply;
use super::tokens;
use super::tools::Call;

/// What every kind of answer begins with.
#[derive(Debug, Clone)]
pub(super) struct Envelope {
    pub(super) id: String,
    /// Seconds since the Unix epoch.
    pub(super) created: i64,
    pub(super) model: String,
}

/// The same for every answer: one version of the sim answers alike for ever.
pub(super) const FINGERPRINT: &str = "fp_kijun_sim";

/// The answer as a document. All choices are the same, since nothing is left to chance.
pub(super) fn document(envelope: &Envelope, conversation: &Conversation, reply: &Reply) -> Bytes {
    let choices: Vec<Value> = (0..conversation.n)
        .map(|index| {
            json!({
                "index": index,
                "message": message(reply, index),
                "logprobs": conversation.top_logprobs.map(|top| logprobs(reply, top)),
                "finish_reason": reply.finish,
            })
        })
        .collect();
    let mut document = json!({
        "id": envelope.id,
        "object": "chat.completion",
        "created": envelope.created,
        "model": envelope.model,
        "choices": choices,
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    });
    if let (Some(usage), Some(fields)) = (usage(conversation, reply), document.as_object_mut()) {
        fields.insert("usage".to_owned(), usage);
    }
    document.to_string().into()
}

/// What the answer used; `None` where a directive asks to keep it secret.
pub(super) fn usage(conversation: &Conversation, reply: &Reply) -> Option<Value> {
    let directives = &conversation.directives;
    let n = conversation.n;
    (!directives.without_usage).then(|| {
        let (completion, reasoning) = (reply.tokens() * n, reply.reasoning_tokens() * n);
        tokens::usage(conversation.prompt_tokens, directives.cached, completion, reasoning)
    })
}

/// The id of a call in one of several choices: no two choices share one.
pub(super) fn call_id(call: &Call, choice: u64) -> String {
    if choice == 0 { call.id.clone() } else { format!("{}_{choice}", call.id) }
}

fn message(reply: &Reply, choice: u64) -> Value {
    let (content, refusal) = match (reply.refuses, reply.text.is_empty() && !reply.calls.is_empty())
    {
        (true, _) => (None, Some(&reply.text)),
        (false, true) => (None, None),
        (false, false) => (Some(&reply.text), None),
    };
    let mut message = json!({
        "role": "assistant",
        "content": content,
        "refusal": refusal,
        "annotations": [],
    });
    if let Some(fields) = message.as_object_mut() {
        if !reply.reasoning.is_empty() {
            // Servers differ in the name, and clients in which of the two they read.
            fields.insert("reasoning".to_owned(), reply.reasoning.clone().into());
            fields.insert("reasoning_content".to_owned(), reply.reasoning.clone().into());
        }
        if !reply.calls.is_empty() {
            let calls = reply.calls.iter().map(|call| tool_call(call, choice)).collect();
            fields.insert("tool_calls".to_owned(), calls);
        }
    }
    message
}

fn tool_call(call: &Call, choice: u64) -> Value {
    let id = call_id(call, choice);
    match call.custom {
        true => {
            json!({"id": id, "type": "custom", "custom": {"name": call.name, "input": call.input}})
        }
        false => {
            let function = json!({"name": call.name, "arguments": call.input});
            json!({"id": id, "type": "function", "function": function})
        }
    }
}

fn logprobs(reply: &Reply, top: usize) -> Value {
    let of_text: Vec<Value> =
        tokens::tokens(&reply.text).map(|token| tokens::token_logprob(token, top)).collect();
    match reply.refuses {
        true => json!({"content": null, "refusal": of_text}),
        false => json!({"content": of_text, "refusal": null}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &Value) -> Value {
        let conversation = Conversation::read(body).unwrap();
        let reply = Reply::to(&conversation, &|| "call_1".to_owned());
        let envelope = Envelope { id: "chatcmpl-1".to_owned(), created: 7, model: "m".to_owned() };
        serde_json::from_slice(&document(&envelope, &conversation, &reply)).unwrap()
    }

    #[test]
    fn a_document_has_every_field_that_strict_clients_want() {
        let text = "sim: say Hello there\nsim: cached 1\nHi";
        let body = json!({"messages": [{"role": "user", "content": text}]});
        assert_eq!(
            answer(&body),
            json!({
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 7,
                "model": "m",
                "choices": [{
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": "Hello there",
                        "refusal": null,
                        "annotations": [],
                    },
                    "logprobs": null,
                    "finish_reason": "stop",
                }],
                "service_tier": "default",
                "system_fingerprint": "fp_kijun_sim",
                "usage": {
                    "prompt_tokens": 4,
                    "completion_tokens": 2,
                    "total_tokens": 6,
                    "prompt_tokens_details": {
                        "cached_tokens": 1,
                        "cache_write_tokens": 0,
                        "audio_tokens": 0,
                    },
                    "completion_tokens_details": {
                        "reasoning_tokens": 0,
                        "audio_tokens": 0,
                        "accepted_prediction_tokens": 0,
                        "rejected_prediction_tokens": 0,
                    },
                },
            })
        );
    }

    #[test]
    fn choices_reasoning_and_calls_are_complete() {
        let text = "sim: tool f {\"a\":1}\nsim: reason Because";
        let answer = answer(&json!({"messages": [{"role": "user", "content": text}], "n": 2}));
        let message = &answer["choices"][1]["message"];
        assert_eq!(message["content"], Value::Null);
        assert_eq!(message["reasoning"], "Because");
        assert_eq!(message["reasoning_content"], "Because");
        assert_eq!(
            message["tool_calls"],
            json!([
                {
                    "id": "call_1_1",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{\"a\":1}"},
                }
            ])
        );
        assert_eq!(answer["choices"][0]["message"]["tool_calls"][0]["id"], "call_1");
        assert_eq!(answer["usage"]["completion_tokens"], 2 * 3);
        assert_eq!(answer["usage"]["completion_tokens_details"]["reasoning_tokens"], 2);
    }

    #[test]
    fn a_refusal_has_no_content_and_logprobs_of_its_own() {
        let body = json!({
            "messages": [{"role": "user", "content": "sim: refuse \"No.\"\nsim: usage none"}],
            "logprobs": true, "top_logprobs": 2,
        });
        let answer = answer(&body);
        let choice = &answer["choices"][0];
        assert_eq!(choice["message"]["content"], Value::Null);
        assert_eq!(choice["message"]["refusal"], "No.");
        assert_eq!(choice["logprobs"]["content"], Value::Null);
        assert_eq!(choice["logprobs"]["refusal"][0]["top_logprobs"][1]["token"], "~1");
        assert_eq!(answer.get("usage"), None);
    }
}
