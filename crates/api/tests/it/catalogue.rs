//! Providers and models, made live.

use serde_json::{Value, json};

use crate::app::{TestApp, hello};

#[tokio::test]
async fn a_provider_and_a_model_are_made_called_and_deleted() {
    let app = TestApp::start().await;
    let provider = json!({
        "name": "hub", "kind": "openai", "base_url": app.upstream.base_url(),
        "api_key": "sk-upstream-secret", "headers": {"x-team": "header-secret"},
        "timeouts": {"connect_ms": 1000},
    });
    let made = app.admin("POST", "/providers", provider).await;
    assert_eq!(made["object"], "organization.provider");
    assert_eq!(made["has_api_key"], true);
    assert_eq!(made["header_names"], json!(["x-team"]));
    assert_eq!(made["timeouts"]["connect_ms"], 1000);
    assert_eq!(made["source"], "database");
    let model = json!({
        "name": "meta/small",
        "targets": [{"provider": "hub", "model": "ok"}],
        "fallbacks": [{"model": "kijun-sim", "on": ["timeout"]}],
    });
    let made = app.admin("POST", "/models", model).await;
    assert_eq!(made["targets"][0]["weight"], 1);
    assert_eq!(app.chat(hello("meta/small")).await.status, 200);
    assert_eq!(app.only_call().await["provider"], "hub");

    let check = app.admin("POST", "/providers/hub/check", Value::Null).await;
    assert_eq!(check["reachable"], true);
    assert_eq!(check["models"], 1);
    let shown = app.admin("GET", "/providers?limit=100", Value::Null).await.to_string()
        + &app.admin("GET", "/providers/hub", Value::Null).await.to_string();
    assert!(!shown.contains("secret"), "{shown}");

    app.try_admin("DELETE", "/providers/hub", Value::Null).await.is_error(409);
    let one = app.admin("GET", "/models/meta%2Fsmall", Value::Null).await;
    assert_eq!(one["fallbacks"], json!([{"model": "kijun-sim", "on": ["timeout"]}]));
    app.admin("DELETE", "/models/meta%2Fsmall", Value::Null).await;
    app.chat(hello("meta/small")).await.is_error(404);
    app.admin("DELETE", "/providers/hub", Value::Null).await;
    app.try_admin("GET", "/providers/hub", Value::Null).await.is_error(404);
    app.try_admin("POST", "/providers/hub/check", Value::Null).await.is_error(404);
}

#[tokio::test]
async fn a_replaced_provider_loses_its_credential() {
    let app = TestApp::start().await;
    let with = json!({"name": "hub", "kind": "openai", "base_url": app.upstream.base_url(), "api_key": "sk-1"});
    app.admin("POST", "/providers", with).await;
    let without = json!({"name": "hub", "kind": "openai", "base_url": "http://127.0.0.1:9/v1"});
    assert_eq!(app.admin("POST", "/providers", without).await["has_api_key"], false);
    let check = app.admin("POST", "/providers/hub/check", Value::Null).await;
    assert_eq!(check["reachable"], false);
    assert_eq!(check["failure"]["class"], "connection");
    assert_eq!(check["models"], Value::Null);
}

#[tokio::test]
async fn what_stands_in_the_file_stays() {
    let app = TestApp::start().await;
    let provider = json!({"name": "awkward", "kind": "sim"});
    let model = json!({"name": "ok", "targets": [{"provider": "kijun-sim", "model": "kijun-sim"}]});
    for (method, path, body) in [
        ("POST", "/providers", provider),
        ("DELETE", "/providers/awkward", Value::Null),
        ("POST", "/models", model),
        ("DELETE", "/models/ok", Value::Null),
    ] {
        let error = app.try_admin(method, path, body).await.is_error(409);
        assert_eq!(error["code"], "defined_elsewhere", "{path}");
    }
}

#[tokio::test]
async fn what_cannot_work_is_refused() {
    let app = TestApp::start().await;
    let target = json!([{"provider": "nobody", "model": "m"}]);
    let heavy = json!([{"provider": "kijun-sim", "model": "m", "weight": 1_000_001}]);
    for (path, body, param) in [
        ("/providers", json!({"name": "p", "kind": "opnai"}), "provider"),
        ("/providers", json!({"name": "a b", "kind": "sim"}), "name"),
        ("/providers", json!({"name": "p", "kind": "sim", "max_concurrent": 0}), "max_concurrent"),
        (
            "/providers",
            json!({"name": "p", "kind": "sim", "timeouts": {"idle_ms": 0}}),
            "timeouts.idle_ms",
        ),
        ("/providers", json!({"name": "p", "kind": "openai", "base_url": "nowhere"}), "provider"),
        ("/models", json!({"name": "m", "targets": heavy}), "targets[0].weight"),
        ("/models", json!({"name": "m", "targets": []}), "targets"),
        ("/models", json!({"name": "m", "targets": target}), "targets.provider"),
        ("/models", json!({"name": "m", "targets": [{"provider": "p"}]}), "targets[0].model"),
    ] {
        let error = app.try_admin("POST", path, body.clone()).await.is_error(400);
        assert_eq!(error["param"], param, "{body}: {error}");
    }
}
