//! Traces as agents export them.

use std::sync::Arc;

use kernel::{RetentionSetting, RetentionType, Scope, SystemClock};
use responses::traces::Traces;
use serde_json::{Value, json};
use store::Page;

use crate::responses_app::TestResponses;

async fn start() -> (TestResponses, Traces, Scope) {
    let app = TestResponses::new().await;
    let traces = Traces::new(app.store.clone(), Arc::new(SystemClock));
    let scope = app.caller().scope();
    (app, traces, scope)
}

fn trace(id: &str) -> Value {
    json!({
        "object": "trace", "id": id, "workflow_name": "Support", "group_id": "chat-7",
        "metadata": {"team": "blue"},
    })
}

fn span(id: &str, started_at: &str, data: &Value) -> Value {
    json!({
        "object": "trace.span", "id": id, "trace_id": "trace_1", "parent_id": null,
        "started_at": started_at, "ended_at": started_at, "span_data": data, "error": null,
    })
}

async fn ingest(app: &TestResponses, traces: &Traces, data: &[Value]) {
    let body = json!({"data": data}).to_string();
    traces.ingest(&app.caller(), body.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_trace_is_read_with_its_spans_tied_to_their_calls() {
    let (app, traces, scope) = start().await;
    let response = app.whole(json!({"model": "kijun-sim", "input": "Hello"})).await;
    let call = app.records().await.pop().unwrap().id;
    let first = span(
        "span_1",
        "2026-01-31T09:15:00.000001+00:00",
        &json!({"type": "agent", "name": "Triage", "tools": []}),
    );
    let data = json!({"type": "response", "response_id": response["id"], "usage": null});
    let second = span("span_2", "2026-01-31T09:15:00.5+00:00", &data);
    // In whatever order they come, and a second time.
    ingest(&app, &traces, std::slice::from_ref(&second)).await;
    ingest(&app, &traces, &[first.clone(), trace("trace_1"), second.clone()]).await;

    let found = traces.retrieve(&scope, "trace_1").await.unwrap();
    assert_eq!(found["workflow_name"], "Support");
    assert_eq!(
        (&found["group_id"], &found["metadata"]),
        (&json!("chat-7"), &json!({"team": "blue"}))
    );
    let spans = found["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 2);
    assert_eq!(spans[0]["span_data"], first["span_data"]);
    assert_eq!((&spans[0]["call_id"], &spans[1]["call_id"]), (&Value::Null, &json!(call)));
}

#[tokio::test]
async fn traces_are_listed_the_newest_first() {
    let (app, traces, scope) = start().await;
    for id in ["trace_a", "trace_b", "trace_c"] {
        ingest(&app, &traces, &[trace(id)]).await;
    }
    let page = Page { limit: 2, ..Page::default() };
    let (found, more) = traces.list(&scope, &page).await.unwrap();
    let ids: Vec<&str> = found.iter().map(|trace| trace["id"].as_str().unwrap()).collect();
    assert_eq!((ids, more), (vec!["trace_c", "trace_b"], true));
    let page = Page { after: Some("trace_b".to_owned()), ..page };
    let (found, more) = traces.list(&scope, &page).await.unwrap();
    assert_eq!((&found[0]["id"], found.len(), more), (&json!("trace_a"), 1, false));
    assert_eq!(traces.retrieve(&scope, "trace_x").await.unwrap_err().status(), 404);
}

#[tokio::test]
async fn one_wrong_item_keeps_all_of_them_out() {
    let (app, traces, scope) = start().await;
    let wrong = span("span_1", "yesterday", &json!({"type": "agent"}));
    for (data, param) in [
        (json!({"data": [trace("trace_1"), wrong]}), "data[1].started_at"),
        (json!({"data": {}}), "data"),
        (json!({}), "data"),
    ] {
        let refused = traces.ingest(&app.caller(), data.to_string().as_bytes()).await.unwrap_err();
        assert_eq!((refused.status(), refused.error().param.as_deref()), (400, Some(param)));
    }
    assert!(traces.list(&scope, &Page::default()).await.unwrap().0.is_empty());
    ingest(&app, &traces, &[]).await;
}

#[tokio::test]
async fn zero_data_retention_keeps_ids_times_and_kinds() {
    let (app, traces, scope) = start().await;
    let setting = RetentionSetting { kind: RetentionType::ZeroDataRetention, days: None };
    app.store.retention_put(&app.scope, setting).await.unwrap();
    app.gateway.refresh().await.unwrap();
    let data = json!({"type": "function", "name": "secret", "input": "secret", "output": "secret"});
    ingest(&app, &traces, &[trace("trace_1"), span("span_1", "2026-01-31T09:15:00Z", &data)]).await;
    let found = traces.retrieve(&scope, "trace_1").await.unwrap();
    assert_eq!((&found["workflow_name"], &found["group_id"]), (&json!(""), &Value::Null));
    assert_eq!(found["spans"][0]["span_data"], json!({"type": "function"}));
    assert_eq!(found["spans"][0]["started_at"], "2026-01-31T09:15:00Z");
    assert!(!found.to_string().contains("secret"));
}
