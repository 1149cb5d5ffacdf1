//! Whatever comes, nothing panics, what comes out is JSON, and nothing private is in it.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use wire::responses::{
    CreateRequest, chat_request, file_ids, inline_file, native_request, normalise, with_ids,
};

/// Words that lead deep into the code.
const WORDS: &[&str] = &[
    "$defs",
    "$ref",
    "#/$defs/a",
    "a",
    "additionalProperties",
    "additional_tools",
    "allowed_tools",
    "anyOf",
    "arguments",
    "array",
    "assistant",
    "blob",
    "call_id",
    "compaction",
    "content",
    "custom",
    "custom_tool_call",
    "custom_tool_call_output",
    "definition",
    "description",
    "details",
    "developer",
    "enum",
    "file_id",
    "file_url",
    "format",
    "function",
    "function_call",
    "function_call_output",
    "id",
    "image_url",
    "include",
    "input",
    "input_audio",
    "input_file",
    "input_image",
    "input_text",
    "instructions",
    "item_reference",
    "items",
    "json_schema",
    "kijun",
    "message",
    "metadata",
    "mode",
    "name",
    "namespace",
    "object",
    "output",
    "output_text",
    "parameters",
    "properties",
    "provider",
    "reasoning",
    "refusal",
    "required",
    "role",
    "schema",
    "strict",
    "string",
    "summary",
    "system",
    "text",
    "tool_choice",
    "tools",
    "type",
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

/// An item of a type that the code knows, with anything in it.
fn item() -> impl Strategy<Value = Value> {
    let kind = proptest::sample::select(
        &[
            "message",
            "reasoning",
            "function_call",
            "custom_tool_call",
            "function_call_output",
            "custom_tool_call_output",
            "compaction",
            "additional_tools",
        ][..],
    );
    let role = proptest::sample::select(&["user", "assistant", "developer"][..]);
    (kind, role, json_value(), json_value()).prop_map(|(kind, role, one, other)| {
        json!({"type": kind, "role": role, "content": one, "output": other, "summary": one,
            "kijun": other, "tools": [one], "call_id": "c", "name": "n", "arguments": "{}",
            "input": "x", "encrypted_content": "e"})
    })
}

fn say_everything(body: &[u8]) {
    if let Ok(request) = CreateRequest::parse_for_counting(body) {
        let _ = request.lint();
        let mut input = request.input.clone();
        with_ids(&mut input, &mut |prefix| format!("{prefix}1"));
        for id in file_ids(&input) {
            inline_file(&mut input, &id, "a.txt", "data:text/plain;base64,YQ==");
        }
        assert_eq!(file_ids(&input), [""; 0]);
        assert!(!request.echo().is_empty());
        let upstream = request.upstream(&input, true);
        assert!(serde_json::from_slice::<Value>(&upstream).is_ok());
        say_upstream(&upstream);
    }
    say_upstream(body);
}

fn say_upstream(body: &[u8]) {
    for said in [chat_request(body), native_request(body, "provider")].into_iter().flatten() {
        assert!(serde_json::from_slice::<Value>(&said).is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn json_never_panics(value in json_value(), items in prop::collection::vec(item(), 0..6)) {
        say_everything(value.to_string().as_bytes());
        let _ = normalise(value.clone(), "input[0]");
        for body in [
            json!({"model": "m", "input": items, "tools": [value]}),
            json!({"model": "m", "input": items, "tool_choice": value, "text": value}),
            json!({"model": "m", "input": [value], "reasoning": value, "include": value,
                "metadata": value}),
            json!({"model": "m", "input": "x", "text": {"format": {"type": "json_schema",
                "name": "n", "strict": true, "schema": {"type": "object", "properties": value,
                "additionalProperties": false, "required": value}}}}),
        ] {
            say_everything(body.to_string().as_bytes());
        }
    }

    #[test]
    fn what_is_private_stays_inside(items in prop::collection::vec(item(), 0..6)) {
        let body = json!({"input": items}).to_string();
        if let Ok(said) = native_request(body.as_bytes(), "provider") {
            let said: Value = serde_json::from_slice(&said).unwrap();
            for item in said["input"].as_array().unwrap() {
                prop_assert!(item.get("kijun").is_none());
            }
        }
    }

    #[test]
    fn bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        say_everything(&body);
    }
}
