//! Batches over HTTP, and who may see them.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::app::{Answer, TestApp};

const CHAT: &str = "/v1/chat/completions";

/// A line that asks for a chat completion.
fn line(id: &str) -> String {
    let body = json!({"model": "kijun-sim", "messages": [{"role": "user", "content": "Hello"}]});
    json!({"custom_id": id, "method": "POST", "url": CHAT, "body": body}).to_string() + "\n"
}

/// Uploads a batch's lines; returns the file's id.
async fn upload(app: &TestApp, key: &str, purpose: &str, text: &str) -> String {
    let part = |head: &str, data: &str| {
        format!("--part\r\nContent-Disposition: form-data; {head}\r\n\r\n{data}\r\n")
    };
    let file = part("name=\"file\"; filename=\"lines.jsonl\"", text);
    let form = format!("{}{file}--part--\r\n", part("name=\"purpose\"", purpose));
    let request = Request::builder()
        .method("POST")
        .uri("/v1/files")
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "multipart/form-data; boundary=part")
        .body(Body::from(form))
        .unwrap();
    let answer = app.send(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn wanted(file: &str) -> Value {
    json!({"input_file_id": file, "endpoint": CHAT, "completion_window": "24h"})
}

async fn create(app: &TestApp, key: &str, body: Value) -> Answer {
    app.ask("POST", "/v1/batches", key, body).await
}

async fn over(app: &TestApp, key: &str, id: &str) -> Value {
    loop {
        let batch = app.ask("GET", &format!("/v1/batches/{id}"), key, Value::Null).await.json();
        if !["validating", "in_progress", "finalizing", "cancelling"]
            .contains(&batch["status"].as_str().unwrap())
        {
            return batch;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_batch_has_openais_shape_at_every_step() {
    let app = TestApp::start().await;
    let key = &app.home.api_key;
    let file = upload(&app, key, "batch", &format!("{}{}", line("a"), line("b"))).await;
    let mut body = wanted(&file);
    body["metadata"] = json!({"mine": "yes"});
    body["output_expires_after"] = json!({"anchor": "created_at", "seconds": 3600});
    let made = create(&app, key, body).await.json();
    assert_eq!(
        (&made["object"], &made["status"], &made["endpoint"], &made["input_file_id"]),
        (&json!("batch"), &json!("validating"), &json!(CHAT), &json!(file))
    );
    assert_eq!(made["metadata"], json!({"mine": "yes"}));
    assert_eq!(made["expires_at"].as_i64(), made["created_at"].as_i64().map(|at| at + 86_400));
    for absent in ["errors", "output_file_id", "in_progress_at", "completed_at", "cancelled_at"] {
        assert_eq!(made.get(absent), Some(&Value::Null), "{absent}");
    }
    let id = made["id"].as_str().unwrap();
    let batch = over(&app, key, id).await;
    assert_eq!(batch["status"], "completed");
    assert_eq!(batch["request_counts"], json!({"total": 2, "completed": 2, "failed": 0}));
    let usage = &batch["usage"];
    assert_eq!(
        usage["total_tokens"].as_u64().unwrap(),
        usage["input_tokens"].as_u64().unwrap() + usage["output_tokens"].as_u64().unwrap()
    );
    let output = format!("/v1/files/{}", batch["output_file_id"].as_str().unwrap());
    let told = app.ask("GET", &output, key, Value::Null).await.json();
    assert_eq!(told["purpose"], "batch_output");
    assert_eq!(told["expires_at"].as_i64(), told["created_at"].as_i64().map(|at| at + 3_600));
    let content = app.ask("GET", &format!("{output}/content"), key, Value::Null).await;
    let lines: Vec<Value> = std::str::from_utf8(&content.body)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.iter().map(|line| &line["custom_id"]).collect::<Vec<_>>(), ["a", "b"]);

    let list = app.ask("GET", "/v1/batches?limit=1", key, Value::Null).await.json();
    assert_eq!((&list["object"], &list["first_id"]), (&json!("list"), &json!(id)));
    assert_eq!(list["has_more"], json!(false));
    let refused = app.ask("POST", &format!("/v1/batches/{id}/cancel"), key, Value::Null).await;
    let error = refused.is_error(409);
    assert_eq!(error["message"], "Cannot cancel a batch with status 'completed'.");
}

#[tokio::test]
async fn a_wrong_input_file_is_told_line_by_line() {
    let app = TestApp::start().await;
    let key = &app.home.api_key;
    let text = format!("{}nonsense\n", line("a"));
    let file = upload(&app, key, "batch", &text).await;
    let made = create(&app, key, wanted(&file)).await.json();
    let batch = over(&app, key, made["id"].as_str().unwrap()).await;
    assert_eq!(batch["status"], "failed");
    assert_eq!(
        batch["errors"],
        json!({"object": "list", "data": [{
            "code": "invalid_json_line",
            "message": "This line is not parseable as valid JSON.",
            "param": null,
            "line": 2,
        }]})
    );
}

#[tokio::test]
async fn a_wrong_request_names_its_field() {
    let app = TestApp::start().await;
    let key = &app.home.api_key;
    let file = upload(&app, key, "batch", &line("a")).await;
    let other = upload(&app, key, "user_data", &line("a")).await;
    for (field, value) in [
        ("input_file_id", json!("file-nothing")),
        ("input_file_id", json!(other)),
        ("input_file_id", Value::Null),
        ("endpoint", json!("/v1/images/generations")),
        ("completion_window", json!("1h")),
        ("metadata", json!({"a": 1})),
        ("output_expires_after.seconds", json!(1)),
        ("nonsense", json!(1)),
    ] {
        let mut body = wanted(&file);
        match field.split_once('.') {
            Some((outer, inner)) => body[outer] = json!({"anchor": "created_at", inner: value}),
            None => body[field] = value,
        }
        let error = create(&app, key, body).await.is_error(400);
        assert_eq!(error["param"], field, "{error}");
    }
    let missing = app.ask("GET", "/v1/batches/batch_none", key, Value::Null).await.is_error(404);
    assert_eq!(missing["message"], "No batch found with id 'batch_none'.");
}

#[tokio::test]
async fn another_projects_batches_are_not_there() {
    let app = TestApp::start().await;
    let neighbour = app.neighbour().await;
    let file = upload(&app, &neighbour.api_key, "batch", &line("a")).await;
    let made = create(&app, &neighbour.api_key, wanted(&file)).await.json();
    let path = format!("/v1/batches/{}", made["id"].as_str().unwrap());
    let key = &app.home.api_key;
    app.ask("GET", &path, key, Value::Null).await.is_error(404);
    app.ask("POST", &format!("{path}/cancel"), key, Value::Null).await.is_error(404);
    let list = app.ask("GET", "/v1/batches", key, Value::Null).await.json();
    assert_eq!(list["data"], json!([]));
    let error = create(&app, key, wanted(&file)).await.is_error(400);
    assert_eq!(error["param"], "input_file_id", "nor is its file");
}
