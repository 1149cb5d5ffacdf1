//! Upstreams that misbehave: what the client gets, and what the record says.

use serde_json::Value;
use testkit::upstream::LARGE_ARGUMENTS;

use crate::app::{TestApp, hello, hello_streamed};

const TEXT: &str = "héllo 日本 🎌";

#[tokio::test]
async fn missing_usage_is_counted_here() {
    let app = TestApp::start().await;
    assert_eq!(app.chat(hello("missing-usage")).await.status, 200);
    let streamed = app.chat(hello_streamed("missing-usage")).await;
    assert_eq!(streamed.streamed_text(), TEXT);
    let calls = app.calls().await;
    assert_eq!(calls.len(), 2);
    for call in &calls {
        assert_eq!(call["usage"]["estimated"], true, "{call}");
        assert!(call["usage"]["input_tokens"].as_u64().unwrap() > 0, "{call}");
        assert!(call["usage"]["output_tokens"].as_u64().unwrap() > 0, "{call}");
        assert_eq!(call["outcome"], "completed");
    }
}

#[tokio::test]
async fn characters_cut_in_the_middle_arrive_whole() {
    let app = TestApp::start().await;
    let whole = app.chat(hello("split-utf8")).await.json();
    assert_eq!(whole["choices"][0]["message"]["content"], TEXT);
    let streamed = app.chat(hello_streamed("split-utf8")).await;
    assert_eq!(streamed.streamed_text(), TEXT);
    assert_eq!(streamed.events().last().unwrap(), "[DONE]");
    for call in app.calls().await {
        assert_eq!(call["usage"]["output_tokens"], 5, "{call}");
    }
}

#[tokio::test]
async fn comments_do_not_disturb() {
    let app = TestApp::start().await;
    let streamed = app.chat(hello_streamed("sse-comments")).await;
    assert_eq!(streamed.streamed_text(), "ab");
    let call = app.only_call().await;
    assert_eq!(call["outcome"], "completed");
    assert_eq!(call["usage"]["input_tokens"], 3);
}

#[tokio::test]
async fn a_rate_limit_is_handed_on_as_it_was_said() {
    let app = TestApp::start().await;
    for body in [hello("rate-limited"), hello_streamed("rate-limited")] {
        let answer = app.chat(body).await;
        let error = answer.is_error(429);
        assert_eq!(answer.header("retry-after"), "7");
        assert_eq!(error["hint"], "later", "unknown fields of errors pass, too");
    }
    for call in app.calls().await {
        assert_eq!(call["outcome"], "upstream_error");
        assert_eq!(call["status"], 429);
        assert_eq!(call["usage"]["input_tokens"], 0);
    }
}

#[tokio::test]
async fn a_reset_in_the_middle_is_told() {
    let app = TestApp::start().await;
    let streamed = app.chat(hello_streamed("reset-mid-stream")).await;
    assert_eq!(streamed.streamed_text(), "half");
    let events = streamed.events();
    assert!(events.iter().all(|event| event != "[DONE]"), "{events:?}");
    let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert!(last["error"]["message"].is_string(), "{last}");
    let call = app.only_call().await;
    assert_eq!(call["outcome"], "upstream_broken");
    assert_eq!(call["usage"]["estimated"], true);
    app.chat(hello("reset-mid-stream")).await.is_error(502);
}

#[tokio::test]
async fn a_megabyte_of_arguments_passes() {
    let app = TestApp::start().await;
    let whole = app.chat(hello("big-tool-args")).await.json();
    let function = &whole["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!(function["arguments"].as_str().unwrap().len(), LARGE_ARGUMENTS);
    let streamed = app.chat(hello_streamed("big-tool-args")).await;
    let first: Value = serde_json::from_str(&streamed.events()[0]).unwrap();
    let function = &first["choices"][0]["delta"]["tool_calls"][0]["function"];
    assert_eq!(function["arguments"].as_str().unwrap().len(), LARGE_ARGUMENTS);
    for call in app.calls().await {
        assert_eq!(call["usage"]["output_tokens"], 5);
    }
}

#[tokio::test]
async fn a_text_that_is_no_json_becomes_an_error() {
    let app = TestApp::start().await;
    let error = app.chat(hello("server-error")).await.is_error(500);
    assert!(error["message"].as_str().unwrap().contains("boom"), "{error}");
    assert_eq!(app.only_call().await["outcome"], "upstream_error");
}

#[tokio::test]
async fn a_stream_without_its_last_word_gets_one() {
    let app = TestApp::start().await;
    let streamed = app.chat(hello_streamed("no-done")).await;
    assert_eq!(streamed.streamed_text(), TEXT);
    assert_eq!(streamed.events().last().unwrap(), "[DONE]");
    assert_eq!(app.only_call().await["outcome"], "completed");
}

#[tokio::test]
async fn an_error_told_inside_a_stream_is_told_once_and_not_kept() {
    let app = TestApp::start().await;
    let streamed = app.chat(hello_streamed("error-in-stream")).await;
    let events = streamed.events();
    assert_eq!(events.iter().filter(|event| event.contains("\"error\"")).count(), 1, "{events:?}");
    assert!(events[1].contains("the engine fell over"));
    assert_eq!(app.only_call().await["outcome"], "upstream_broken");
}

#[tokio::test]
async fn a_last_event_without_its_blank_line_stays_an_event_of_its_own() {
    let app = TestApp::start().await;
    let streamed = app.chat(hello_streamed("no-last-blank")).await;
    assert_eq!(streamed.streamed_text(), TEXT);
    let events = streamed.events();
    assert_eq!(events.last().unwrap(), "[DONE]");
    let finish: Value = serde_json::from_str(&events[events.len() - 2]).unwrap();
    assert_eq!(finish["choices"][0]["finish_reason"], "stop");
    assert_eq!(app.only_call().await["outcome"], "completed");
}

#[tokio::test]
async fn a_stream_that_goes_on_after_done_is_cut_there() {
    let app = TestApp::start().await;
    let streamed = app.chat(hello_streamed("after-done")).await;
    assert_eq!(streamed.events().last().unwrap(), "[DONE]");
    assert_eq!(app.only_call().await["outcome"], "completed");
}
