//! What calls cost, and every kind of usage, in the official shape.

use serde_json::{Value, json};

use crate::app::{NOW, TestApp, hello, hello_streamed};

/// Midnight before every test's beginning.
const DAY: i64 = 1_799_971_200;

async fn priced(provider: &str, model: &str) -> TestApp {
    let app = TestApp::start().await;
    let price = json!({
        "provider": provider, "model": model, "effective_from": "2026-01-01",
        "input": "1.5", "output": "2.000001", "source": "a test",
    });
    app.admin("POST", "/prices", price).await;
    app
}

async fn costs(app: &TestApp, question: &str) -> Value {
    app.admin("GET", &format!("/costs?start_time={DAY}{question}"), Value::Null).await
}

#[tokio::test]
async fn costs_are_the_sum_of_the_calls() {
    let app = priced("kijun-sim", "kijun-sim").await;
    let mut nanos = 0;
    for body in [hello("kijun-sim"), hello("kijun-sim")] {
        let usage = app.chat(body).await.json()["usage"].clone();
        let tokens = |kind: &str| usage[kind].as_i64().unwrap();
        // Dollars for a million tokens are thousands of nano-dollars for one.
        let exact = tokens("prompt_tokens") * 1_500_000 + tokens("completion_tokens") * 2_000_001;
        nanos += exact / 1_000;
    }
    app.chat(hello("ok")).await;
    let page = costs(&app, "&group_by[]=line_item&group_by[]=project_id").await;
    assert_eq!((&page["object"], &page["has_more"]), (&json!("page"), &json!(false)));
    let bucket = &page["data"][0];
    assert_eq!(
        (bucket["object"].as_str(), bucket["start_time"].as_i64()),
        (Some("bucket"), Some(DAY))
    );
    let results = bucket["results"].as_array().unwrap();
    let line = |item: &str| {
        let found = results.iter().find(|result| result["line_item"] == item);
        found.unwrap_or_else(|| panic!("{results:?}"))
    };
    let sim = line("kijun-sim, chat_completions");
    assert_eq!(sim["object"], "organization.costs.result");
    assert_eq!(sim["project_id"], app.home.project.as_str());
    assert_eq!(sim["api_key_id"], Value::Null);
    assert_eq!(sim["amount"]["currency"], "usd");
    let told: f64 = sim["amount_usd"].as_str().unwrap().parse().unwrap();
    assert_eq!(told, sim["amount"]["value"].as_f64().unwrap());
    assert!((told * 1e9 - nanos as f64).abs() < 1.5, "{told} is not {nanos} nano-dollars");
    assert_eq!(line("ok, chat_completions")["num_unpriced_requests"], 1);
    let whole = costs(&app, "").await["data"][0]["results"].clone();
    assert_eq!(whole.as_array().unwrap().len(), 1);
    assert_eq!(whole[0]["amount_usd"], sim["amount_usd"]);
}

#[tokio::test]
async fn costs_are_filtered_and_paged() {
    let app = priced("kijun-sim", "kijun-sim").await;
    app.chat(hello("kijun-sim")).await;
    for other in ["&project_ids[]=proj_other", "&api_key_ids[]=key_other"] {
        assert_eq!(costs(&app, other).await["data"][0]["results"], json!([]), "{other}");
    }
    let ours = format!("&project_ids[]={}", app.home.project);
    assert_eq!(costs(&app, &ours).await["data"][0]["results"].as_array().unwrap().len(), 1);
    let end = DAY + 180 * 86_400;
    let half_a_year = costs(&app, &format!("&end_time={end}&limit=180")).await;
    assert_eq!(half_a_year["data"].as_array().unwrap().len(), 180);
    let first = costs(&app, &format!("&end_time={end}&limit=2")).await;
    assert_eq!(first["has_more"], true);
    let next = format!("&end_time={end}&limit=2&page={}", first["next_page"].as_str().unwrap());
    assert_eq!(costs(&app, &next).await["data"][0]["start_time"], DAY + 2 * 86_400);
    for (wrong, param) in [
        ("limit=181", "limit"),
        ("bucket_width=1h", "bucket_width"),
        ("group_by=model", "group_by"),
        ("models=a", "models"),
        ("page=x", "page"),
    ] {
        let path = format!("/costs?start_time={DAY}&{wrong}");
        let error = app.try_admin("GET", &path, Value::Null).await.is_error(400);
        assert_eq!(error["param"], param, "{wrong}: {error}");
    }
}

#[tokio::test]
async fn completions_are_apart_by_tier_and_include_responses() {
    let app = TestApp::start().await;
    let project = format!("/projects/{}/service_tiers", app.home.project);
    let all = json!({"default_tier": "default", "tiers": ["priority", "default", "flex"]});
    app.admin("POST", &project, all).await;
    for tier in ["flex", "priority", "auto"] {
        let mut body = hello_streamed("kijun-sim");
        body["service_tier"] = json!(tier);
        assert_eq!(app.chat(body).await.status, 200, "{tier}");
    }
    let answer = json!({"model": "kijun-sim", "input": "Hello", "store": false});
    let answer = app.ask("POST", "/v1/responses", &app.home.api_key, answer).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let start = NOW.as_secs();
    let counts = async |question: &str| {
        let path = format!("/usage/completions?start_time={start}{question}");
        let page = app.admin("GET", &path, Value::Null).await;
        let results = page["data"][0]["results"].as_array().unwrap().clone();
        let count = |result: &Value| {
            (result["service_tier"].clone(), result["num_model_requests"].as_u64().unwrap())
        };
        results.iter().map(count).collect::<Vec<_>>()
    };
    assert_eq!(counts("").await, [(Value::Null, 4)]);
    let expected = [(json!("default"), 2), (json!("flex"), 1), (json!("priority"), 1)];
    assert_eq!(counts("&group_by=service_tier").await, expected);
    let two = "&service_tiers[]=flex&service_tiers[]=priority";
    assert_eq!(counts(two).await, [(Value::Null, 2)]);
    let path = format!("/usage/completions?start_time={start}&service_tiers=fast");
    let error = app.try_admin("GET", &path, Value::Null).await.is_error(400);
    assert_eq!(error["param"], "service_tiers");
}

/// What is never used, with a parameter of its own, a word that it groups by, and one that it does
/// not know.
const NOTHING: [(&str, &str, &str, &str); 7] = [
    ("images", "sizes[]=1024x1024&sources[]=image.edit", "size", "sizes=1x1"),
    ("audio_speeches", "models[]=a", "model", "sizes=1024x1024"),
    ("audio_transcriptions", "user_ids[]=a", "user_id", "sources=a"),
    ("vector_stores", "project_ids[]=a", "project_id", "models=a"),
    ("code_interpreter_sessions", "project_ids[]=a", "project_id", "user_ids=a"),
    ("web_search_calls", "context_levels[]=low", "context_level", "context_levels=none"),
    ("file_search_calls", "vector_store_ids[]=a", "vector_store_id", "models=a"),
];

#[tokio::test]
async fn what_nothing_here_does_has_empty_buckets() {
    let app = TestApp::start().await;
    app.chat(hello("kijun-sim")).await;
    for (kind, filter, group, wrong) in NOTHING {
        let path = format!("/usage/{kind}?start_time={DAY}&bucket_width=1h&limit=3&{filter}");
        let page = app.admin("GET", &format!("{path}&group_by[]={group}"), Value::Null).await;
        assert_eq!((&page["object"], &page["has_more"]), (&json!("page"), &json!(true)), "{kind}");
        let buckets = page["data"].as_array().unwrap();
        assert_eq!(buckets.len(), 3);
        assert!(buckets.iter().all(|bucket| bucket["results"] == json!([])), "{page}");
        let next = format!("{path}&page={}", page["next_page"].as_str().unwrap());
        let second = app.admin("GET", &next, Value::Null).await;
        assert_eq!(second["data"][0]["start_time"], DAY + 3 * 3_600);
        let refused = async |question: &str| {
            let path = format!("/usage/{kind}?{question}");
            app.try_admin("GET", &path, Value::Null).await.is_error(400)["param"].clone()
        };
        let name = wrong.split('=').next().unwrap();
        assert_eq!(refused(&format!("start_time=5&{wrong}")).await, name, "{kind}");
        assert_eq!(refused("start_time=5&group_by=planet").await, "group_by", "{kind}");
        assert_eq!(refused("start_time=5&limit=32").await, "limit", "{kind}");
        assert_eq!(refused("").await, "start_time", "{kind}");
    }
}
