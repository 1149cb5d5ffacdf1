//! Service levels and tiers over HTTP: what is promised, how it stands, a month's statement.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{TestApp, hello};

/// Two calls that are answered and one that its provider fails.
async fn served() -> TestApp {
    let app = TestApp::start().await;
    for model in ["ok", "ok"] {
        assert_eq!(app.chat(hello(model)).await.status, 200);
    }
    let failed = app.chat(hello(FAILING)).await;
    assert!(failed.status.is_server_error(), "{}", failed.text());
    app.clock.advance(Duration::from_secs(60));
    // Until they are in the ledger.
    app.admin("GET", "/costs?start_time=5&limit=1", Value::Null).await;
    app
}

const FAILING: &str = "server-error";

#[tokio::test]
async fn a_tier_says_how_it_is_served() {
    let app = served().await;
    let list = app.admin("GET", "/service_levels", Value::Null).await;
    let tiers: Vec<_> = list["data"].as_array().unwrap().iter().map(|one| &one["tier"]).collect();
    assert_eq!(tiers, ["priority", "default", "flex"]);
    let level = app.admin("GET", "/service_levels/default", Value::Null).await;
    assert_eq!(level, list["data"][1]);
    assert_eq!(level["objective"], json!({"availability_ppm": 999_000, "latency": null}));
    let kept = &level["availability"];
    assert_eq!((&kept["total"], &kept["broken"]), (&json!(3), &json!(1)), "{level}");
    assert_eq!(kept["met"], false);
    assert!(kept["error_budget_left"].as_f64().unwrap() < -300.0, "{level}");
    let [low, high] = [0, 1].map(|end| kept["interval"][end].as_f64().unwrap());
    assert!(low < 2.0 / 3.0 && 2.0 / 3.0 < high, "{level}");
    let burns = level["burn_rates"].as_array().unwrap();
    let rules: Vec<_> = burns.iter().map(|burn| &burn["rule"]).collect();
    assert_eq!(rules, ["fast", "steady", "slow"]);
    for burn in burns {
        // A third of all calls failed, of which a thousandth may.
        assert!((burn["long_rate"].as_f64().unwrap() - 1_000.0 / 3.0).abs() < 1e-6, "{burn}");
        assert_eq!(burn["burning"], false, "one failure is no outage");
    }
    let flex = app.admin("GET", "/service_levels/flex", Value::Null).await;
    assert_eq!((&flex["requests"], &flex["burn_rates"]), (&json!(0), &json!([])));
    app.try_admin("GET", "/service_levels/gold", Value::Null).await.is_error(404);
}

#[tokio::test]
async fn objectives_are_set_whole() {
    let app = TestApp::start().await;
    let latency = json!({"within_ms": 800, "ppm": 950_000});
    let wish = json!({"availability_ppm": 999_500, "latency": latency});
    let set = app.admin("POST", "/service_levels/priority", wish.clone()).await;
    assert_eq!(set["objective"], wish);
    assert_eq!(set["latency"]["objective_ppm"], 950_000);
    assert_eq!(set["burn_rates"].as_array().unwrap().len(), 6);
    let nothing = json!({"availability_ppm": null, "latency": null});
    let set = app.admin("POST", "/service_levels/priority", nothing.clone()).await;
    assert_eq!((&set["objective"], &set["latency"]), (&nothing, &Value::Null));
    for (wrong, param) in [
        (json!({}), "availability_ppm"),
        (json!({"availability_ppm": -1}), "availability_ppm"),
        (json!({"availability_ppm": 1_000_000}), "share"),
        (json!({"availability_ppm": null, "latency": {"within_ms": 0, "ppm": 5}}), "latency"),
        (json!({"availability_ppm": null, "latency": {"within_ms": 5}}), "latency.ppm"),
    ] {
        let error =
            app.try_admin("POST", "/service_levels/priority", wrong.clone()).await.is_error(400);
        assert_eq!(error["param"], param, "{wrong}: {error}");
    }
    app.try_admin("POST", "/service_levels/gold", wish).await.is_error(404);
}

#[tokio::test]
async fn a_statement_is_of_a_month_in_a_zone() {
    let app = served().await;
    let statement = async |question: &str| {
        let path = format!("/service_levels/default/statement?{question}");
        app.admin("GET", &path, Value::Null).await
    };
    // 1800000000 is 2027-01-15 08:00 UTC.
    let now = statement("").await;
    assert_eq!(now["object"], "organization.service_level.statement");
    assert_eq!(
        (&now["start_time"], &now["end_time"]),
        (&json!(1_798_761_600), &json!(1_800_000_060))
    );
    assert_eq!(now["complete"], false);
    let tokyo = statement("month=2027-01&time_zone=Asia/Tokyo").await;
    assert_eq!((&tokyo["start_time"], &tokyo["requests"]), (&json!(1_798_729_200), &json!(3)));
    assert_eq!(tokyo["availability"]["broken"], 1);
    assert_eq!(tokyo["downtime_seconds"], 0, "less than half of the calls failed");
    let before = statement("month=2026-12").await;
    assert_eq!((&before["complete"], &before["requests"]), (&json!(true), &json!(0)));
    assert_eq!((&before["uptime"], &before["availability"]["met"]), (&json!(1.0), &Value::Null));
    let future = statement("month=2027-02").await;
    assert_eq!((&future["complete"], &future["requests"]), (&json!(false), &json!(0)));
    for (wrong, param) in [
        ("month=2027-13", "month"),
        ("month=9999-12", "month"),
        ("month=January", "month"),
        ("time_zone=Mars/Olympus", "time_zone"),
        ("zone=UTC", "zone"),
    ] {
        let path = format!("/service_levels/default/statement?{wrong}");
        assert_eq!(app.try_admin("GET", &path, Value::Null).await.is_error(400)["param"], param);
    }
}

#[tokio::test]
async fn a_projects_tiers_are_granted() {
    let app = TestApp::start().await;
    let path = format!("/projects/{}/service_tiers", app.home.project);
    let tiers = |default: &str, tiers: &[&str]| json!({"default_tier": default, "tiers": tiers});
    let shown = |default: &str, granted: &[&str]| {
        let mut shown = tiers(default, granted);
        shown["object"] = json!("project.service_tiers");
        shown
    };
    let first = app.admin("GET", &path, Value::Null).await;
    assert_eq!(first, shown("default", &["default", "flex"]));
    let asked = async |tier: &str| {
        app.clock.advance(Duration::from_secs(1));
        let mut body = hello("kijun-sim");
        body["service_tier"] = json!(tier);
        let answer = app.chat(body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let call = app.calls().await.remove(0);
        call["service_tier"].clone()
    };
    assert_eq!(asked("priority").await, "default");
    let set = app.admin("POST", &path, tiers("flex", &["flex", "priority", "flex"])).await;
    assert_eq!(set, shown("flex", &["priority", "flex"]));
    assert_eq!(asked("priority").await, "priority");
    assert_eq!(asked("auto").await, "flex");
    for (wrong, param) in [
        (tiers("default", &["flex"]), "tier"),
        (tiers("gold", &["flex"]), "default_tier"),
        (tiers("flex", &["gold"]), "tiers[0]"),
        (json!({"tiers": ["flex"]}), "default_tier"),
    ] {
        let error = app.try_admin("POST", &path, wrong.clone()).await.is_error(400);
        assert_eq!(error["param"], param, "{wrong}: {error}");
    }
    app.try_admin("GET", "/projects/proj_none/service_tiers", Value::Null).await.is_error(404);
}
