//! Whatever comes, nothing panics, and what comes out is JSON.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{VENDORS, context};

/// Words that lead deep into the code.
const WORDS: &[&str] = &[
    "args",
    "arguments",
    "assistant",
    "cache_control",
    "candidates",
    "content",
    "content_block",
    "content_block_delta",
    "content_block_start",
    "content_block_stop",
    "data",
    "data:a/b;base64,AA",
    "delta",
    "developer",
    "error",
    "file",
    "file_data",
    "finishReason",
    "format",
    "function",
    "functionCall",
    "high",
    "id",
    "image_url",
    "index",
    "input",
    "input_audio",
    "input_json_delta",
    "json_schema",
    "logprobsResult",
    "max_tokens",
    "message",
    "message_delta",
    "message_start",
    "message_stop",
    "messages",
    "model",
    "n",
    "name",
    "parameters",
    "parts",
    "partial_json",
    "promptFeedback",
    "reasoning.text",
    "reasoning_details",
    "reasoning_effort",
    "response_format",
    "role",
    "schema",
    "signature",
    "stop",
    "stop_reason",
    "system",
    "text",
    "text_delta",
    "thinking",
    "thinking_delta",
    "thought",
    "thoughtSignature",
    "tool",
    "tool_call_id",
    "tool_calls",
    "tool_choice",
    "tool_use",
    "tools",
    "type",
    "url",
    "usage",
    "usageMetadata",
    "user",
];

fn json_value() -> impl Strategy<Value = Value> {
    let word = || proptest::sample::select(WORDS);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        any::<String>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 96, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..7).prop_map(|fields| {
                let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
                Value::Object(fields.collect::<Map<_, _>>())
            }),
        ]
    })
}

fn translate_everything(body: &[u8]) {
    for vendor in &VENDORS {
        for model in ["claude-sonnet-4-5", "gemini-3-pro", ""] {
            if let Ok(upstream) = (vendor.request)(body, model, true) {
                assert!(serde_json::from_slice::<Value>(&upstream).is_ok());
            }
        }
        if let Ok(answer) = (vendor.response)(body, &context()) {
            assert!(serde_json::from_slice::<Value>(&answer).is_ok());
        }
        assert!(!(vendor.error)(500, body).message.is_empty());
        let mut out = Vec::new();
        let mut translator = (vendor.stream)(context());
        for event in [body, &[b"data: ", body, b"\n\n"].concat()] {
            // An error says all there is to say; the next event must still not panic.
            let _ = translator.push(event, &mut out);
        }
        let _ = translator.finish(&mut out);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn json_never_panics(value in json_value()) {
        translate_everything(value.to_string().as_bytes());
        // The same inside the shapes that the functions look into.
        translate_everything(json!({ "messages": [value] }).to_string().as_bytes());
        for role in ["user", "assistant"] {
            let message = json!({ "role": role, "content": value, "tool_calls": [value] });
            translate_everything(json!({ "messages": [message] }).to_string().as_bytes());
        }
        let answer = json!({ "content": [value], "usage": value,
            "candidates": [{ "content": { "parts": [value] } }], "usageMetadata": value });
        translate_everything(answer.to_string().as_bytes());
    }

    #[test]
    fn bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        translate_everything(&body);
    }
}
