//! Providers and models, made live.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

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
    let to = |model: &str| json!([{"provider": "kijun-sim", "model": model}]);
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
        ("/models", json!({"name": "m", "targets": to("a\r\nb")}), "targets.model"),
        ("/models", json!({"name": "m", "targets": to(&"x".repeat(300_000))}), "targets.model"),
    ] {
        let error = app.try_admin("POST", path, body.clone()).await.is_error(400);
        assert_eq!(error["param"], param, "{body}: {error}");
    }
}

/// A server that answers every request with this list of one model; `None`: with silence.
async fn listing(model: Option<&str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let model = model.map(str::to_owned);
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let Some(model) = &model else {
                silent.push(stream);
                continue;
            };
            let body = json!({"object": "list", "data": [{"id": model, "object": "model"}]});
            let body = body.to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n",
                body.len()
            );
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all((head + &body).as_bytes()).await.unwrap();
        }
    });
    format!("http://{address}/v1")
}

#[tokio::test]
async fn a_new_provider_is_asked_at_once_and_waits_for_no_slow_one() {
    let app = TestApp::start().await;
    for (name, url) in [("slow", listing(None).await), ("hub", listing(Some("new-model")).await)] {
        let provider = json!({"name": name, "kind": "openai", "base_url": url, "discover": true});
        app.admin("POST", "/providers", provider).await;
    }
    // Probes are off in these tests: nothing but the new provider's own question finds the model.
    // The slow one has more time to answer than this test.
    let found = tokio::time::timeout(Duration::from_secs(8), async {
        while app.gateway.snapshot().routes.get("new-model").is_none() {
            tokio::task::yield_now().await;
        }
    });
    found.await.expect("its model is served");
}

#[tokio::test]
async fn prices_are_added_listed_and_hold() {
    let app = TestApp::start().await;
    let price = json!({
        "provider": "awkward", "model": "ok", "effective_from": "2026-01-01",
        "input": "1000", "output": "0", "source": "contract 7",
        "long_prompt": {"above_input_tokens": 1_000_000, "input": "2000", "output": "0"},
    });
    let made = app.admin("POST", "/prices", price.clone()).await;
    assert_eq!(made["object"], "organization.price");
    assert_eq!(made["long_prompt"]["above_input_tokens"], 1_000_000);
    let list = app.admin("GET", "/prices", Value::Null).await;
    assert_eq!(list["data"], json!([made]));
    assert_eq!(app.chat(hello("ok")).await.status, 200);
    assert!(app.only_call().await["cost_usd"].is_string());
    for (field, wrong) in
        [("effective_from", json!("soon")), ("input", json!("1,5")), ("source", json!(""))]
    {
        let mut body = price.clone();
        body[field] = wrong;
        let error = app.try_admin("POST", "/prices", body).await.is_error(400);
        assert!(error["message"].as_str().unwrap().contains(field), "{error}");
    }
    let mut unknown = price;
    unknown["imput"] = json!("1");
    assert_eq!(app.try_admin("POST", "/prices", unknown).await.is_error(400)["param"], "imput");
}

#[tokio::test]
async fn without_a_usual_model_moderations_name_those_that_can() {
    let app = TestApp::start().await;
    let ask = |body| app.ask("POST", "/v1/moderations", &app.home.api_key, body);
    let error = ask(json!({"input": "Hello"})).await.is_error(404);
    assert_eq!(error["code"], "model_not_found");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("kijun-sim-moderation"), "{message}");
    assert!(!message.contains("kijun-sim-embedding"), "only those that can: {message}");
    let named = ask(json!({"input": "Hello", "model": "kijun-sim-moderation"})).await;
    assert_eq!(named.status, 200);
}
