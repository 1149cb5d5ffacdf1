//! Background responses among several nodes, limits and stops.

use http_body_util::BodyExt as _;
use responses::{CreatedBody, ResponsesConfig};
use serde_json::{Value, json};

use crate::responses_app::{TestResponses, events, read_events};

fn background(text: &str) -> Value {
    json!({"model": "kijun-sim", "input": text, "background": true})
}

fn streamed(text: &str) -> Value {
    let mut request = background(text);
    request["stream"] = json!(true);
    request
}

/// The id in the first piece of a stream.
async fn first_id(created: responses::Created) -> String {
    let CreatedBody::Events(mut body) = created.body else { panic!("it is no stream") };
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let text = std::str::from_utf8(&first).unwrap();
    text.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// The numbers of a response's events, as this node tells them.
async fn numbers(node: &TestResponses, id: &str) -> Vec<u64> {
    let body = node.responses.follow(&node.caller(), id, None).await;
    let body = body.unwrap_or_else(|refused| panic!("{refused}"));
    let text = body.collect().await.unwrap().to_bytes();
    let events = read_events(std::str::from_utf8(&text).unwrap());
    assert_eq!(events.last().unwrap()["type"], "response.completed");
    events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_tells_every_event_and_so_does_the_log_afterwards() {
    let config = ResponsesConfig { lease_secs: 2, ..ResponsesConfig::default() };
    let making = TestResponses::with(config).await;
    let other = TestResponses::on(making.store.clone(), config).await;
    let mut ids = Vec::new();
    for n in 0..60 {
        let text = format!("sim: pace {}ms\nsim: tokens {}", 2 + n % 5, 20 + n % 37);
        let created = making.ask(streamed(&text)).await.unwrap_or_else(|error| panic!("{error}"));
        ids.push(first_id(created).await);
    }
    let live = futures_util::future::join_all(ids.iter().map(|id| numbers(&other, id))).await;
    for (id, told) in ids.iter().zip(live) {
        let all: Vec<u64> = (0..told.len() as u64).collect();
        assert_eq!(told, all, "{id} while it was made");
        assert_eq!(numbers(&making, id).await, all, "{id} afterwards");
    }
}

#[tokio::test]
async fn nothing_comes_after_the_last_event() {
    let app = TestResponses::new().await;
    let created = app.ask(streamed("Hi")).await.unwrap_or_else(|refused| panic!("{refused}"));
    let all = events(created).await;
    let id = all[0]["response"]["id"].as_str().unwrap();
    let after = all.last().unwrap()["sequence_number"].as_u64();
    let body = app.responses.follow(&app.caller(), id, after).await;
    let text = body.unwrap_or_else(|refused| panic!("{refused}")).collect().await.unwrap();
    assert_eq!(text.to_bytes(), "data: [DONE]\n\n");
}

#[tokio::test]
async fn a_node_that_stops_takes_nothing_and_gives_back_what_waits() {
    let app = TestResponses::new().await;
    let waits = app.whole(background("sim: fail 429 retry-after=20")).await;
    let id = waits["id"].as_str().unwrap();
    while app.retrieve(id).await.unwrap()["status"] != "in_progress" {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // The call is refused in a moment, and it waits.
    while app.records().await.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    app.gateway.settler().stop();
    assert_eq!(app.ask(background("Hi")).await.err().unwrap().status(), 503);
    app.responses.stop_background().await;
    assert_eq!(app.retrieve(id).await.unwrap()["status"], "queued");
}

#[tokio::test]
async fn those_that_wait_for_a_limit_leave_their_places_to_others() {
    let config =
        ResponsesConfig { lease_secs: 2, background_concurrency: 1, ..ResponsesConfig::default() };
    let app = TestResponses::with(config).await;
    app.whole(background("sim: fail 429 retry-after=20")).await;
    let other = app.whole(background("Hi")).await;
    assert_eq!(app.over(other["id"].as_str().unwrap()).await["status"], "completed");
}
