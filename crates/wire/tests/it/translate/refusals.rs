//! What a vendor cannot express is refused by name, and what is no answer is no answer.

use serde_json::{Value, json};

use super::{VENDORS, Vendor, context};

const ANTHROPIC: &Vendor = &VENDORS[0];
const GEMINI: &Vendor = &VENDORS[1];

fn refused(vendor: &Vendor, fields: &Value) -> String {
    let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "Hello." }] });
    for (field, value) in fields.as_object().unwrap() {
        body[field] = value.clone();
    }
    (vendor.request)(body.to_string().as_bytes(), "m", false).unwrap_err().param
}

fn user(part: &Value) -> Value {
    json!({ "messages": [{ "role": "user", "content": [part] }] })
}

#[test]
fn anthropic_cannot_say_these() {
    let sound =
        json!({ "type": "input_audio", "input_audio": { "data": "AAAA", "format": "wav" } });
    let archive =
        json!({ "type": "file", "file": { "file_data": "data:application/zip;base64,AAAA" } });
    let openai_file = json!({ "type": "file", "file": { "file_id": "file-abc" } });
    let no_text = json!({ "type": "file", "file": { "filename": "a.txt", "file_data": "/w==" } });
    for (fields, param) in [
        (json!({ "n": 2 }), "n"),
        (json!({ "logprobs": true }), "logprobs"),
        (user(&sound), "messages[0].content[0].input_audio"),
        (user(&archive), "messages[0].content[0].file.file_data"),
        (user(&no_text), "messages[0].content[0].file.file_data"),
        (user(&openai_file), "messages[0].content[0].file"),
    ] {
        assert_eq!(refused(ANTHROPIC, &fields), param);
    }
}

#[test]
fn gemini_must_know_the_call_that_a_result_answers() {
    let lone = json!({ "messages": [
        { "role": "user", "content": "Hello." },
        { "role": "tool", "tool_call_id": "call_unknown", "content": "42" },
    ] });
    assert_eq!(refused(GEMINI, &lone), "messages[1].tool_call_id");
}

#[test]
fn no_vendor_can_say_these() {
    let call = json!({ "id": "a", "type": "function",
        "function": { "name": "f", "arguments": "[1]" } });
    let image = json!({ "type": "image_url", "image_url": { "url": "data:image/png,raw" } });
    for vendor in &VENDORS {
        for (fields, param) in [
            (json!({ "messages": [] }), "messages"),
            (json!({ "messages": [{ "role": "system", "content": "Alone." }] }), "messages"),
            (
                json!({ "messages": [{ "role": "assistant", "tool_calls": [call] }] }),
                "messages[0].tool_calls[0].function.arguments",
            ),
            (
                json!({ "messages": [{ "role": "system", "content": [image] }] }),
                "messages[0].content[0]",
            ),
            (user(&image), "messages[0].content[0].image_url.url"),
            (json!({ "web_search_options": {} }), "web_search_options"),
            (json!({ "response_format": { "type": "grammar" } }), "response_format.type"),
        ] {
            assert_eq!(refused(vendor, &fields), param, "{}", vendor.name);
        }
        let no_object = (vendor.request)(b"[]", "m", false).unwrap_err();
        assert_eq!(no_object.param, "body");
    }
}

#[test]
fn what_is_no_answer_is_a_bad_one_and_is_never_quoted() {
    let malformed = json!({ "candidates": [{ "finishReason": "MALFORMED_FUNCTION_CALL" }] });
    let malformed = malformed.to_string();
    for (vendor, body) in [
        (ANTHROPIC, "SECRET"),
        (ANTHROPIC, r#"{"content": "SECRET"}"#),
        (GEMINI, "SECRET"),
        (GEMINI, "{}"),
        (GEMINI, r#"{"candidates": "SECRET"}"#),
        (GEMINI, &malformed),
    ] {
        let bad = (vendor.response)(body.as_bytes(), &context()).unwrap_err();
        assert!(!bad.to_string().contains("SECRET"), "{bad}");
    }
}
