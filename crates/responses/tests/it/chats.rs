//! Chat Completions that are kept, and those that are not.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use gateway::Inbound;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use kernel::{
    Clock as _, Operation, RequestId, RetentionSetting, RetentionType, SystemClock, SystemRng,
};
use responses::chats::Chats;
use responses::{Created, CreatedBody, EventBody, Refused};
use serde_json::{Value, json};
use store::{ChatFilter, ItemPage};

use crate::responses_app::TestResponses;

struct Kept {
    app: TestResponses,
    chats: Chats,
}

impl Kept {
    async fn start() -> Self {
        let app = TestResponses::new().await;
        let chats = Chats::new(app.store.clone(), Arc::new(SystemRng));
        Self { app, chats }
    }

    async fn ask(&self, body: &Value) -> Result<Created, Refused> {
        self.ask_with(body, HeaderMap::new()).await
    }

    async fn ask_with(&self, body: &Value, headers: HeaderMap) -> Result<Created, Refused> {
        let now = SystemClock.now();
        let inbound = Inbound {
            room: None,
            id: RequestId::new(now, &SystemRng),
            arrived: now,
            operation: Operation::ChatCompletions,
            headers,
            body: Bytes::from(body.to_string()),
            response: None,
            batch: None,
        };
        self.chats.create(&self.app.gateway, self.app.caller(), inbound).await
    }

    async fn whole(&self, body: &Value) -> Value {
        match self.ask(body).await.unwrap().body {
            CreatedBody::Whole(document) => serde_json::from_slice(&document).unwrap(),
            _ => panic!("it is a stream"),
        }
    }

    /// The chunks of a stream, and whether `[DONE]` came.
    async fn chunks(&self, body: &Value) -> (Vec<Value>, bool) {
        let CreatedBody::Events(events) = self.ask(body).await.unwrap().body else {
            panic!("it is no stream")
        };
        chunks(&events.collect().await.unwrap().to_bytes())
    }

    async fn stored(&self) -> Vec<Value> {
        let page = ItemPage { after: None, limit: 100, descending: false };
        let filter = ChatFilter { model: None, metadata: BTreeMap::new(), page };
        let list = self.chats.list(&self.app.caller(), &filter).await.unwrap();
        list["data"].as_array().unwrap().clone()
    }
}

fn chunks(events: &[u8]) -> (Vec<Value>, bool) {
    let text = std::str::from_utf8(events).unwrap();
    let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let done = data.last() == Some(&"[DONE]");
    let read = |data: &&str| serde_json::from_str(data).ok();
    (data.iter().filter_map(read).collect(), done)
}

#[expect(clippy::needless_pass_by_value, reason = "callers write it down in place")]
fn say(script: &str, more: Value) -> Value {
    let mut body = json!({
        "model": "kijun-sim", "store": true, "messages": [{"role": "user", "content": script}],
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn piece(body: &mut EventBody) -> Bytes {
    body.as_mut().frame().await.unwrap().unwrap().into_data().unwrap()
}

#[tokio::test]
async fn a_whole_answer_is_kept_under_the_id_that_the_client_gets() {
    let kept = Kept::start().await;
    let more = json!({"metadata": {"topic": "demo"}, "temperature": 0.5});
    let answer = kept.whole(&say("sim: say \"Hello\"", more)).await;
    let id = answer["id"].as_str().unwrap();
    assert!(id.starts_with("chatcmpl-") && id.len() == "chatcmpl-".len() + 32, "{id}");
    assert!(answer.get("metadata").is_none(), "the answer itself is as ever");
    let found = kept.chats.retrieve(&kept.app.caller(), id).await.unwrap();
    assert_eq!(found["choices"], answer["choices"]);
    assert_eq!(found["usage"], answer["usage"]);
    assert_eq!(found["metadata"], json!({"topic": "demo"}));
    assert_eq!((&found["temperature"], &found["top_p"]), (&json!(0.5), &json!(1.0)));
    assert!(found["request_id"].as_str().unwrap().starts_with("req_"));
    assert_eq!(found["object"], "chat.completion");
}

#[tokio::test]
async fn what_is_not_to_be_kept_is_not() {
    let kept = Kept::start().await;
    for store in [json!(false), Value::Null] {
        kept.whole(&say("Hello", json!({"store": store}))).await;
    }
    assert!(kept.stored().await.is_empty());
    let refused = kept.ask(&say("Hello", json!({"store": "yes"}))).await.err().unwrap();
    assert_eq!((refused.status(), refused.error().param.as_deref()), (400, Some("store")));
    assert!(kept.ask(&say("sim: fail 500", json!({}))).await.is_err());
    assert!(kept.stored().await.is_empty(), "there was no answer");
}

#[tokio::test]
async fn a_stream_is_kept_as_the_answer_that_its_chunks_make() {
    let kept = Kept::start().await;
    let script = "sim: reason \"because\"\nsim: say \"one two three\"\nsim: tool f {\"a\": 1}\nsim: tool g {}";
    let (chunks, done) = kept.chunks(&say(script, json!({"stream": true}))).await;
    assert!(done);
    let [stored] = &kept.stored().await[..] else { panic!("one is stored") };
    for chunk in &chunks {
        assert_eq!(chunk["id"], stored["id"], "{chunk}");
        assert_eq!(chunk.get("usage").unwrap_or(&Value::Null), &Value::Null, "nobody asked for it");
        assert_eq!(chunk["choices"].as_array().unwrap().len(), 1);
    }
    // The same answer, as it is when it comes whole.
    let whole = kept.whole(&say(script, json!({}))).await;
    let unnamed = |completion: &Value| {
        let mut message = completion["choices"][0]["message"].clone();
        let calls = message["tool_calls"].as_array_mut().unwrap();
        assert_eq!(calls.len(), 2, "{completion}");
        calls.iter_mut().for_each(|call| drop(call.as_object_mut().unwrap().remove("id")));
        message
    };
    assert_eq!(unnamed(stored), unnamed(&whole));
    assert_eq!(stored["choices"][0]["finish_reason"], whole["choices"][0]["finish_reason"]);
    assert_eq!(stored["usage"], whole["usage"], "it is kept although nobody asked for it");
}

#[tokio::test]
async fn logprobs_refusals_choices_and_usage_are_kept() {
    let kept = Kept::start().await;
    for (script, more) in [
        ("sim: say \"two words\"", json!({"logprobs": true, "top_logprobs": 2, "n": 2})),
        ("sim: refuse I would rather not.", json!({})),
        ("sim: finish length\nHello", json!({"stream_options": {"include_usage": true}})),
    ] {
        let mut body = say(script, more);
        let streamed = body.as_object_mut().unwrap();
        streamed.insert("stream".to_owned(), json!(true));
        let shows = streamed.contains_key("stream_options");
        let (chunks, _) = kept.chunks(&body).await;
        assert_eq!(chunks.last().unwrap()["usage"].is_object(), shows);
        let stored = kept.stored().await.pop().unwrap();
        let asked = body.as_object_mut().unwrap();
        asked.remove("stream");
        asked.remove("stream_options");
        let whole = kept.whole(&body).await;
        assert_eq!(stored["choices"], whole["choices"], "{script}");
        assert_eq!(stored["usage"], whole["usage"], "{script}");
    }
}

#[tokio::test]
async fn chunks_are_not_held_back_and_the_end_comes_after_the_keeping() {
    let kept = Kept::start().await;
    let body = say("sim: hang after=2\nsim: tokens 50", json!({"stream": true}));
    let CreatedBody::Events(mut events) = kept.ask(&body).await.unwrap().body else {
        panic!("it is no stream")
    };
    // The upstream says nothing more, and still its first chunk is here.
    assert!(!piece(&mut events).await.is_empty());
    drop(events);
    assert!(kept.stored().await.is_empty(), "the client hung up");

    let body = say("sim: say \"whole\"", json!({"stream": true}));
    let CreatedBody::Events(mut events) = kept.ask(&body).await.unwrap().body else {
        panic!("it is no stream")
    };
    loop {
        if piece(&mut events).await.as_ref() == b"data: [DONE]\n\n" {
            break;
        }
        assert!(kept.stored().await.is_empty());
    }
    assert_eq!(kept.stored().await.len(), 1);
}

#[tokio::test]
async fn a_stream_that_breaks_is_not_kept() {
    let kept = Kept::start().await;
    let body = say("sim: break after=5\nsim: tokens 50", json!({"stream": true}));
    let (chunks, done) = kept.chunks(&body).await;
    assert!(!done && chunks.last().unwrap()["error"].is_object());
    assert!(kept.stored().await.is_empty());
}

#[tokio::test]
async fn an_idempotency_key_gives_the_same_answer_and_one_is_kept() {
    let kept = Kept::start().await;
    for (key, stream) in [("whole", false), ("streamed", true)] {
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", key.parse().unwrap());
        let body = say("Hello", json!({"stream": stream}));
        let mut answers = Vec::new();
        for replayed in [false, true] {
            let created = kept.ask_with(&body, headers.clone()).await.unwrap();
            assert_eq!(created.replayed, replayed, "{key}");
            answers.push(match created.body {
                CreatedBody::Whole(body) | CreatedBody::Replay(body) => body,
                CreatedBody::Events(events) => events.collect().await.unwrap().to_bytes(),
            });
        }
        assert_eq!(answers[0], answers[1]);
        assert!(!answers[0].is_empty());
    }
    assert_eq!(kept.stored().await.len(), 2);
}

#[tokio::test]
async fn an_answer_that_cannot_be_kept_still_arrives() {
    let kept = Kept::start().await;
    kept.app.store.close().await;
    let answer = kept.whole(&say("sim: say \"paid for\"", json!({}))).await;
    assert_eq!(answer["choices"][0]["message"]["content"], "paid for");
    let (_, done) = kept.chunks(&say("Hello", json!({"stream": true}))).await;
    assert!(done);
}

#[tokio::test]
async fn zero_data_retention_takes_store_as_false() {
    let kept = Kept::start().await;
    let setting = RetentionSetting { kind: RetentionType::ZeroDataRetention, days: None };
    kept.app.store.retention_put(&kept.app.scope, setting).await.unwrap();
    kept.app.gateway.refresh().await.unwrap();
    let answer = kept.whole(&say("sim: say \"Hi\"", json!({"metadata": {"a": "b"}}))).await;
    assert_eq!(answer["choices"][0]["message"]["content"], "Hi");
    assert!(kept.stored().await.is_empty());
}

#[tokio::test]
async fn stored_answers_are_listed_filtered_changed_and_deleted() {
    let kept = Kept::start().await;
    let caller = kept.app.caller();
    let mut ids = Vec::new();
    for number in 0..5 {
        let metadata = json!({"number": number.to_string(), "even": (number % 2 == 0).to_string()});
        let answer = kept.whole(&say("Hello", json!({"metadata": metadata}))).await;
        ids.push(answer["id"].as_str().unwrap().to_owned());
    }
    let listed = async |metadata: &[(&str, &str)], page: ItemPage| {
        let pairs = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let filter =
            ChatFilter { model: Some("kijun-sim".into()), metadata: pairs.collect(), page };
        let list = kept.chats.list(&caller, &filter).await.unwrap();
        let data = list["data"].as_array().unwrap();
        let ids: Vec<String> =
            data.iter().map(|found| found["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(list["first_id"].as_str().unwrap(), ids.first().map_or("", |id| id));
        assert_eq!(list["last_id"].as_str().unwrap(), ids.last().map_or("", |id| id));
        (ids, list["has_more"].as_bool().unwrap())
    };
    let page = |after: Option<&String>, limit, descending| ItemPage {
        after: after.cloned(),
        limit,
        descending,
    };
    assert_eq!(listed(&[], page(None, 3, false)).await, (ids[..3].to_vec(), true));
    assert_eq!(listed(&[], page(Some(&ids[2]), 3, false)).await, (ids[3..].to_vec(), false));
    let newest = vec![ids[4].clone(), ids[3].clone()];
    assert_eq!(listed(&[], page(None, 2, true)).await, (newest, true));
    let even = vec![ids[0].clone(), ids[2].clone(), ids[4].clone()];
    assert_eq!(listed(&[("even", "true")], page(None, 20, false)).await, (even, false));
    let both = [("even", "true"), ("number", "3")];
    assert_eq!(listed(&both, page(None, 20, false)).await, (Vec::new(), false));

    let body = br#"{"metadata":{"number":"new"}}"#;
    let updated = kept.chats.update(&caller, &ids[0], body).await.unwrap();
    assert_eq!(updated["metadata"], json!({"number": "new"}));
    assert_eq!(kept.chats.retrieve(&caller, &ids[0]).await.unwrap(), updated);
    for wrong in [&b"{}"[..], br#"{"metadata":5}"#, br#"{"metadata":{},"model":"m"}"#] {
        assert_eq!(kept.chats.update(&caller, &ids[0], wrong).await.unwrap_err().status(), 400);
    }

    let deleted = kept.chats.delete(&caller, &ids[0]).await.unwrap();
    let expected = json!({"object": "chat.completion.deleted", "id": ids[0], "deleted": true});
    assert_eq!(deleted, expected);
    for gone in [
        kept.chats.retrieve(&caller, &ids[0]).await,
        kept.chats.delete(&caller, &ids[0]).await,
        kept.chats.update(&caller, &ids[0], body).await,
        kept.chats.messages(&caller, &ids[0], &page(None, 5, false)).await,
    ] {
        assert_eq!(gone.unwrap_err().status(), 404);
    }
}

#[tokio::test]
async fn the_messages_that_were_answered_are_listed() {
    let kept = Kept::start().await;
    let caller = kept.app.caller();
    let parts = json!([{"type": "text", "text": "And this?"}]);
    let messages = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello", "name": "Ada"},
        {"role": "assistant", "content": null, "tool_calls": [{
            "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"},
        }]},
        {"role": "tool", "tool_call_id": "c", "content": "5"},
        {"role": "user", "content": parts},
    ]);
    let answer = kept.whole(&say("", json!({"messages": messages}))).await;
    let id = answer["id"].as_str().unwrap();
    let page = |after: Option<&str>, limit, descending| ItemPage {
        after: after.map(str::to_owned),
        limit,
        descending,
    };
    let list = kept.chats.messages(&caller, id, &page(None, 20, false)).await.unwrap();
    let data = list["data"].as_array().unwrap();
    assert_eq!(data.len(), 5);
    let expected = json!({
        "id": format!("{id}-1"), "role": "user", "content": "Hello", "name": "Ada",
        "refusal": null, "content_parts": null,
    });
    assert_eq!(data[1], expected);
    assert_eq!((&data[4]["content"], &data[4]["content_parts"]), (&Value::Null, &parts));
    assert_eq!(data[2]["tool_calls"][0]["function"]["name"], "f");
    let after = format!("{id}-3");
    let list = kept.chats.messages(&caller, id, &page(Some(&after), 2, true)).await.unwrap();
    assert_eq!(list["first_id"], format!("{id}-2"));
    assert_eq!((&list["last_id"], &list["has_more"]), (&json!(format!("{id}-1")), &json!(true)));
    assert!(kept.chats.messages(&caller, id, &page(Some("x"), 2, true)).await.is_err());
}
