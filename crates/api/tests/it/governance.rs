//! Model lists, limits, idempotency: what is refused, and how it is told.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{TestApp, hello, request};

#[tokio::test]
async fn a_projects_list_of_models_holds() {
    let app = TestApp::start().await;
    let path = format!("/projects/{}/model_permissions", app.home.project);
    let none = app.admin("GET", &path, Value::Null).await;
    assert_eq!(none["mode"], "deny_list");
    assert_eq!(none["model_ids"], json!([]));

    let allow = json!({"mode": "allow_list", "model_ids": ["ok"]});
    let set = app.admin("POST", &path, allow).await;
    let expected =
        json!({"object": "project.model_permissions", "mode": "allow_list", "model_ids": ["ok"]});
    assert_eq!(set, expected);
    let error = app.chat(hello("kijun-sim")).await.is_error(403);
    assert_eq!(error["param"], "model");
    assert_eq!(app.chat(hello("ok")).await.status, 200);
    let models = app.ask("GET", "/v1/models", &app.home.api_key, Value::Null).await.json();
    assert_eq!(models["data"].as_array().unwrap().len(), 1);

    let deny = json!({"mode": "deny_list", "model_ids": ["ok"]});
    app.admin("POST", &path, deny).await;
    app.chat(hello("ok")).await.is_error(403);
    assert_eq!(app.chat(hello("kijun-sim")).await.status, 200);
    app.admin("DELETE", &path, Value::Null).await;
    assert_eq!(app.chat(hello("ok")).await.status, 200);
}

#[tokio::test]
async fn a_limit_is_named_when_it_refuses() {
    let app = TestApp::start().await;
    let project = app.home.project.as_str();
    let limit = json!({
        "scope": "project", "subject": project, "measure": "requests_per_minute", "amount": 2,
    });
    let made = app.admin("POST", "/limits", limit).await;
    let first = app.chat(hello("kijun-sim")).await;
    assert_eq!(first.header("x-ratelimit-limit-requests"), "2");
    assert_eq!(first.header("x-ratelimit-remaining-requests"), "1");
    assert_eq!(app.chat(hello("kijun-sim")).await.status, 200);
    let refused = app.chat(hello("kijun-sim")).await;
    let error = refused.is_error(429);
    assert_eq!(error["code"], "rate_limit_exceeded");
    let message = error["message"].as_str().unwrap();
    for said in ["requests_per_minute", project, "limit 2"] {
        assert!(message.contains(said), "{said}: {message}");
    }
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), "0");
    assert!(!refused.header("x-ratelimit-reset-requests").is_empty());
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    app.clock.advance(Duration::from_secs(wait));
    assert_eq!(app.chat(hello("kijun-sim")).await.status, 200);
    app.chat(hello("kijun-sim")).await.is_error(429);

    let path = format!("/limits/{}", made["id"].as_str().unwrap());
    let changed = app.admin("POST", &path, json!({"amount": 100})).await;
    assert_eq!((&changed["id"], &changed["amount"]), (&made["id"], &json!(100)));
    assert_eq!(app.admin("GET", "/limits?limit=100", Value::Null).await["data"][1], changed);
    let zero = app.try_admin("POST", &path, json!({"amount": 0})).await.is_error(400);
    assert_eq!(zero["param"], "amount");
    app.admin("DELETE", &path, Value::Null).await;
    assert_eq!(app.chat(hello("kijun-sim")).await.status, 200);
    assert_eq!(app.calls().await.len(), 4, "a refused call leaves no record");
}

#[tokio::test]
async fn limits_of_the_file_are_listed_and_stay() {
    let app = TestApp::start().await;
    let limit = json!({"scope": "user", "measure": "tokens_per_day", "amount": 5});
    let made = app.admin("POST", "/limits", limit).await;
    let list = app.admin("GET", "/limits", Value::Null).await;
    let sources: Vec<&Value> =
        list["data"].as_array().unwrap().iter().map(|limit| &limit["source"]).collect();
    assert_eq!(sources, ["file", "database"]);
    let error = app.try_admin("DELETE", "/limits/limit_file_1", Value::Null).await.is_error(409);
    assert_eq!(error["code"], "defined_elsewhere");
    let body = json!({"amount": 1});
    app.try_admin("POST", "/limits/limit_file_1", body).await.is_error(409);
    let path = format!("/limits/{}", made["id"].as_str().unwrap());
    app.admin("DELETE", &path, Value::Null).await;
    app.try_admin("DELETE", &path, Value::Null).await.is_error(404);
    for (wrong, param) in [
        (json!({"scope": "project", "measure": "requests_per_minute", "amount": 0}), "amount"),
        (json!({"scope": "project", "measure": "requests_per_minute", "amount": -1}), "amount"),
        (json!({"scope": "planet", "measure": "requests_per_minute", "amount": 1}), "scope"),
        (
            json!({"scope": "key", "subject": "key_1", "measure": "tokens_per_day", "amount": 1}),
            "subject",
        ),
    ] {
        let error = app.try_admin("POST", "/limits", wrong.clone()).await.is_error(400);
        assert_eq!(error["param"], param, "{wrong}: {error}");
    }
}

#[tokio::test]
async fn an_idempotency_key_gives_the_same_answer_again() {
    let app = TestApp::start().await;
    let ask = |body: Value| {
        let mut request = request("POST", "/v1/chat/completions", &app.home.api_key, body);
        request.headers_mut().insert("idempotency-key", "order-1".parse().unwrap());
        app.send(request)
    };
    let first = ask(hello("ok")).await;
    assert_eq!(first.header("idempotent-replayed"), "");
    let again = ask(hello("ok")).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.body, first.body);
    assert_eq!(app.upstream.requests(), 1);
    let error = ask(hello("missing-usage")).await.is_error(422);
    assert_eq!(error["code"], "idempotency_key_reused");
    app.only_call().await;
}
