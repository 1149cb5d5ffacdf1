//! Responses in the background: polled, followed, cancelled, and those of nodes that die.

use std::collections::BTreeMap;

use http_body_util::BodyExt as _;
use kernel::limit::LimitScope;
use kernel::{Clock as _, Enforcement, Money, Period, SystemClock, Timestamp, Zone};
use responses::ResponsesConfig;
use serde_json::{Value, json};
use store::{NewBudget, NewPrice};

use crate::responses_app::{TestResponses, events, read_events};

fn background(text: &str) -> Value {
    json!({"model": "kijun-sim", "input": text, "background": true})
}

#[tokio::test]
async fn it_is_queued_made_and_polled() {
    let app = TestResponses::new().await;
    let queued = app.whole(background("sim: say \"Done\"")).await;
    assert!(matches!(queued["status"].as_str(), Some("queued" | "in_progress")), "{queued}");
    let done = app.over(queued["id"].as_str().unwrap()).await;
    assert_eq!(done["status"], "completed");
    assert_eq!(done["output"][0]["content"][0]["text"], "Done");
    assert_eq!(done["background"], true);
}

#[tokio::test]
async fn its_events_can_be_followed_from_any_place() {
    let app = TestResponses::new().await;
    let mut request = background("sim: pace 2ms\nsim: tokens 40");
    request["stream"] = json!(true);
    let created = app.ask(request).await.unwrap_or_else(|refused| panic!("{refused}"));
    let all = events(created).await;
    let id = all[0]["response"]["id"].as_str().unwrap().to_owned();
    assert_eq!(all.last().unwrap()["type"], "response.completed");
    for after in [None, Some(0), Some(7), Some(all.len() as u64 - 2)] {
        let body = app.responses.follow(&app.caller(), &id, after).await;
        let body = body.unwrap_or_else(|refused| panic!("{refused}"));
        let text = body.collect().await.unwrap().to_bytes();
        let rest = read_events(std::str::from_utf8(&text).unwrap());
        let expected: Vec<&Value> = all
            .iter()
            .filter(|event| {
                after.is_none_or(|after| event["sequence_number"].as_u64() > Some(after))
            })
            .collect();
        assert_eq!(rest.iter().collect::<Vec<_>>(), expected, "{after:?}");
    }
}

#[tokio::test]
async fn it_goes_on_when_its_stream_is_dropped() {
    let app = TestResponses::new().await;
    let mut request = background("sim: pace 5ms\nsim: tokens 20");
    request["stream"] = json!(true);
    let created = app.ask(request).await.unwrap_or_else(|refused| panic!("{refused}"));
    let responses::CreatedBody::Events(mut body) = created.body else { panic!("no stream") };
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    drop(body);
    let text = std::str::from_utf8(&first).unwrap();
    let id = text.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(app.over(id).await["status"], "completed");
}

#[tokio::test]
async fn it_is_cancelled_once_and_stays_so() {
    let app = TestResponses::new().await;
    let mut request = background("sim: hang after=3\nsim: tokens 20");
    request["stream"] = json!(true);
    let created = app.ask(request).await.unwrap_or_else(|refused| panic!("{refused}"));
    let responses::CreatedBody::Events(mut body) = created.body else { panic!("no stream") };
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let text = std::str::from_utf8(&first).unwrap();
    let id = text.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    for _ in 0..2 {
        let cancelled = app.responses.cancel(&app.caller(), &id).await.unwrap();
        let cancelled: Value = serde_json::from_slice(&cancelled).unwrap();
        assert_eq!(cancelled["status"], "cancelled");
    }
    // Whoever follows hears the end.
    let rest = body.collect().await.unwrap().to_bytes();
    assert!(rest.ends_with(b"data: [DONE]\n\n"));
    assert_eq!(app.over(&id).await["status"], "cancelled");
    let whole = app.whole(json!({"model": "kijun-sim", "input": "Hi"})).await;
    let refused = app.responses.cancel(&app.caller(), whole["id"].as_str().unwrap()).await;
    assert_eq!(refused.unwrap_err().status(), 400);
}

#[tokio::test]
async fn a_failure_is_told_in_the_response() {
    let app = TestResponses::new().await;
    let queued = app.whole(background("sim: fail 400 message=\"no such thing\"")).await;
    let failed = app.over(queued["id"].as_str().unwrap()).await;
    assert_eq!(failed["status"], "failed");
    assert!(failed["error"]["message"].as_str().unwrap().contains("no such thing"), "{failed}");
}

#[tokio::test]
async fn what_a_budget_will_not_bear_for_long_fails_at_once() {
    let app = TestResponses::new().await;
    // Every token of an answer costs a cent.
    let price = NewPrice {
        provider: "sim".into(),
        model: "kijun-sim".into(),
        effective_from: Timestamp::default(),
        rates: BTreeMap::from([
            ("input".into(), Money::ZERO),
            ("output".into(), Money::parse_dollars("10000").unwrap()),
        ]),
        source: "a test".into(),
    };
    app.store.price_put(price).await.unwrap();
    // A day that is not about to end.
    let zone = if SystemClock.now().as_secs() % 86_400 < 43_200 { "UTC" } else { "Asia/Tokyo" };
    let budget = NewBudget {
        scope: LimitScope::Organization,
        subject: None,
        model: None,
        period: Period::Day,
        zone: Zone::named(zone).unwrap(),
        amount: Money::parse_dollars("1").unwrap(),
        enforcement: Enforcement::Hard,
        alerts: Vec::new(),
    };
    app.store.budget_create(&app.scope, budget).await.unwrap();
    app.gateway.see_change().await;
    let ask = |tokens: u32| {
        let mut request = background(&format!("sim: tokens {tokens}"));
        request["max_output_tokens"] = json!(tokens);
        request
    };
    let spent = app.whole(ask(80)).await;
    assert_eq!(app.over(spent["id"].as_str().unwrap()).await["status"], "completed");
    // The next day bears the one, and no day the other.
    for tokens in [50, 500] {
        let queued = app.whole(ask(tokens)).await;
        let failed = app.over(queued["id"].as_str().unwrap()).await;
        assert_eq!(failed["status"], "failed");
        assert_eq!(failed["error"]["code"], "insufficient_quota", "{failed}");
    }
}

#[tokio::test]
async fn a_dead_node_leaves_failed_responses_and_its_queue_to_others() {
    let config =
        ResponsesConfig { lease_secs: 2, background_concurrency: 1, ..ResponsesConfig::default() };
    let dying = TestResponses::with(config).await;
    let store = dying.store.clone();
    let hung = dying.whole(background("sim: hang after=3\nsim: tokens 20")).await;
    let waiting = dying.whole(background("sim: say \"Later\"")).await;
    // It is being made before its node dies.
    let id = hung["id"].as_str().unwrap();
    while dying.retrieve(id).await.unwrap()["status"] != "in_progress" {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    dying.die();
    let living = TestResponses::on(store, config).await;
    assert_eq!(living.over(id).await["status"], "failed");
    assert_eq!(living.over(waiting["id"].as_str().unwrap()).await["status"], "completed");
}
