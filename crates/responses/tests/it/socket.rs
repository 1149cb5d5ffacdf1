//! Turns on one connection.

use http::HeaderMap;
use responses::{Connection, Frame};
use serde_json::{Value, json};

use crate::responses_app::TestResponses;

async fn turn(connection: &Connection, mut message: Value) -> Vec<Value> {
    message["type"] = json!("response.create");
    let read = |frame: &bytes::Bytes| serde_json::from_slice::<Value>(frame).unwrap();
    let frame = match Frame::read(message.to_string().as_bytes()) {
        Ok(frame) => frame,
        Err(wrong) => return vec![read(&wrong)],
    };
    let mut turn = connection.turn(frame);
    let mut all = Vec::new();
    while let Some(frames) = turn.next().await {
        all.extend(frames.iter().map(read));
    }
    all
}

fn id(events: &[Value]) -> Value {
    events.last().unwrap()["response"]["id"].clone()
}

#[tokio::test]
async fn a_chain_goes_on_in_the_connections_memory_alone() {
    let app = TestResponses::new().await;
    let connection = app.responses.connect(&app.caller(), HeaderMap::new());
    let ask = |input: &str, previous: Value| json!({"model": "kijun-sim", "store": false, "input": input, "previous_response_id": previous});
    let warm = json!({"model": "kijun-sim", "store": false, "generate": false, "input": "My name is Ada."});
    let warm = turn(&connection, warm).await;
    assert_eq!(warm.last().unwrap()["type"], "response.completed");
    assert_eq!(warm.last().unwrap()["response"]["output"], json!([]));
    let first = turn(&connection, ask("Hello", id(&warm))).await;
    assert_eq!(first.last().unwrap()["type"], "response.completed");
    let second = turn(&connection, ask("Again", id(&first))).await;
    let tokens = |events: &[Value]| {
        events.last().unwrap()["response"]["usage"]["input_tokens"].as_u64().unwrap()
    };
    assert!(tokens(&second) > tokens(&first));
    // Another connection remembers nothing of it.
    let other = app.responses.connect(&app.caller(), HeaderMap::new());
    let error = turn(&other, ask("Hello", id(&second))).await.remove(0);
    assert_eq!(error["type"], "error");
    assert_eq!(error["status"], 400);
    assert_eq!(error["error"]["code"], "previous_response_not_found");
    // Only the warm-up called no model.
    assert_eq!(app.records().await.len(), 2);
}

#[tokio::test]
async fn what_failed_cannot_be_gone_on_with() {
    let app = TestResponses::new().await;
    let connection = app.responses.connect(&app.caller(), HeaderMap::new());
    let first = json!({"model": "kijun-sim", "store": false, "input": "Hello"});
    let first = turn(&connection, first).await;
    let failing = json!({
        "model": "kijun-sim", "store": false, "input": "sim: break after=2\nsim: tokens 9",
        "previous_response_id": id(&first),
    });
    let failed = turn(&connection, failing).await;
    assert_eq!(failed.last().unwrap()["type"], "response.failed");
    let again = json!({
        "model": "kijun-sim", "store": false, "input": "Hello", "previous_response_id": id(&first),
    });
    let error = turn(&connection, again).await.remove(0);
    assert_eq!(error["error"]["code"], "previous_response_not_found");
}

#[tokio::test]
async fn a_lane_is_told_in_every_frame() {
    let app = TestResponses::new().await;
    let connection = app.responses.connect(&app.caller(), HeaderMap::new());
    let message = json!({"model": "kijun-sim", "input": "Hi", "stream_id": "agent_1"});
    let events = turn(&connection, message).await;
    assert!(events.iter().all(|event| event["stream_id"] == "agent_1"));
    let wrong = json!({"model": "kijun-sim", "input": "Hi", "stream_id": "a b"});
    assert_eq!(turn(&connection, wrong).await[0]["error"]["param"], "stream_id");
    let background = json!({"model": "kijun-sim", "input": "Hi", "background": true});
    assert_eq!(turn(&connection, background).await[0]["error"]["param"], "background");
}

#[tokio::test]
async fn what_is_kept_after_what_was_not_can_be_gone_on_with_anywhere() {
    let app = TestResponses::new().await;
    let connection = app.responses.connect(&app.caller(), HeaderMap::new());
    let first = json!({"model": "kijun-sim", "store": false, "input": "My name is Ada."});
    let first = turn(&connection, first).await;
    let second = json!({
        "model": "kijun-sim", "store": true, "input": "Hello", "previous_response_id": id(&first),
    });
    let second = turn(&connection, second).await;
    let next = json!({"model": "kijun-sim", "input": "And?", "previous_response_id": id(&second)});
    let next = app.whole(next).await;
    let tokens = |response: &Value| response["usage"]["input_tokens"].as_u64().unwrap();
    assert!(tokens(&next) > tokens(&second.last().unwrap()["response"]));
}
