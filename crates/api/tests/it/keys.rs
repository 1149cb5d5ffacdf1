//! The life of an API key.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::app::{NOW, TestApp, hello};

impl TestApp {
    async fn status_with(&self, key: &str) -> StatusCode {
        self.ask("POST", "/v1/chat/completions", key, hello("kijun-sim")).await.status
    }

    fn keys(&self) -> String {
        format!("/projects/{}/api_keys", self.home.project)
    }
}

fn id(made: &Value) -> &str {
    made["id"].as_str().unwrap()
}

fn value(made: &Value) -> &str {
    made["value"].as_str().unwrap()
}

#[tokio::test]
async fn a_key_is_shown_once() {
    let app = TestApp::start().await;
    let made = app.admin("POST", &app.keys(), json!({"name": "Web"})).await;
    assert_eq!(made["object"], "organization.project.api_key");
    assert_eq!(made["created_at"], NOW.as_secs());
    assert_eq!(app.status_with(value(&made)).await, 200);
    let list = app.admin("GET", &app.keys(), Value::Null).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    assert!(!list.to_string().contains(value(&made)));
    let one = app.admin("GET", &format!("{}/{}", app.keys(), id(&made)), Value::Null).await;
    assert_eq!(one.get("value"), None);
    assert_eq!(one["name"], "Web");
}

#[tokio::test]
async fn a_revoked_key_stops_at_once() {
    let app = TestApp::start().await;
    let made = app.admin("POST", &app.keys(), json!({"name": "Web"})).await;
    let path = format!("{}/{}", app.keys(), id(&made));
    assert_eq!(app.status_with(value(&made)).await, 200);
    let deleted = app.admin("DELETE", &path, Value::Null).await;
    assert_eq!(deleted["object"], "organization.project.api_key.deleted");
    assert_eq!(app.status_with(value(&made)).await, 401);
    app.try_admin("GET", &path, Value::Null).await.is_error(404);
    app.try_admin("POST", &format!("{path}/rotate"), json!({})).await.is_error(404);
}

#[tokio::test]
async fn a_rotated_keys_old_value_works_until_the_overlap_ends() {
    let app = TestApp::start().await;
    let made = app.admin("POST", &app.keys(), json!({"name": "Web"})).await;
    let path = format!("{}/{}/rotate", app.keys(), id(&made));
    let rotated = app.admin("POST", &path, json!({"overlap_seconds": 60})).await;
    assert_eq!(id(&rotated), id(&made));
    assert_ne!(value(&rotated), value(&made));
    assert_eq!(app.status_with(value(&made)).await, 200);
    assert_eq!(app.status_with(value(&rotated)).await, 200);
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(app.status_with(value(&made)).await, 401);
    assert_eq!(app.status_with(value(&rotated)).await, 200);
    let without = app.admin("POST", &path, json!({"overlap_seconds": 0})).await;
    assert_eq!(app.status_with(value(&rotated)).await, 401);
    assert_eq!(app.status_with(value(&without)).await, 200);
    let error = app.try_admin("POST", &path, json!({"overlap_seconds": 2_592_001})).await;
    assert_eq!(error.is_error(400)["param"], "overlap_seconds");
}

#[tokio::test]
async fn a_key_works_until_it_expires() {
    let app = TestApp::start().await;
    let new = json!({"name": "Short", "expires_in_seconds": 10});
    let made = app.admin("POST", &app.keys(), new).await;
    assert_eq!(made["expires_at"], NOW.as_secs() + 10);
    assert_eq!(app.status_with(value(&made)).await, 200);
    app.clock.advance(Duration::from_secs(10));
    assert_eq!(app.status_with(value(&made)).await, 401);
}

#[tokio::test]
async fn the_use_of_an_admin_key_is_noted() {
    let app = TestApp::start().await;
    let patience = Duration::from_secs(10);
    let noted = tokio::time::timeout(patience, async {
        loop {
            let list = app.admin("GET", "/admin_api_keys", Value::Null).await;
            match list["data"][0]["last_used_at"].as_i64() {
                Some(at) => break at,
                None => tokio::task::yield_now().await,
            }
        }
    });
    assert_eq!(noted.await.expect("it is written down"), NOW.as_secs());
}

#[tokio::test]
async fn readiness_tells_of_a_database_that_is_away() {
    let app = TestApp::start().await;
    let ready = async || app.ask("GET", "/readyz", "", Value::Null).await.json();
    assert_eq!(ready().await["database"], "ok");
    app.store.close().await;
    let told = tokio::time::timeout(Duration::from_secs(10), async {
        while ready().await["database"] != "unavailable" {
            tokio::task::yield_now().await;
        }
    });
    told.await.expect("the next look finds it away");
    assert_eq!(app.ask("GET", "/readyz", "", Value::Null).await.status, 200);
}
