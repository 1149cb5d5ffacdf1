//! Whole answers, streams, and what they leave behind.

use http::HeaderValue;
use responses::{CreatedBody, ItemPage};
use serde_json::{Value, json};

use crate::responses_app::{TestResponses, asked};

fn hello() -> Value {
    json!({"model": "kijun-sim", "input": "sim: say \"Hi\""})
}

#[tokio::test]
async fn an_answer_is_whole_kept_and_found_again() {
    let app = TestResponses::new().await;
    let response = app.whole(hello()).await;
    assert_eq!(response["status"], "completed");
    assert_eq!(response["output"][0]["content"][0]["text"], "Hi");
    assert!(response["usage"]["total_tokens"].as_u64().unwrap() > 0);
    let id = response["id"].as_str().unwrap();
    assert_eq!(app.retrieve(id).await.unwrap(), response);
    let page = ItemPage { after: None, limit: 20, ascending: true };
    let items = app.responses.input_items(&app.caller(), id, &page).await.unwrap();
    assert_eq!(items["data"][0]["role"], "user");
    assert!(items["data"][0]["id"].as_str().unwrap().starts_with("msg_"));
    let record = app.records().await.remove(0);
    assert_eq!(record.response.as_ref().map(|id| id.as_str()), Some(id));
    assert_eq!(app.responses.delete(&app.caller(), id).await.unwrap()["deleted"], true);
    assert_eq!(app.retrieve(id).await.unwrap_err().status(), 404);
}

#[tokio::test]
async fn a_stream_tells_the_same_as_the_kept_response() {
    let app = TestResponses::new().await;
    let events = app.events(hello()).await;
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds.first(), Some(&"response.created"));
    assert_eq!(kinds.last(), Some(&"response.completed"));
    let numbers: Vec<u64> =
        events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    let response = &events.last().unwrap()["response"];
    assert_eq!(&app.retrieve(response["id"].as_str().unwrap()).await.unwrap(), response);
}

#[tokio::test]
async fn a_chain_reads_what_came_before() {
    let app = TestResponses::new().await;
    let first = app.whole(json!({"model": "kijun-sim", "input": "My name is Ada."})).await;
    let before = app.whole(hello()).await;
    let request = json!({
        "model": "kijun-sim", "input": "And?", "previous_response_id": first["id"],
    });
    let second = app.whole(request).await;
    assert_eq!(second["previous_response_id"], first["id"]);
    // It has read the first turn as well.
    let read = |response: &Value| response["usage"]["input_tokens"].as_u64().unwrap();
    assert!(read(&second) > read(&first) + 5, "{second}");
    drop(before);
    let unknown = json!({"model": "kijun-sim", "input": "x", "previous_response_id": "resp_0"});
    let refused = app.ask(unknown).await.err().unwrap();
    assert_eq!(refused.error().code.as_deref(), Some("previous_response_not_found"));
}

#[tokio::test]
async fn nothing_is_kept_that_was_not_to_be() {
    let app = TestResponses::new().await;
    let mut request = hello();
    request["store"] = json!(false);
    for response in [
        app.whole(request.clone()).await,
        app.events(request.clone()).await.pop().unwrap()["response"].take(),
    ] {
        assert_eq!(response["store"], false);
        let id = response["id"].as_str().unwrap();
        assert_eq!(app.retrieve(id).await.unwrap_err().status(), 404);
        let next = json!({"model": "kijun-sim", "input": "x", "previous_response_id": id});
        assert_eq!(app.ask(next).await.err().unwrap().status(), 400);
    }
}

#[tokio::test]
async fn a_broken_answer_is_a_failed_response() {
    let app = TestResponses::new().await;
    let broken =
        json!({"model": "kijun-sim", "input": "sim: break after=3\nHello there, my friend"});
    let events = app.events(broken).await;
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.failed");
    assert_eq!(last["response"]["error"]["code"], "server_error");
    let kept = app.retrieve(last["response"]["id"].as_str().unwrap()).await.unwrap();
    assert_eq!(kept["status"], "failed");
}

#[tokio::test]
async fn a_hang_up_leaves_a_cancelled_response() {
    let app = TestResponses::new().await;
    let slow =
        json!({"model": "kijun-sim", "stream": true, "input": "sim: pace 50ms\nsim: tokens 200"});
    let created = app.ask(slow).await.unwrap_or_else(|refused| panic!("{refused}"));
    let CreatedBody::Events(mut body) = created.body else { panic!("it is no stream") };
    let first = http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap();
    let text = String::from_utf8(first.into_data().unwrap().to_vec()).unwrap();
    let id = text.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let _second = http_body_util::BodyExt::frame(&mut body).await;
    drop(body);
    for _ in 0..100 {
        if let Ok(kept) = app.retrieve(&id).await {
            assert_eq!(kept["status"], "cancelled");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{id} was not kept");
}

#[tokio::test]
async fn an_idempotency_key_gives_the_same_answer_again() {
    let app = TestResponses::new().await;
    let ask = |stream: bool| {
        let mut body = hello();
        body["stream"] = json!(stream);
        let mut asked = asked(&body);
        let key = HeaderValue::from_static(if stream { "stream" } else { "whole" });
        asked.headers.insert("idempotency-key", key);
        app.responses.create(app.caller(), asked)
    };
    let text = |created: responses::Created| async {
        match created.body {
            CreatedBody::Whole(bytes) | CreatedBody::Replay(bytes) => bytes,
            CreatedBody::Events(body) => {
                http_body_util::BodyExt::collect(body).await.unwrap().to_bytes()
            }
        }
    };
    for stream in [false, true] {
        let first = text(ask(stream).await.unwrap_or_else(|refused| panic!("{refused}"))).await;
        let again = ask(stream).await.unwrap_or_else(|refused| panic!("{refused}"));
        assert!(again.replayed);
        assert_eq!(text(again).await, first);
    }
    assert_eq!(app.records().await.len(), 2);
}

#[tokio::test]
async fn a_failed_stream_can_be_asked_for_again_with_its_key() {
    let app = TestResponses::new().await;
    for _ in 0..2 {
        let mut asked = asked(&json!({
            "model": "kijun-sim", "stream": true, "input": "sim: break after=2\nsim: tokens 9",
        }));
        asked.headers.insert("idempotency-key", HeaderValue::from_static("again"));
        let created = app.responses.create(app.caller(), asked).await;
        let created = created.unwrap_or_else(|refused| panic!("{refused}"));
        assert!(!created.replayed);
        let events = crate::responses_app::events(created).await;
        assert_eq!(events.last().unwrap()["type"], "response.failed");
    }
}

#[tokio::test]
async fn sealed_reasoning_is_taken_back_and_a_forged_one_is_not() {
    let app = TestResponses::new().await;
    let request = json!({
        "model": "kijun-sim", "store": false, "include": ["reasoning.encrypted_content"],
        "input": "sim: reason First I count.\nsim: say Three.",
    });
    let response = app.whole(request).await;
    let mut items = response["output"].clone();
    assert_eq!(items[0]["type"], "reasoning");
    assert_eq!(items[0]["content"][0]["type"], "reasoning_text");
    let ask = |items: &Value| {
        let mut input = items.as_array().unwrap().clone();
        input.push(json!({"role": "user", "content": "And now?"}));
        app.ask(json!({"model": "kijun-sim", "store": false, "input": input}))
    };
    assert!(ask(&items).await.is_ok());
    if items[0]["encrypted_content"].is_string() {
        items[0]["encrypted_content"] = json!("kijun1.AAAA");
        let refused = ask(&items).await.err().unwrap();
        assert_eq!(refused.error().code.as_deref(), Some("invalid_encrypted_content"));
    }
}

#[tokio::test]
async fn structured_output_fits_its_schema_or_fails() {
    let app = TestResponses::new().await;
    let request = |text: &str| {
        json!({
            "model": "kijun-sim", "input": text,
            "text": {"format": {"type": "json_schema", "name": "age", "strict": true, "schema": {
                "type": "object", "properties": {"age": {"type": "integer"}},
                "required": ["age"], "additionalProperties": false,
            }}},
        })
    };
    let good = app.whole(request("How old are you? 7")).await;
    assert_eq!(good["status"], "completed");
    let wrong = request("sim: json {\"age\": \"old\"}");
    for bad in [
        app.whole(wrong.clone()).await,
        app.events(wrong.clone()).await.pop().unwrap()["response"].take(),
    ] {
        assert_eq!(bad["status"], "completed", "the second try goes by the schema: {bad}");
        let text = bad["output"][0]["content"][0]["text"].as_str().unwrap();
        let answer: Value = serde_json::from_str(text).unwrap();
        assert!(answer["age"].is_i64(), "{text}");
    }
}
