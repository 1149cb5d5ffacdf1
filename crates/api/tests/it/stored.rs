//! Conversations and stored Chat Completions over HTTP, and who may see them.

use serde_json::{Value, json};

use crate::app::{Answer, TestApp};

async fn ask(app: &TestApp, method: &str, path: &str, body: Value) -> Answer {
    app.ask(method, path, &app.home.api_key, body).await
}

/// A completion that was stored, and a conversation with an item.
async fn things(app: &TestApp, key: &str) -> (String, String, String) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let body = json!({
        "model": "kijun-sim", "store": true, "messages": [{"role": "user", "content": "Hello"}],
    });
    let chat = app.ask("POST", "/v1/chat/completions", key, body).await.json();
    let body = json!({"items": [{"role": "user", "content": "Hello"}]});
    let conversation = app.ask("POST", "/v1/conversations", key, body).await.json();
    let path = format!("/v1/conversations/{}/items", conversation["id"].as_str().unwrap());
    let items = app.ask("GET", &path, key, Value::Null).await.json();
    (text(&chat["id"]), text(&conversation["id"]), text(&items["first_id"]))
}

/// Every route with these ids in it, and a body that it accepts.
fn routes(chat: &str, conversation: &str, item: &str) -> Vec<(&'static str, String, Value)> {
    let metadata = || json!({"metadata": {"mine": "now"}});
    let items = json!({"items": [{"role": "user", "content": "Mine"}]});
    let chat = format!("/v1/chat/completions/{chat}");
    let conversation = format!("/v1/conversations/{conversation}");
    let item = format!("{conversation}/items/{item}");
    vec![
        ("GET", chat.clone(), Value::Null),
        ("POST", chat.clone(), metadata()),
        ("GET", format!("{chat}/messages"), Value::Null),
        ("GET", conversation.clone(), Value::Null),
        ("POST", conversation.clone(), metadata()),
        ("GET", format!("{conversation}/items"), Value::Null),
        ("POST", format!("{conversation}/items"), items),
        ("GET", item.clone(), Value::Null),
        ("DELETE", item, Value::Null),
        ("DELETE", conversation, Value::Null),
        ("DELETE", chat, Value::Null),
    ]
}

#[tokio::test]
async fn another_projects_ids_are_not_there() {
    let app = TestApp::start().await;
    let neighbour = app.neighbour().await;
    let (chat, conversation, item) = things(&app, &neighbour.api_key).await;
    for (method, path, body) in routes(&chat, &conversation, &item) {
        let error = ask(&app, method, &path, body).await.is_error(404);
        assert!(error["message"].as_str().unwrap().contains("not found"), "{method} {path}");
    }
    // A conversation of one's own, and the neighbour's item in it.
    let (_, own, _) = things(&app, &app.home.api_key).await;
    for method in ["GET", "DELETE"] {
        let path = format!("/v1/conversations/{own}/items/{item}");
        ask(&app, method, &path, Value::Null).await.is_error(404);
    }
    let list = ask(&app, "GET", "/v1/chat/completions", Value::Null).await.json();
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert!(!list.to_string().contains(&chat));
    let path = format!("/v1/chat/completions?after={chat}");
    ask(&app, "GET", &path, Value::Null).await.is_error(404);
    // Nothing was changed, and whose they are can do all of it.
    for (method, path, body) in routes(&chat, &conversation, &item) {
        let answer = app.ask(method, &path, &neighbour.api_key, body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        assert!(!answer.text().contains("Mine"), "{method} {path}: {}", answer.text());
        if method == "POST" {
            break;
        }
    }
}

#[tokio::test]
async fn every_route_serves_whose_ids_they_are() {
    let app = TestApp::start().await;
    let (chat, conversation, item) = things(&app, &app.home.api_key).await;
    for (method, path, body) in routes(&chat, &conversation, &item) {
        let answer = ask(&app, method, &path, body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
    }
}

#[tokio::test]
async fn the_provider_is_asked_to_keep_nothing() {
    let app = TestApp::start().await;
    let body = |store: Value| {
        json!({
            "model": "ok", "store": store, "metadata": {"a": "b"},
            "messages": [{"role": "user", "content": "Hello"}],
        })
    };
    let answer = app.chat(body(json!(true))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent: Value = serde_json::from_str(&app.upstream.bodies().pop().unwrap()).unwrap();
    let expected = json!({"model": "ok", "messages": [{"role": "user", "content": "Hello"}]});
    assert_eq!(sent, expected);
    // What is not to be kept here goes on byte by byte.
    let unkept = body(json!(false));
    app.chat(unkept.clone()).await;
    assert_eq!(app.upstream.bodies().pop().unwrap(), unkept.to_string());
    let list = ask(&app, "GET", "/v1/chat/completions", Value::Null).await.json();
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_stored_answer_has_what_nobody_knows_in_it() {
    let app = TestApp::start().await;
    for stream in [false, true] {
        let body = json!({
            "model": "unknown-fields", "store": true, "stream": stream,
            "messages": [{"role": "user", "content": "Hello"}],
        });
        let answer = app.chat(body).await;
        let id = match stream {
            true => serde_json::from_str::<Value>(&answer.events()[0]).unwrap()["id"].clone(),
            false => answer.json()["id"].clone(),
        };
        let path = format!("/v1/chat/completions/{}", id.as_str().unwrap());
        let stored = ask(&app, "GET", &path, Value::Null).await.json();
        assert_eq!(stored["zeta"], 1.5, "{stored}");
        assert_eq!(stored["choices"][0]["message"]["mood"], "blue");
        assert_eq!(stored["choices"][0]["message"]["content"], "hé");
    }
}

#[tokio::test]
async fn streams_that_do_not_end_well_are_not_stored() {
    let app = TestApp::start().await;
    for model in ["reset-mid-stream", "error-in-stream"] {
        let mut body = crate::app::hello_streamed(model);
        body["store"] = json!(true);
        assert_eq!(app.chat(body).await.status, 200);
    }
    for model in ["no-done", "sse-comments", "after-done", "split-utf8"] {
        let mut body = crate::app::hello_streamed(model);
        body["store"] = json!(true);
        let answer = app.chat(body).await;
        assert_eq!(answer.events().last().unwrap(), "[DONE]", "{model}");
    }
    let list = ask(&app, "GET", "/v1/chat/completions", Value::Null).await.json();
    let models = list["data"].as_array().unwrap().iter();
    let texts: Vec<&str> =
        models.map(|chat| chat["choices"][0]["message"]["content"].as_str().unwrap()).collect();
    assert_eq!(texts.len(), 4, "{texts:?}");
    assert!(texts.contains(&"héllo 日本 🎌") && texts.contains(&"ab"), "{texts:?}");
}

#[tokio::test]
async fn queries_are_checked() {
    let app = TestApp::start().await;
    let (chat, conversation, _) = things(&app, &app.home.api_key).await;
    for (path, param) in [
        ("/v1/chat/completions?limit=0".to_owned(), "limit"),
        ("/v1/chat/completions?order=newest".to_owned(), "order"),
        ("/v1/chat/completions?modle=m".to_owned(), "modle"),
        (format!("/v1/chat/completions/{chat}/messages?limit=101"), "limit"),
        (format!("/v1/conversations/{conversation}/items?order=x"), "order"),
    ] {
        let error = ask(&app, "GET", &path, Value::Null).await.is_error(400);
        assert_eq!(error["param"], param, "{path}");
    }
    let path = format!(
        "/v1/conversations/{conversation}/items?include[]=reasoning.encrypted_content&include[]=message.output_text.logprobs"
    );
    assert_eq!(ask(&app, "GET", &path, Value::Null).await.status, 200);
}
