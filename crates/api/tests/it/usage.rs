//! What was called is told once, in the official shape.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{NOW, TestApp, hello, hello_streamed};

/// The results of all buckets.
async fn results(app: &TestApp, question: &str) -> Vec<Value> {
    let page = app.admin("GET", &format!("/usage/{question}"), Value::Null).await;
    assert_eq!(page["object"], "page");
    let buckets = page["data"].as_array().unwrap().clone();
    buckets.iter().flat_map(|bucket| bucket["results"].as_array().unwrap().clone()).collect()
}

#[tokio::test]
async fn from_a_new_project_to_its_usage() {
    let app = TestApp::start().await;
    let project = app.admin("POST", "/projects", json!({"name": "Team 5"})).await;
    let id = project["id"].as_str().unwrap();
    let path = format!("/projects/{id}/api_keys");
    let key = app.admin("POST", &path, json!({"name": "Key"})).await;
    let secret = key["value"].as_str().unwrap();
    let answer = app.ask("POST", "/v1/chat/completions", secret, hello("kijun-sim")).await;
    let usage = answer.json()["usage"].clone();
    assert!(usage["prompt_tokens"].as_u64().unwrap() > 0, "{usage}");

    let start = NOW.as_secs();
    let question = format!("completions?start_time={start}&group_by[]=project_id&group_by[]=model");
    let results = results(&app, &question).await;
    assert_eq!(results.len(), 1, "{results:?}");
    let row = &results[0];
    assert_eq!(row["object"], "organization.usage.completions.result");
    assert_eq!(row["num_model_requests"], 1);
    assert_eq!(row["input_tokens"], usage["prompt_tokens"]);
    assert_eq!(row["output_tokens"], usage["completion_tokens"]);
    assert_eq!(row["project_id"], id);
    assert_eq!(row["model"], "kijun-sim");
    assert_eq!(row["api_key_id"], Value::Null);
    assert_eq!(row["batch"], Value::Null);

    let path = format!("/calls/{}", answer.header("x-request-id"));
    let call = app.admin("GET", &path, Value::Null).await;
    assert_eq!(call["api_key_id"], key["id"]);
    assert_eq!(call["outcome"], "completed");
    assert_eq!(call["usage"]["input_tokens"], usage["prompt_tokens"]);
}

#[tokio::test]
async fn each_operation_has_its_own_usage() {
    let app = TestApp::start().await;
    let key = &app.home.api_key;
    let embed = json!({"model": "kijun-sim-embedding", "input": "Hello"});
    assert_eq!(app.ask("POST", "/v1/embeddings", key, embed).await.status, 200);
    let moderate = json!({"model": "kijun-sim-moderation", "input": "Hello"});
    assert_eq!(app.ask("POST", "/v1/moderations", key, moderate).await.status, 200);
    let complete = json!({"model": "kijun-sim", "prompt": "Hello"});
    assert_eq!(app.ask("POST", "/v1/completions", key, complete).await.status, 200);
    assert_eq!(app.chat(hello_streamed("kijun-sim")).await.status, 200);
    let start = NOW.as_secs();
    for (kind, count) in [("completions", 2), ("embeddings", 1), ("moderations", 1)] {
        let results = results(&app, &format!("{kind}?start_time={start}")).await;
        assert_eq!(results[0]["num_model_requests"], count, "{kind}");
        assert_eq!(results[0]["object"], format!("organization.usage.{kind}.result"));
    }
    let models = format!("completions?start_time={start}&models=ok&models=missing-usage");
    assert!(results(&app, &models).await.is_empty());
    let batch = format!("completions?start_time={start}&batch=true");
    assert!(results(&app, &batch).await.is_empty());
}

#[tokio::test]
async fn buckets_come_in_pages() {
    let app = TestApp::start().await;
    for _ in 0..3 {
        app.chat(hello("ok")).await;
        app.clock.advance(Duration::from_secs(60));
    }
    let start = NOW.as_secs();
    let end = start + 180;
    let question =
        format!("/usage/completions?start_time={start}&end_time={end}&bucket_width=1m&limit=2");
    let first = app.admin("GET", &question, Value::Null).await;
    assert_eq!(first["has_more"], true);
    let next = first["next_page"].as_str().unwrap();
    let second = app.admin("GET", &format!("{question}&page={next}"), Value::Null).await;
    assert_eq!(second["has_more"], false);
    assert_eq!(second["next_page"], Value::Null);
    let buckets: Vec<&Value> =
        [&first, &second].iter().flat_map(|page| page["data"].as_array().unwrap()).collect();
    assert_eq!(buckets.len(), 3);
    for (at, bucket) in buckets.iter().enumerate() {
        assert_eq!(bucket["object"], "bucket");
        assert_eq!(bucket["start_time"], start + 60 * i64::try_from(at).unwrap());
        assert_eq!(bucket["results"][0]["num_model_requests"], 1);
    }
}

#[tokio::test]
async fn a_wrong_question_is_refused() {
    let app = TestApp::start().await;
    for (question, param) in [
        ("completions", "start_time"),
        ("completions?start_time=x", "start_time"),
        ("completions?start_time=-1", "start_time"),
        ("completions?start_time=99999999999999999999", "start_time"),
        ("completions?start_time=5&end_time=5", "end_time"),
        ("completions?start_time=5&bucket_width=2d", "bucket_width"),
        ("completions?start_time=5&limit=32", "limit"),
        ("completions?start_time=5&limit=0", "limit"),
        ("completions?start_time=5&group_by=planet", "group_by"),
        ("completions?start_time=5&page=x", "page"),
        ("completions?start_time=5&batch=maybe", "batch"),
        ("embeddings?start_time=5&group_by=batch", "group_by"),
        ("embeddings?start_time=5&batch=true", "batch"),
    ] {
        let path = format!("/usage/{question}");
        let error = app.try_admin("GET", &path, Value::Null).await.is_error(400);
        assert_eq!(error["param"], param, "{question}: {error}");
    }
}

#[tokio::test]
async fn calls_are_listed_newest_first_and_filtered() {
    let app = TestApp::start().await;
    for model in ["ok", "kijun-sim", "ok"] {
        app.chat(hello(model)).await;
        app.clock.advance(Duration::from_secs(1));
    }
    let calls = app.calls().await;
    let models: Vec<&Value> = calls.iter().map(|call| &call["model"]).collect();
    assert_eq!(models, ["ok", "kijun-sim", "ok"]);
    assert!(calls[0]["started_at"].as_i64() > calls[2]["started_at"].as_i64());
    let page = app.admin("GET", "/calls?model=ok&limit=1", Value::Null).await;
    assert_eq!(page["data"][0], calls[0]);
    assert_eq!(page["has_more"], true);
    let after = format!("/calls?model=ok&after={}", calls[0]["id"].as_str().unwrap());
    assert_eq!(app.admin("GET", &after, Value::Null).await["data"], json!([calls[2]]));
    let since = format!("/calls?start_time={}", NOW.as_secs() + 2);
    assert_eq!(app.admin("GET", &since, Value::Null).await["data"], json!([calls[0]]));
    app.try_admin("GET", "/calls/req_nothing", Value::Null).await.is_error(404);
}
