//! Golden fixtures: `tests/fixtures/<vendor>/<case>/`.
//!
//! `request.json` becomes `upstream_request.json`, `upstream_response.json` becomes
//! `response.json`, and `upstream_stream.sse` becomes `response.sse`. To write a new case, write
//! the left sides, run `cargo test -p kijun-wire -- --ignored regenerate`, and read the right ones.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{VENDORS, Vendor, context, translate_stream};

fn cases(vendor: &Vendor) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(vendor.name);
    let mut cases: Vec<_> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn pretty(json: &[u8]) -> String {
    let value: Value = serde_json::from_slice(json).unwrap();
    format!("{}\n", serde_json::to_string_pretty(&value).unwrap())
}

/// The files that a case's files must become, with their text.
fn translated(vendor: &Vendor, case: &Path) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    if let Ok(request) = fs::read(case.join("request.json")) {
        let fields: Value = serde_json::from_slice(&request).unwrap();
        let model = fields["model"].as_str().unwrap();
        let stream = fields["stream"] == true;
        let upstream = (vendor.request)(&request, model, stream).unwrap();
        files.push((case.join("upstream_request.json"), pretty(&upstream)));
    }
    if let Ok(upstream) = fs::read(case.join("upstream_response.json")) {
        let response = (vendor.response)(&upstream, &context()).unwrap();
        files.push((case.join("response.json"), pretty(&response)));
    }
    if let Ok(upstream) = fs::read(case.join("upstream_stream.sse")) {
        let response = translate_stream(vendor, &upstream).unwrap();
        files.push((case.join("response.sse"), String::from_utf8(response).unwrap()));
    }
    files
}

#[test]
fn fixtures_are_translated_as_written() {
    for vendor in &VENDORS {
        let cases = cases(vendor);
        assert!(cases.len() > 10, "the fixtures of {} are there", vendor.name);
        for case in cases {
            let files = translated(vendor, &case);
            assert!(!files.is_empty(), "{} holds no case", case.display());
            for (path, text) in files {
                let golden = fs::read_to_string(&path)
                    .unwrap_or_else(|_| panic!("{} is missing", path.display()));
                assert_eq!(text, golden, "{}", path.display());
            }
        }
    }
}

#[test]
#[ignore = "writes the fixtures' right sides; read the difference before you commit it"]
fn regenerate() {
    for vendor in &VENDORS {
        for case in cases(vendor) {
            for (path, text) in translated(vendor, &case) {
                fs::write(path, text).unwrap();
            }
        }
    }
}

/// Where a case has both, the chunks joined as a client joins them are the whole answer.
#[test]
fn a_stream_says_what_the_whole_answer_says() {
    let mut compared = 0;
    for vendor in &VENDORS {
        for case in cases(vendor) {
            let Ok(whole) = fs::read(case.join("response.json")) else { continue };
            let Ok(chunks) = fs::read_to_string(case.join("response.sse")) else { continue };
            if case.ends_with("gemini/answer_blocked") || case.ends_with("gemini/several_answers") {
                // The stream had said something before it was blocked; the calls' numbers differ.
                continue;
            }
            let whole: Value = serde_json::from_slice(&whole).unwrap();
            let (joined, finish, usage) = join(&chunks);
            let choice = &whole["choices"][0];
            for field in ["content", "refusal", "reasoning", "reasoning_content", "images"] {
                let text = |value: &Value| value[field].as_str().unwrap_or_default().to_owned();
                let message = &choice["message"];
                assert_eq!(text(&joined), text(message), "{field} of {}", case.display());
            }
            assert_eq!(joined["tool_calls"], choice["message"]["tool_calls"], "{}", case.display());
            assert_eq!(finish, choice["finish_reason"], "{}", case.display());
            assert_eq!(usage, whole["usage"], "{}", case.display());
            compared += 1;
        }
    }
    assert!(compared > 10);
}

/// Joins the chunks of a stream with one choice.
fn join(chunks: &str) -> (Value, Value, Value) {
    let (mut message, mut finish, mut usage) = (serde_json::json!({}), Value::Null, Value::Null);
    for line in chunks.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let Ok(chunk) = serde_json::from_str::<Value>(line) else { continue };
        usage = chunk.get("usage").cloned().unwrap_or(usage);
        let Some(choice) = chunk["choices"].get(0) else { continue };
        if !choice["finish_reason"].is_null() {
            finish = choice["finish_reason"].clone();
        }
        for (field, value) in choice["delta"].as_object().unwrap() {
            match (field.as_str(), value) {
                ("tool_calls", Value::Array(calls)) => calls.iter().for_each(|call| {
                    join_call(&mut message, call.clone());
                }),
                (_, Value::String(more)) => {
                    let text = message[field].as_str().unwrap_or_default().to_owned() + more;
                    message[field] = text.into();
                }
                _ => {}
            }
        }
    }
    (message, finish, usage)
}

fn join_call(message: &mut Value, mut call: Value) {
    let index = call.as_object_mut().unwrap().remove("index").unwrap().as_u64().unwrap();
    if message["tool_calls"].is_null() {
        message["tool_calls"] = Value::Array(Vec::new());
    }
    let calls = message["tool_calls"].as_array_mut().unwrap();
    match calls.get_mut(usize::try_from(index).unwrap()) {
        None => calls.push(call),
        Some(begun) => {
            let more = call["function"]["arguments"].as_str().unwrap();
            let arguments = begun["function"]["arguments"].as_str().unwrap().to_owned() + more;
            begun["function"]["arguments"] = arguments.into();
        }
    }
}
