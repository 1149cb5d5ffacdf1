//! What is not understood passes through unchanged, both ways.

use std::io::Write as _;

use axum::body::Body;
use http::{Request, header};
use serde_json::{Value, json};
use testkit::upstream::{UNKNOWN_FIELDS_ANSWER, UNKNOWN_FIELDS_EVENT};

use crate::app::{Answer, MAX_BODY, TestApp, hello, hello_streamed};

async fn post(app: &TestApp, body: impl Into<Body>, encoding: Option<&str>) -> Answer {
    let mut request = Request::post("/v1/chat/completions")
        .header(header::AUTHORIZATION, format!("Bearer {}", app.home.api_key))
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(encoding) = encoding {
        request = request.header(header::CONTENT_ENCODING, encoding);
    }
    app.send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn unknown_fields_pass_byte_for_byte() {
    let app = TestApp::start().await;
    let body = r#"{ "mood":{"b":1.50,"a":1e2}, "model" : "unknown-fields","messages":[ {"role":"user","content":"h\u00e9","x":null}]}"#;
    let answer = post(&app, body, None).await;
    assert_eq!(answer.text(), UNKNOWN_FIELDS_ANSWER);
    assert_eq!(app.upstream.bodies(), [body]);
}

#[tokio::test]
async fn unknown_fields_of_events_pass_byte_for_byte() {
    let app = TestApp::start().await;
    let answer = app.chat(hello_streamed("unknown-fields")).await;
    assert_eq!(answer.header("content-type"), "text/event-stream; charset=utf-8");
    let expected = format!("{UNKNOWN_FIELDS_EVENT}\n\ndata: [DONE]\n\n");
    assert_eq!(answer.text(), expected);
}

#[tokio::test]
async fn usage_is_asked_for_and_shown_to_who_asked() {
    let app = TestApp::start().await;
    let quiet = app.chat(hello_streamed("ok")).await;
    assert!(!quiet.text().contains("usage"), "{}", quiet.text());
    assert_eq!(quiet.streamed_text(), "abc");
    let mut asking = hello_streamed("ok");
    asking["stream_options"] = json!({"include_usage": true});
    let asked = app.chat(asking).await;
    let events = asked.events();
    let usage: Value = serde_json::from_str(&events[events.len() - 2]).unwrap();
    assert_eq!(usage["usage"]["total_tokens"], 8);
    for body in app.upstream.bodies() {
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["stream_options"]["include_usage"], true);
    }
    for call in app.calls().await {
        assert_eq!(call["usage"]["input_tokens"], 3);
        assert_eq!(call["usage"]["output_tokens"], 5);
        assert_eq!(call["usage"]["estimated"], false);
    }
}

#[tokio::test]
async fn a_compressed_body_is_understood() {
    let app = TestApp::start().await;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(hello("ok").to_string().as_bytes()).unwrap();
    let answer = post(&app, encoder.finish().unwrap(), Some("gzip")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    post(&app, "not gzip", Some("gzip")).await.is_error(400);
    post(&app, "{}", Some("lzma")).await.is_error(415);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let app = TestApp::start().await;
    let mut body = hello("ok");
    body["messages"][0]["content"] = Value::String("x".repeat(MAX_BODY));
    let error = app.chat(body).await.is_error(413);
    assert!(error["message"].as_str().unwrap().contains(&MAX_BODY.to_string()));
    assert_eq!(app.upstream.requests(), 0);
}

#[tokio::test]
async fn every_answer_has_its_id_and_time() {
    let app = TestApp::start().await;
    for answer in [app.chat(hello("ok")).await, app.ask("GET", "/nowhere", "", Value::Null).await] {
        assert!(answer.header("x-request-id").starts_with("req_"));
        assert!(!answer.header("openai-processing-ms").is_empty());
    }
    app.ask("GET", "/nowhere", "", Value::Null).await.is_error(404);
    app.ask("PUT", "/v1/models", "", Value::Null).await.is_error(405);
}

#[tokio::test]
async fn a_tier_that_was_not_granted_does_not_reach_the_provider() {
    let app = TestApp::start().await;
    let post_asking = async |tier: &str| {
        let body = format!(
            r#"{{ "service_tier":"{tier}","model" : "ok","messages":[{{"role":"user","content":"a"}}]}}"#
        );
        assert_eq!(post(&app, body, None).await.status, 200);
        let sent: Value = serde_json::from_str(app.upstream.bodies().last().unwrap()).unwrap();
        sent["service_tier"].clone()
    };
    assert_eq!(post_asking("priority").await, "default");
    // What only the provider knows is between it and the client.
    for tier in ["flex", "auto", "scale"] {
        assert_eq!(post_asking(tier).await, tier);
    }
    let path = format!("/projects/{}/service_tiers", app.home.project);
    let all = json!({"default_tier": "default", "tiers": ["priority", "default"]});
    app.admin("POST", &path, all).await;
    assert_eq!(post_asking("priority").await, "priority");
    assert_eq!(post_asking("flex").await, "default");
}
