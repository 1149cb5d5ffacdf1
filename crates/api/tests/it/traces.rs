//! Traces: taken in with a project's key, read with an admin key.

use serde_json::{Value, json};

use crate::app::TestApp;

fn export(trace: &str) -> Value {
    json!({"data": [
        {"object": "trace", "id": trace, "workflow_name": "Support", "group_id": null,
         "metadata": null},
        {"object": "trace.span", "id": "span_1", "trace_id": trace, "parent_id": null,
         "started_at": "2026-01-31T09:15:00.5+00:00", "ended_at": null,
         "span_data": {"type": "agent", "name": "Triage"}, "error": null},
    ]})
}

#[tokio::test]
async fn what_a_project_exports_its_administrator_reads() {
    let app = TestApp::start().await;
    let key = &app.home.api_key;
    let taken = app.ask("POST", "/v1/traces/ingest", key, export("trace_1")).await;
    assert_eq!((taken.status.as_u16(), taken.body.len()), (204, 0), "{}", taken.text());
    let project = app.home.project.as_str();
    let list = app.admin("GET", &format!("/traces?project_id={project}"), Value::Null).await;
    assert_eq!((&list["first_id"], &list["has_more"]), (&json!("trace_1"), &json!(false)));
    let path = format!("/traces/trace_1?project_id={project}");
    let found = app.admin("GET", &path, Value::Null).await;
    assert_eq!(found["workflow_name"], "Support");
    assert_eq!(found["spans"][0]["span_data"]["name"], "Triage");
    assert_eq!(found["spans"][0]["call_id"], Value::Null);
    for path in ["/traces", "/traces/trace_1"] {
        let error = app.try_admin("GET", path, Value::Null).await.is_error(400);
        assert_eq!(error["param"], "project_id");
    }
}

#[tokio::test]
async fn nobody_reads_another_organizations_traces() {
    let app = TestApp::start().await;
    let neighbour = app.neighbour().await;
    let key = &neighbour.api_key;
    app.ask("POST", "/v1/traces/ingest", key, export("trace_1")).await;
    let project = neighbour.project.as_str();
    let path = format!("/traces/trace_1?project_id={project}");
    app.try_admin("GET", &path, Value::Null).await.is_error(404);
    let list = app.try_admin("GET", &format!("/traces?project_id={project}"), Value::Null).await;
    assert!(!list.text().contains("trace_1"), "{}", list.text());
    // The same id in one's own project is another trace.
    app.ask("POST", "/v1/traces/ingest", &app.home.api_key, export("trace_1")).await;
    let path = format!("/traces/trace_1?project_id={}", app.home.project);
    assert_eq!(app.admin("GET", &path, Value::Null).await["id"], "trace_1");
}

#[tokio::test]
async fn a_wrong_item_is_named() {
    let app = TestApp::start().await;
    let mut export = export("trace_1");
    export["data"][1]["span_data"] = json!({});
    let answer = app.ask("POST", "/v1/traces/ingest", &app.home.api_key, export).await;
    assert_eq!(answer.is_error(400)["param"], "data[1].span_data.type");
}
