//! Streams that end badly, and streams that are long.

use serde_json::{Value, json};

use super::{VENDORS, context, translate_stream};

fn event(value: &Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}

#[test]
fn errors_inside_a_stream_are_told() {
    let [anthropic, gemini] = &VENDORS;
    let overloaded = json!({ "type": "error",
        "error": { "type": "overloaded_error", "message": "Overloaded" } });
    let unavailable = json!({ "error": {
        "code": 503, "status": "UNAVAILABLE", "message": "Overloaded" } });
    for (vendor, said) in [(anthropic, &overloaded), (gemini, &unavailable)] {
        let (mut translator, mut out) = ((vendor.stream)(context()), Vec::new());
        let bad = translator.push(&event(said), &mut out).unwrap_err();
        assert!(bad.to_string().ends_with("Overloaded"), "{bad}");
        let told = wire::sse::Event::parse(&out);
        let told: Value = serde_json::from_slice(&told.data).unwrap();
        assert_eq!(told["error"]["message"], "Overloaded", "{}", vendor.name);
        assert_eq!(told["error"]["code"], "overloaded", "{}", vendor.name);
    }
}

#[test]
fn a_stream_that_stops_in_the_middle_has_no_proper_end() {
    let [anthropic, gemini] = &VENDORS;
    let begun = json!({ "type": "message_start", "message": {} });
    let text = json!({ "candidates": [{ "content": { "parts": [{ "text": "Well" }] } }] });
    for (vendor, upstream) in [
        (anthropic, event(&begun)),
        (anthropic, Vec::new()),
        (gemini, event(&text)),
        (gemini, Vec::new()),
    ] {
        let mut out = Vec::new();
        let mut translator = (vendor.stream)(context());
        translator.push(&upstream, &mut out).unwrap();
        assert!(translator.finish(&mut out).is_err(), "{}", vendor.name);
        assert!(!out.ends_with(wire::sse::DONE));
    }
}

#[test]
fn nothing_follows_the_end() {
    let [anthropic, _] = &VENDORS;
    let mut translator = (anthropic.stream)(context());
    let mut out = Vec::new();
    translator.push(&event(&json!({ "type": "message_stop" })), &mut out).unwrap();
    assert!(out.ends_with(wire::sse::DONE));
    let length = out.len();
    translator.push(&event(&json!({ "type": "message_stop" })), &mut out).unwrap();
    translator.finish(&mut out).unwrap();
    assert_eq!(out.len(), length);
}

/// So that the gateway counts for itself, instead of taking the call for free.
#[test]
fn usage_that_was_not_reported_is_not_made_up() {
    let [anthropic, gemini] = &VENDORS;
    let stop = json!({ "type": "message_stop" });
    let candidate = json!({ "candidates": [{ "finishReason": "STOP" }] });
    for (vendor, upstream) in [(anthropic, &stop), (gemini, &candidate)] {
        let stream = translate_stream(vendor, &event(upstream)).unwrap();
        let stream = String::from_utf8(stream).unwrap();
        assert!(stream.ends_with("data: [DONE]\n\n"));
        assert!(!stream.contains("usage"), "{stream}");
    }
    for (vendor, answer) in [(anthropic, json!({ "content": [] })), (gemini, candidate)] {
        let whole = (vendor.response)(answer.to_string().as_bytes(), &context()).unwrap();
        assert!(!String::from_utf8(whole).unwrap().contains("usage"));
    }
}

/// One megabyte of arguments, in small parts.
#[test]
fn long_arguments_arrive_whole() {
    let [anthropic, _] = &VENDORS;
    let mut translator = (anthropic.stream)(context());
    let mut out = Vec::new();
    let start = json!({ "type": "content_block_start", "index": 4, "content_block": {
        "type": "tool_use", "id": "toolu_1", "name": "write", "input": {} } });
    translator.push(&event(&start), &mut out).unwrap();
    let part = "\"é\\n".repeat(16);
    let mut sent = String::new();
    while sent.len() < 1_000_000 {
        let delta = json!({ "type": "content_block_delta", "index": 4,
            "delta": { "type": "input_json_delta", "partial_json": part } });
        translator.push(&event(&delta), &mut out).unwrap();
        sent.push_str(&part);
    }
    let mut arrived = String::new();
    for line in std::str::from_utf8(&out).unwrap().lines() {
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let chunk: Value = serde_json::from_str(data).unwrap();
        let call = &chunk["choices"][0]["delta"]["tool_calls"][0];
        if let Some(arguments) = call["function"]["arguments"].as_str() {
            assert_eq!(call["index"], 0);
            arrived.push_str(arguments);
        }
    }
    assert_eq!(arrived, sent);
}
