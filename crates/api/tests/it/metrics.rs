//! `GET /metrics`: what it tells of a node, and to whom.

use std::sync::Arc;

use api::Peer;
use axum::body::Body;
use http::Request;
use kernel::Timestamp;
use serde_json::Value;
use telemetry::Sources;
use telemetry::sources::{NoSources, NoticesState};

use crate::app::{Answer, TestApp, hello};

/// A node with an outbox and an audit log.
#[derive(Debug)]
struct Parts;

impl Sources for Parts {
    fn notices(&self) -> Option<NoticesState> {
        Some(NoticesState { waiting: 1, failed: 2, ..NoticesState::default() })
    }

    fn audit_checkpoint(&self) -> Option<Timestamp> {
        Some(Timestamp::from_millis(1_700_000_000_500))
    }
}

async fn read(app: &TestApp) -> Answer {
    app.ask("GET", "/metrics", &app.home.admin_key, Value::Null).await
}

#[tokio::test]
async fn calls_are_told_and_so_is_the_node() {
    let app = TestApp::start().await;
    app.metrics.attach(&app.gateway, Arc::new(Parts));
    assert_eq!(app.chat(hello("kijun-sim")).await.status, 200);
    assert_eq!(app.chat(hello("no-such-model")).await.status, 404);
    let answer = read(&app).await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text();
    let gen_ai = r#"gen_ai_operation_name="chat",gen_ai_provider_name="sim",gen_ai_request_model="kijun-sim",openai_api_type="chat_completions",kijun_provider="kijun-sim""#;
    for wanted in [
        r#"kijun_calls_total{operation="chat_completions",model="kijun-sim",provider="kijun-sim",service_tier="default",outcome="completed",status_class="2xx"} 1"#,
        r#"kijun_refusals_total{operation="chat_completions",code="model_not_found"} 1"#,
        &format!("gen_ai_client_operation_duration_seconds_count{{{gen_ai}}} 1"),
        "kijun_calls_under_way 0",
        r#"kijun_calls_waiting{service_tier="priority"} 0"#,
        r#"kijun_targets{provider="kijun-sim",state="open"} 0"#,
        r#"kijun_provider_up{provider="kijun-sim"} 1"#,
        "kijun_stopping 0",
        "kijun_database_up 1",
        "kijun_journal_lost_records_total 0",
        r#"kijun_disk{state="full"} 0"#,
        "kijun_notices_failed_total 2",
        "kijun_audit_checkpoint_timestamp_seconds 1700000000.5",
    ] {
        assert!(text.lines().any(|line| line == wanted), "{wanted} is not in\n{text}");
    }
    // What nobody answers for is not there.
    for absent in ["kijun_certificate", "kijun_shared_limits", "kijun_database_connections"] {
        assert!(!text.contains(absent), "{absent}");
    }
    assert!(!text.contains("no-such-model"), "a client's own words are told");
}

#[tokio::test]
async fn openmetrics_is_there_for_who_asks() {
    let app = TestApp::start().await;
    app.metrics.attach(&app.gateway, Arc::new(NoSources));
    let request = Request::get("/metrics")
        .header("authorization", format!("Bearer {}", app.home.admin_key))
        .header("accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
        .body(Body::empty())
        .unwrap();
    let answer = app.send(request).await;
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    assert!(answer.text().ends_with("\n# EOF\n"));
}

#[tokio::test]
async fn this_machine_reads_without_a_key_and_others_do_not() {
    let app = TestApp::start().await;
    for (from, status) in [("127.0.0.1", 200), ("192.0.2.7", 401)] {
        let peer = Peer(from.parse().unwrap());
        let request = Request::get("/metrics").extension(peer).body(Body::empty()).unwrap();
        assert_eq!(app.send(request).await.status, status, "{from}");
    }
    let answer = app.ask("GET", "/metrics", &app.home.api_key, Value::Null).await;
    assert_eq!(answer.is_error(403)["code"], "admin_key_required");
}
