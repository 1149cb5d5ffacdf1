//! Spend alerts, webhooks and the outbox over HTTP.

use serde_json::{Value, json};
use store::{Attempt, NewNotice, Recipient};

use crate::app::TestApp;

fn alert(cents: u32) -> Value {
    let channel = json!({
        "type": "email", "recipients": ["finance@example.com"], "subject_prefix": "Spend",
    });
    json!({
        "threshold_amount": cents, "currency": "USD", "interval": "month",
        "notification_channel": channel,
    })
}

#[tokio::test]
async fn spend_alerts_live_in_the_organization_and_in_projects() {
    let app = TestApp::start().await;
    let project = format!("/projects/{}/spend_alerts", app.home.project);
    for (path, object) in
        [("/spend_alerts", "organization.spend_alert"), (&*project, "project.spend_alert")]
    {
        let made = app.admin("POST", path, alert(10_000)).await;
        let id = made["id"].as_str().unwrap();
        let mut expected = alert(10_000);
        expected["id"] = json!(id);
        expected["object"] = json!(object);
        assert_eq!(made, expected);
        let one = format!("{path}/{id}");
        assert_eq!(app.admin("GET", &one, Value::Null).await, made);
        let changed = app.admin("POST", &one, alert(0)).await;
        assert_eq!((&changed["id"], &changed["threshold_amount"]), (&json!(id), &json!(0)));
        let list = app.admin("GET", path, Value::Null).await;
        assert_eq!(list["data"], json!([changed]), "an organization's are none of its projects'");
        let deleted = app.admin("DELETE", &one, Value::Null).await;
        assert_eq!(deleted["object"], format!("{object}.deleted"));
        app.try_admin("GET", &one, Value::Null).await.is_error(404);
        app.try_admin("POST", &one, alert(5)).await.is_error(404);
        app.try_admin("DELETE", &one, Value::Null).await.is_error(404);
        for (field, value, param) in [
            ("threshold_amount", json!(-1), "threshold_amount"),
            ("currency", json!("EUR"), "currency"),
            ("interval", json!("day"), "interval"),
            ("notification_channel", json!({"type": "fax"}), "notification_channel.type"),
        ] {
            let mut wrong = alert(5);
            wrong[field] = value;
            let error = app.try_admin("POST", path, wrong).await.is_error(400);
            assert_eq!(error["param"], param, "{error}");
        }
        let mut nobody = alert(5);
        nobody["notification_channel"]["recipients"] = json!(["finance"]);
        app.try_admin("POST", path, nobody).await.is_error(400);
    }
}

#[tokio::test]
async fn spend_alerts_come_in_pages_from_both_ends() {
    let app = TestApp::start().await;
    let mut made = Vec::new();
    for cents in 1..=5 {
        app.clock.advance(std::time::Duration::from_millis(5));
        made.push(app.admin("POST", "/spend_alerts", alert(cents)).await["id"].clone());
    }
    let page = async |question: &str| {
        let path = format!("/spend_alerts?{question}");
        let page = app.admin("GET", &path, Value::Null).await;
        let data = page["data"].as_array().unwrap();
        let ids: Vec<Value> = data.iter().map(|alert| alert["id"].clone()).collect();
        assert_eq!(page["first_id"], ids.first().cloned().unwrap_or_default());
        (ids, page["has_more"].as_bool().unwrap())
    };
    let id = |at: usize| made[at].as_str().unwrap();
    assert_eq!(page("limit=2").await, (made[..2].to_vec(), true));
    assert_eq!(page(&format!("limit=3&after={}", id(1))).await, (made[2..].to_vec(), false));
    assert_eq!(page(&format!("limit=2&before={}", id(3))).await, (made[1..3].to_vec(), true));
    let newest: Vec<Value> = made.iter().rev().cloned().collect();
    assert_eq!(page("order=desc&limit=2").await, (newest[..2].to_vec(), true));
    assert_eq!(page(&format!("order=desc&after={}", id(1))).await, (newest[4..].to_vec(), false));
    assert_eq!(page("limit=0").await, (Vec::new(), true));
    for (wrong, param) in [("limit=101", "limit"), ("order=up", "order"), ("befor=a", "befor")] {
        let path = format!("/spend_alerts?{wrong}");
        assert_eq!(app.try_admin("GET", &path, Value::Null).await.is_error(400)["param"], param);
    }
}

#[tokio::test]
async fn a_webhook_shows_its_secret_once() {
    let app = TestApp::start().await;
    let hook = json!({
        "name": "Ops", "url": "https://hooks.example.com/a", "events": ["kijun.budget.reached"],
    });
    let mut made = app.admin("POST", "/webhooks", hook).await;
    let secret = made["secret"].take();
    assert!(secret.as_str().unwrap().starts_with("whsec_"));
    made.as_object_mut().unwrap().remove("secret");
    let id = made["id"].as_str().unwrap();
    let expected = json!({
        "object": "organization.webhook", "id": id, "name": "Ops",
        "url": "https://hooks.example.com/a", "events": ["kijun.budget.reached"],
        "created_at": 1_800_000_000, "disabled_at": null,
    });
    assert_eq!(made, expected);
    let path = format!("/webhooks/{id}");
    assert_eq!(app.admin("GET", &path, Value::Null).await, made);
    assert_eq!(app.admin("GET", "/webhooks", Value::Null).await["data"], json!([made]));
    let rotated = app.admin("POST", &format!("{path}/rotate_secret"), Value::Null).await;
    assert_ne!(rotated["secret"], secret);

    let test = app.admin("POST", &format!("{path}/test"), Value::Null).await;
    assert_eq!((&test["status"], &test["recipient"]), (&json!("waiting"), &json!(id)));
    let body: Value = serde_json::from_str(test["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["type"], "kijun.webhook.test");

    let changed = app.admin("POST", &path, json!({"disabled": true})).await;
    assert_eq!((&changed["name"], &changed["disabled_at"]), (&json!("Ops"), &json!(1_800_000_000)));
    app.try_admin("POST", &format!("{path}/test"), Value::Null).await.is_error(409);
    let enabled = app.admin("POST", &path, json!({"disabled": false, "events": []})).await;
    assert_eq!((&enabled["events"], &enabled["disabled_at"]), (&json!([]), &Value::Null));
    for (wrong, param) in [
        (json!({"url": "ftp://example.com"}), "url"),
        (json!({"url": "http://169.254.169.254/latest"}), "url"),
        (json!({"events": ["response.completed"]}), "events"),
        (json!({"name": ""}), "name"),
        (json!({"secret": "whsec_mine"}), "secret"),
    ] {
        let error = app.try_admin("POST", &path, wrong.clone()).await.is_error(400);
        assert_eq!(error["param"], param, "{wrong}: {error}");
    }
    app.admin("DELETE", &path, Value::Null).await;
    app.try_admin("GET", &path, Value::Null).await.is_error(404);
    let left = app.admin("GET", "/notices", Value::Null).await;
    assert_eq!(left["data"], json!([]), "what was still to be posted there is gone");
}

#[tokio::test]
async fn a_notice_that_was_given_up_is_tried_again() {
    let app = TestApp::start().await;
    let mut ids = Vec::new();
    for subject in ["first", "second", "third"] {
        app.clock.advance(std::time::Duration::from_secs(1));
        let notice = NewNotice {
            organization: app.home.organization.clone(),
            to: Recipient::Email("ann@example.com".to_owned()),
            kind: "kijun.budget.reached".to_owned(),
            subject: subject.to_owned(),
            body: "A budget is spent.".to_owned(),
        };
        ids.extend(app.store.notice_create(vec![notice]).await.unwrap());
    }
    let given_up = Attempt::GivenUp { error: "no such mailbox".to_owned() };
    app.store.notice_settle(&ids[0], &given_up).await.unwrap();
    app.store.notice_settle(&ids[1], &Attempt::Delivered).await.unwrap();

    let list = app.admin("GET", "/notices?limit=2", Value::Null).await;
    let said: Vec<_> = list["data"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
    assert_eq!(said, ["waiting", "delivered"], "the newest first");
    assert_eq!(list["has_more"], true);
    let path = format!("/notices/{}", ids[0]);
    let failed = app.admin("GET", &path, Value::Null).await;
    let expected = json!({
        "object": "organization.notice", "id": ids[0].as_str(), "status": "failed",
        "channel": "email", "recipient": "ann@example.com", "event": "kijun.budget.reached",
        "subject": "first", "body": "A budget is spent.", "created_at": 1_800_000_001,
        "attempts": 0, "next_attempt_at": null, "delivered_at": null,
        "failed_at": 1_800_000_003, "last_error": "no such mailbox",
    });
    assert_eq!(failed, expected);
    let again = app.admin("POST", &format!("{path}/retry"), Value::Null).await;
    assert_eq!(
        (&again["status"], &again["next_attempt_at"]),
        (&json!("waiting"), &json!(1_800_000_003))
    );
    app.try_admin("POST", &format!("{path}/retry"), Value::Null).await.is_error(404);
    app.try_admin("GET", "/notices/notice_none", Value::Null).await.is_error(404);
}
