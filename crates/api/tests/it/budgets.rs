//! Budgets and spend limits over HTTP: what holds, how it stands, what is refused.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{TestApp, hello};

/// Every answer of the simulator costs a cent for each token that it says.
async fn priced() -> TestApp {
    let app = TestApp::start().await;
    let price = json!({
        "provider": "kijun-sim", "model": "kijun-sim", "effective_from": "2026-01-01",
        "input": "0", "output": "10000", "source": "a test",
    });
    app.admin("POST", "/prices", price).await;
    app
}

/// A call that costs so many cents.
async fn spend(app: &TestApp, cents: u32) {
    let say = format!("sim: tokens {cents}");
    let body = json!({
        "model": "kijun-sim", "max_tokens": cents,
        "messages": [{"role": "system", "content": say}, {"role": "user", "content": "Hello"}],
    });
    let answer = app.chat(body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["usage"]["completion_tokens"], cents);
    // Until it is in the ledger.
    app.admin("GET", "/costs?start_time=1799971200", Value::Null).await;
}

#[tokio::test]
async fn a_budget_says_how_it_stands() {
    let app = priced().await;
    let channel =
        json!({"type": "email", "recipients": ["ann@example.com"], "subject_prefix": null});
    let made = app
        .admin(
            "POST",
            "/budgets",
            json!({
                "scope": "project", "period": "month", "time_zone": "Asia/Tokyo",
                "amount": "2.5", "enforcement": "soft",
                "alerts": [{"percent": 80, "channel": channel}],
            }),
        )
        .await;
    let id = made["id"].as_str().unwrap();
    let expected = json!({
        "object": "organization.budget", "id": id, "scope": "project", "subject": null,
        "model": null, "period": "month", "time_zone": "Asia/Tokyo", "amount": "2.500000000",
        "enforcement": "soft", "alerts": [{"percent": 80, "channel": channel}], "accounts": [],
        "created_at": 1_800_000_000, "updated_at": 1_800_000_000,
    });
    assert_eq!(made, expected);
    spend(&app, 100).await;
    let path = format!("/budgets/{id}");
    let found = app.admin("GET", &path, Value::Null).await;
    let account = &found["accounts"][0];
    let expected = json!({
        "subject": app.home.project.as_str(), "spent": "1.000000000",
        "reserved": "0.000000000", "remaining": "1.500000000",
        // January in Tokyo: 1800000000 is 2027-01-15 08:00 UTC.
        "period_start": 1_798_729_200, "period_end": 1_801_407_600,
    });
    assert_eq!(*account, expected);
    let changed = app.admin("POST", &path, json!({"amount": "0.25", "alerts": []})).await;
    assert_eq!((&changed["amount"], &changed["alerts"]), (&json!("0.250000000"), &json!([])));
    assert_eq!(changed["accounts"][0]["remaining"], "0.000000000");
    assert_eq!(app.chat(hello("kijun-sim")).await.status, 200, "it is soft");
    let list = app.admin("GET", "/budgets", Value::Null).await;
    assert_eq!(list["data"][0]["id"], id);
    let deleted = app.admin("DELETE", &path, Value::Null).await;
    let expected = json!({"id": id, "object": "organization.budget.deleted", "deleted": true});
    assert_eq!(deleted, expected);
    app.try_admin("GET", &path, Value::Null).await.is_error(404);
}

#[tokio::test]
async fn what_is_no_budget_is_refused() {
    let app = TestApp::start().await;
    let right = json!({"scope": "key", "period": "day", "amount": "1", "enforcement": "hard"});
    for (field, value, param) in [
        ("scope", json!("planet"), "scope"),
        ("period", json!("week"), "period"),
        ("amount", json!("0"), "amount"),
        ("amount", json!("-1"), "amount"),
        ("amount", json!("1e3"), "amount"),
        ("amount", json!(1), "amount"),
        ("enforcement", json!("kind"), "enforcement"),
        ("time_zone", json!("Mars/Olympus"), "time_zone"),
        ("subject", json!("key_none"), "subject"),
        ("limit", json!(5), "limit"),
        ("alerts", json!([{"percent": 80}]), "alerts[0].channel"),
    ] {
        let mut wrong = right.clone();
        wrong[field] = value;
        let error = app.try_admin("POST", "/budgets", wrong.clone()).await.is_error(400);
        assert_eq!(error["param"], param, "{wrong}: {error}");
    }
    app.admin("POST", "/budgets", right.clone()).await;
    app.try_admin("POST", "/budgets", right).await.is_error(409);
}

#[tokio::test]
async fn spend_limits_have_the_official_shape() {
    let app = priced().await;
    let project = format!("/projects/{}/spend_limit", app.home.project);
    for (path, object) in
        [("/spend_limit", "organization.spend_limit"), (&*project, "project.spend_limit")]
    {
        app.try_admin("GET", path, Value::Null).await.is_error(404);
        app.try_admin("DELETE", path, Value::Null).await.is_error(404);
        let wish = json!({"threshold_amount": 5_000, "currency": "USD", "interval": "month"});
        let made = app.admin("POST", path, wish.clone()).await;
        let expected = json!({
            "object": object, "threshold_amount": 5_000, "currency": "USD", "interval": "month",
            "enforcement": {"status": "inactive"},
        });
        assert_eq!(made, expected);
        assert_eq!(app.admin("GET", path, Value::Null).await, expected);
        for (field, value) in [
            ("threshold_amount", json!(0)),
            ("threshold_amount", json!(i64::MAX)),
            ("currency", json!("EUR")),
            ("interval", json!("day")),
        ] {
            let mut wrong = wish.clone();
            wrong[field] = value;
            assert_eq!(app.try_admin("POST", path, wrong).await.is_error(400)["param"], field);
        }
    }
    // Both are budgets, and hold together with the others.
    let budgets = app.admin("GET", "/budgets", Value::Null).await;
    assert_eq!(budgets["data"].as_array().unwrap().len(), 2);
    for path in ["/spend_limit", &project] {
        let deleted = app.admin("DELETE", path, Value::Null).await;
        assert_eq!(deleted["deleted"], true, "{deleted}");
        app.try_admin("GET", path, Value::Null).await.is_error(404);
    }
}

#[tokio::test]
async fn a_spend_limit_that_is_reached_is_enforced() {
    let app = priced().await;
    let wish =
        |cents: u32| json!({"threshold_amount": cents, "currency": "USD", "interval": "month"});
    spend(&app, 50).await;
    let set = app.admin("POST", "/spend_limit", wish(50)).await;
    assert_eq!(set["enforcement"]["status"], "enforcing", "what was spent counts");
    let refused = app.chat(hello("kijun-sim")).await.is_error(429);
    assert_eq!(refused["code"], "insufficient_quota", "{refused}");
    let raised = app.admin("POST", "/spend_limit", wish(100_000)).await;
    assert_eq!(raised["enforcement"]["status"], "inactive");
    assert_eq!(raised["threshold_amount"], 100_000);
}

#[tokio::test]
async fn a_spend_limit_that_refuses_calls_is_enforced_before_all_is_spent() {
    let app = priced().await;
    let project = format!("/projects/{}/spend_limit", app.home.project);
    let wish =
        |cents: u32| json!({"threshold_amount": cents, "currency": "USD", "interval": "month"});
    spend(&app, 20).await;
    for path in ["/spend_limit", &*project] {
        let status = async || {
            let shown = app.admin("GET", path, Value::Null).await;
            shown["enforcement"]["status"].as_str().unwrap().to_owned()
        };
        app.admin("POST", path, wish(30)).await;
        assert_eq!(status().await, "inactive");
        let of_tokens = |tokens: u32| {
            json!({
                "model": "kijun-sim", "max_tokens": tokens,
                "messages": [{"role": "user", "content": "Hello"}],
            })
        };
        // One that costs more than the whole limit says nothing about what is left of it.
        app.chat(of_tokens(31)).await.is_error(429);
        assert_eq!(status().await, "inactive");
        // What there is left is believed for a second.
        app.clock.advance(Duration::from_secs(2));
        let refused = app.chat(of_tokens(20)).await.is_error(429);
        assert_eq!(refused["code"], "insufficient_quota", "{refused}");
        assert_eq!(status().await, "enforcing");
        app.admin("POST", path, wish(50)).await;
        assert_eq!(status().await, "inactive");
        app.admin("DELETE", path, Value::Null).await;
    }
}

#[tokio::test]
async fn a_monthly_budget_of_another_time_zone_is_the_spend_limit() {
    let app = priced().await;
    let made = app
        .admin(
            "POST",
            "/budgets",
            json!({
                "scope": "organization", "period": "month", "time_zone": "Asia/Tokyo",
                "amount": "50", "enforcement": "hard",
            }),
        )
        .await;
    let limit = app.admin("GET", "/spend_limit", Value::Null).await;
    assert_eq!(limit["threshold_amount"], 5_000);
    let wish = json!({"threshold_amount": 7_000, "currency": "USD", "interval": "month"});
    assert_eq!(app.admin("POST", "/spend_limit", wish).await["threshold_amount"], 7_000);
    spend(&app, 20).await;
    let budgets = app.admin("GET", "/budgets", Value::Null).await["data"].clone();
    assert_eq!(budgets.as_array().unwrap().len(), 1);
    let budget = &budgets[0];
    assert_eq!(
        (&budget["id"], &budget["time_zone"], &budget["amount"]),
        (&made["id"], &json!("Asia/Tokyo"), &json!("70.000000000"))
    );
    app.admin("DELETE", "/spend_limit", Value::Null).await;
    app.try_admin("GET", "/spend_limit", Value::Null).await.is_error(404);
}
