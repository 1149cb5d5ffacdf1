//! Requests as upstreams read them, `tests/fixtures/response_requests/<kind>/<case>/`:
//! `request.json` is what the gateway was asked, `upstream_request.json` what becomes of it. To
//! write a new case, write the left side, run `cargo test -p kijun-wire -- --ignored regenerate`,
//! and read the right one.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wire::error::ErrorBody;
use wire::responses::{chat_request, native_request};
use wire::translate::{anthropic, gemini};

type Said = fn(&[u8]) -> Result<Vec<u8>, ErrorBody>;

const KINDS: [(&str, Said); 2] =
    [("chat", chat_request), ("native", |body| native_request(body, "openai-main"))];

fn cases(kind: &str) -> Vec<PathBuf> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/response_requests").join(kind);
    let mut cases: Vec<_> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn said(say: Said, case: &Path) -> String {
    let upstream = say(&fs::read(case.join("request.json")).unwrap()).unwrap();
    let value: Value = serde_json::from_slice(&upstream).unwrap();
    format!("{}\n", serde_json::to_string_pretty(&value).unwrap())
}

#[test]
fn requests_are_said_as_written() {
    for (kind, say) in KINDS {
        let cases = cases(kind);
        assert!(cases.len() >= 4, "the fixtures of {kind} are there");
        for case in cases {
            let golden = fs::read_to_string(case.join("upstream_request.json")).unwrap();
            assert_eq!(said(say, &case), golden, "{}", case.display());
        }
    }
}

#[test]
#[ignore = "writes the fixtures' right sides; read the difference before you commit it"]
fn regenerate_requests() {
    for (kind, say) in KINDS {
        for case in cases(kind) {
            fs::write(case.join("upstream_request.json"), said(say, &case)).unwrap();
        }
    }
}

/// What is made for a chat is what the translations to other vendors read.
#[test]
fn chats_are_understood_by_the_translations() {
    let mut understood = 0;
    for case in cases("chat") {
        // One vendor does not hear, the other does not fetch; neither tells probabilities alike.
        if case.ends_with("parts") || case.ends_with("json_schema") {
            continue;
        }
        let chat = chat_request(&fs::read(case.join("request.json")).unwrap()).unwrap();
        for translate in [anthropic::request, gemini::request] {
            let translated = translate(&chat, "house-model", false);
            assert!(translated.is_ok(), "{}: {}", case.display(), translated.unwrap_err());
        }
        understood += 1;
    }
    assert!(understood >= 8);
}

#[test]
fn what_a_chat_cannot_say_is_refused_by_name() {
    let hi = json!([{"role": "user", "type": "message", "content": "Hi."}]);
    let user = |part: Value| json!([{"type": "message", "role": "user", "content": [part]}]);
    let web_search = json!([{"type": "web_search"}]);
    for (body, param) in [
        (json!({"input": hi, "prompt": {"id": "pmpt_1"}}), "prompt"),
        (json!({"input": [{"type": "item_reference", "id": "msg_1"}]}), "input[0]"),
        (json!({"input": [{"type": "compaction", "encrypted_content": "g"}]}), "input[0]"),
        (
            json!({"input": user(json!({"type": "input_image", "file_id": "file-a"}))}),
            "input[0].content[0]",
        ),
        (json!({"input": user(json!({"type": "input_file"}))}), "input[0].content[0]"),
        (json!({"input": user(json!({"type": "hologram"}))}), "input[0].content[0]"),
        (json!({"input": hi, "tool_choice": {"type": "web_search"}}), "tool_choice"),
        (json!({"input": hi, "tool_choice": "required", "tools": web_search}), "tool_choice"),
        (
            json!({"input": [{"type": "function_call", "call_id": "c", "name": "f",
            "arguments": "{}"}]}),
            "input",
        ),
        (
            json!({"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}),
            "input",
        ),
    ] {
        let error = chat_request(body.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param), "{body}");
    }
}

#[test]
fn a_compaction_that_nobody_here_can_read_is_refused() {
    let body = json!({"input": [{"type": "compaction", "kijun": {"provider": "x", "blob": "g"}}]});
    let error = native_request(body.to_string().as_bytes(), "openai-main").unwrap_err();
    assert_eq!(error.param.as_deref(), Some("input[0]"));
}

#[test]
fn nothing_private_reaches_a_provider() {
    for (kind, say) in KINDS {
        for case in cases(kind) {
            assert!(!said(say, &case).contains("kijun"), "{}", case.display());
        }
    }
}
