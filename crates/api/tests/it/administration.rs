//! Projects, service accounts, admin keys: the official shapes, and what stands against a change.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{NOW, TestApp, hello};

#[tokio::test]
async fn a_project_is_made_renamed_and_archived() {
    let app = TestApp::start().await;
    let made = app.admin("POST", "/projects", json!({"name": " Team 5 "})).await;
    let id = made["id"].as_str().unwrap();
    let expected = json!({
        "id": id, "object": "organization.project", "name": "Team 5",
        "created_at": NOW.as_secs(), "archived_at": null, "status": "active",
    });
    assert_eq!(made, expected);
    let path = format!("/projects/{id}");
    let renamed = app.admin("POST", &path, json!({"name": "Team 6"})).await;
    assert_eq!(renamed["name"], "Team 6");
    let key = app.admin("POST", &format!("{path}/api_keys"), json!({"name": "Key"})).await;
    let key = key["value"].as_str().unwrap();
    let ask = || app.ask("POST", "/v1/chat/completions", key, hello("kijun-sim"));
    assert_eq!(ask().await.status, 200);

    app.clock.advance(Duration::from_secs(60));
    let archived = app.admin("POST", &format!("{path}/archive"), Value::Null).await;
    assert_eq!(archived["status"], "archived");
    assert_eq!(archived["archived_at"], NOW.as_secs() + 60);
    ask().await.is_error(401);
    let list = app.admin("GET", "/projects", Value::Null).await;
    assert!(!list.to_string().contains(id), "{list}");
    let list = app.admin("GET", "/projects?include_archived=true", Value::Null).await;
    assert!(list.to_string().contains(id), "{list}");
    let keys = app.admin("GET", &format!("{path}/api_keys"), Value::Null).await;
    assert_eq!(keys["data"][0]["owner_project_access"], "inactive");
    let path = format!("{path}/api_keys?owner_project_access=active");
    assert_eq!(app.admin("GET", &path, Value::Null).await["data"], json!([]));
}

#[tokio::test]
async fn the_last_project_and_the_last_admin_key_stay() {
    let app = TestApp::start().await;
    let path = format!("/projects/{}/archive", app.home.project);
    let error = app.try_admin("POST", &path, Value::Null).await.is_error(409);
    assert_eq!(error["code"], "last_one");
    let keys = app.admin("GET", "/admin_api_keys", Value::Null).await;
    let path = format!("/admin_api_keys/{}", keys["data"][0]["id"].as_str().unwrap());
    app.try_admin("DELETE", &path, Value::Null).await.is_error(409);
}

#[tokio::test]
async fn admin_keys_are_shown_once_and_deleted() {
    let app = TestApp::start().await;
    let new = json!({"name": "Second", "expires_in_seconds": 3600});
    let made = app.admin("POST", "/admin_api_keys", new).await;
    let (id, value) = (made["id"].as_str().unwrap(), made["value"].as_str().unwrap());
    assert_eq!(made["object"], "organization.admin_api_key");
    assert_eq!(made["expires_at"], NOW.as_secs() + 3600);
    assert_eq!(made["owner"]["id"], app.home.organization.as_str());
    let list = || app.ask("GET", "/v1/organization/projects", value, Value::Null);
    assert_eq!(list().await.status, 200);
    let path = format!("/admin_api_keys/{id}");
    let shown = app.admin("GET", &path, Value::Null).await;
    assert_eq!(shown.get("value"), None);
    assert!(!shown.to_string().contains(value));
    let deleted = app.admin("DELETE", &path, Value::Null).await;
    let expected =
        json!({"id": id, "object": "organization.admin_api_key.deleted", "deleted": true});
    assert_eq!(deleted, expected);
    list().await.is_error(401);
    app.try_admin("GET", &path, Value::Null).await.is_error(404);
    app.try_admin("DELETE", &path, Value::Null).await.is_error(404);
}

#[tokio::test]
async fn an_admin_key_expires() {
    let app = TestApp::start().await;
    let new = json!({"name": "Short", "expires_in_seconds": 60});
    let made = app.admin("POST", "/admin_api_keys", new).await;
    let key = made["value"].as_str().unwrap();
    let ask = || app.ask("GET", "/v1/organization/projects", key, Value::Null);
    assert_eq!(ask().await.status, 200);
    app.clock.advance(Duration::from_secs(60));
    assert!(ask().await.is_error(401)["message"].as_str().unwrap().contains("expired"));
}

#[tokio::test]
async fn a_service_account_comes_with_a_key_and_takes_it_along() {
    let app = TestApp::start().await;
    let accounts = format!("/projects/{}/service_accounts", app.home.project);
    let made = app.admin("POST", &accounts, json!({"name": "Robot"})).await;
    let path = format!("{accounts}/{}", made["id"].as_str().unwrap());
    assert_eq!(made["role"], "member");
    assert_eq!(made["api_key"]["object"], "organization.project.service_account.api_key");
    let second = app.admin("POST", &format!("{path}/api_keys"), json!({})).await;
    assert_eq!(second["name"], "Robot");
    let keys = [&made["api_key"]["value"], &second["value"]].map(|key| key.as_str().unwrap());
    for key in keys {
        let answer = app.ask("POST", "/v1/chat/completions", key, hello("kijun-sim")).await;
        assert_eq!(answer.status, 200);
    }
    for call in app.calls().await {
        assert_eq!(call["service_account_id"], made["id"]);
    }
    let key = format!("/projects/{}/api_keys/{}", app.home.project, second["id"].as_str().unwrap());
    let owner = &app.admin("GET", &key, Value::Null).await["owner"];
    assert_eq!(owner["type"], "service_account");
    assert_eq!(owner["service_account"]["name"], "Robot");

    let deleted = app.admin("DELETE", &path, Value::Null).await;
    assert_eq!(deleted["object"], "organization.project.service_account.deleted");
    for key in keys {
        let answer = app.ask("POST", "/v1/chat/completions", key, hello("kijun-sim")).await;
        answer.is_error(401);
    }
    let bare = json!({"name": "Bare", "create_service_account_only": true});
    assert_eq!(app.admin("POST", &accounts, bare).await["api_key"], Value::Null);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let app = TestApp::start().await;
    for number in 2..=5 {
        app.clock.advance(Duration::from_secs(1));
        app.admin("POST", "/projects", json!({"name": format!("Project {number}")})).await;
        app.admin("POST", "/admin_api_keys", json!({"name": format!("Key {number}")})).await;
    }
    for list in ["/projects?", "/admin_api_keys?", "/admin_api_keys?order=desc&", "/models?"] {
        let all = app.admin("GET", &format!("{list}limit=100"), Value::Null).await;
        let all = all["data"].as_array().unwrap().clone();
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = app.admin("GET", &format!("{list}limit=2{after}"), Value::Null).await;
            let data = page["data"].as_array().unwrap();
            assert!(data.len() <= 2);
            seen.extend(data.clone());
            if page["has_more"] == false {
                break;
            }
            after = format!("&after={}", page["last_id"].as_str().unwrap());
        }
        assert_eq!(seen, all, "{list}");
        assert!(all.len() >= 5, "{list}");
    }
    let newest = app.admin("GET", "/admin_api_keys?order=desc&limit=1", Value::Null).await;
    assert_eq!(newest["data"][0]["name"], "Key 5");
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let app = TestApp::start().await;
    let project = format!("/projects/{}", app.home.project);
    for (method, path, body, param) in [
        ("POST", "/projects".to_owned(), json!({}), "name"),
        ("POST", "/projects".to_owned(), json!({"name": ""}), "name"),
        ("POST", "/projects".to_owned(), json!({"name": "a", "nam": 1}), "nam"),
        ("POST", "/projects".to_owned(), json!({"name": 5}), "name"),
        ("GET", "/projects?limit=0".to_owned(), Value::Null, "limit"),
        ("GET", "/projects?limit=101".to_owned(), Value::Null, "limit"),
        ("GET", "/projects?limit=1&limit=2".to_owned(), Value::Null, "limit"),
        ("GET", "/projects?include_archived=1".to_owned(), Value::Null, "include_archived"),
        ("GET", "/projects?colour=blue".to_owned(), Value::Null, "colour"),
        ("GET", "/projects?after=%00".to_owned(), Value::Null, "after"),
        (
            "POST",
            "/admin_api_keys".to_owned(),
            json!({"name": "a", "expires_in_seconds": 0}),
            "expires_in_seconds",
        ),
        (
            "POST",
            format!("{project}/api_keys"),
            json!({"name": "a", "expires_at": 5}),
            "expires_at",
        ),
        (
            "POST",
            format!("{project}/api_keys"),
            json!({"name": "a", "expires_at": i64::MAX}),
            "expires_at",
        ),
        (
            "POST",
            format!("{project}/model_permissions"),
            json!({"mode": "all", "model_ids": []}),
            "mode",
        ),
    ] {
        let error = app.try_admin(method, &path, body.clone()).await.is_error(400);
        assert_eq!(error["param"], param, "{method} {path} {body}: {error}");
    }
}
