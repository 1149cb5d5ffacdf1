//! Conversations and their items.

use std::sync::Arc;

use kernel::{RetentionSetting, RetentionType, SystemClock, SystemRng};
use responses::conversations::Conversations;
use serde_json::{Value, json};
use store::ItemPage;

use crate::responses_app::TestResponses;

async fn start() -> (TestResponses, Conversations) {
    let app = TestResponses::new().await;
    let store = app.store.clone();
    let conversations = Conversations::new(store, Arc::new(SystemClock), Arc::new(SystemRng));
    (app, conversations)
}

fn body(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn message(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": text})
}

fn page(after: Option<&str>, limit: u32, descending: bool) -> ItemPage {
    ItemPage { after: after.map(str::to_owned), limit, descending }
}

fn texts(list: &Value) -> Vec<&str> {
    let items = list["data"].as_array().unwrap().iter();
    items.map(|item| item["content"][0]["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_conversation_is_made_changed_and_deleted() {
    let (app, conversations) = start().await;
    let caller = app.caller();
    let asked = json!({"metadata": {"topic": "demo"}, "items": [message("Hello!")]});
    let made = conversations.create(&caller, &body(&asked)).await.unwrap();
    let id = made["id"].as_str().unwrap();
    assert!(id.starts_with("conv_"));
    assert_eq!(made["object"], "conversation");
    assert_eq!(made["metadata"], json!({"topic": "demo"}));
    assert!(made["created_at"].is_i64());
    assert_eq!(conversations.retrieve(&caller, id).await.unwrap(), made);

    let asked = json!({"metadata": {"topic": "other"}});
    let updated = conversations.update(&caller, id, &body(&asked)).await.unwrap();
    assert_eq!(updated["metadata"], json!({"topic": "other"}));

    let deleted = conversations.delete(&caller, id).await.unwrap();
    assert_eq!(deleted, json!({"id": id, "object": "conversation.deleted", "deleted": true}));
    let gone = conversations.retrieve(&caller, id).await.unwrap_err();
    assert_eq!(gone.status(), 404);
    assert_eq!(gone.error().message, format!("Conversation with id '{id}' not found."));
}

#[tokio::test]
async fn an_empty_body_makes_an_empty_conversation() {
    let (app, conversations) = start().await;
    for sent in [&b""[..], b"{}", br#"{"items":null,"metadata":null}"#, br#"{"items":[]}"#] {
        let made = conversations.create(&app.caller(), sent).await.unwrap();
        assert_eq!(made["metadata"], json!({}));
        let id = made["id"].as_str().unwrap();
        let list =
            conversations.list_items(&app.caller(), id, &page(None, 20, true)).await.unwrap();
        let empty = json!({
            "object": "list", "data": [], "first_id": "", "last_id": "", "has_more": false,
        });
        assert_eq!(list, empty);
    }
}

#[tokio::test]
async fn items_are_added_listed_and_deleted_in_their_order() {
    let (app, conversations) = start().await;
    let caller = app.caller();
    let made =
        conversations.create(&caller, &body(&json!({"items": [message("0")]}))).await.unwrap();
    let id = made["id"].as_str().unwrap();
    let asked = json!({"items": [message("1"), message("2"), message("3")]});
    let added = conversations.create_items(&caller, id, &body(&asked)).await.unwrap();
    assert_eq!(texts(&added), ["1", "2", "3"]);
    let first = &added["data"][0];
    assert_eq!((&first["type"], &first["role"]), (&json!("message"), &json!("user")));
    assert_eq!(first["status"], "completed");
    assert_eq!(added["first_id"], first["id"]);
    assert!(first["id"].as_str().unwrap().starts_with("msg_"));

    let list = conversations.list_items(&caller, id, &page(None, 3, true)).await.unwrap();
    assert_eq!((texts(&list), &list["has_more"]), (vec!["3", "2", "1"], &json!(true)));
    let after = list["last_id"].as_str();
    let rest = conversations.list_items(&caller, id, &page(after, 3, true)).await.unwrap();
    assert_eq!((texts(&rest), &rest["has_more"]), (vec!["0"], &json!(false)));
    let oldest = conversations.list_items(&caller, id, &page(None, 20, false)).await.unwrap();
    assert_eq!(texts(&oldest), ["0", "1", "2", "3"]);
    let unknown = conversations.list_items(&caller, id, &page(Some("msg_x"), 3, true)).await;
    assert_eq!(unknown.unwrap_err().status(), 404);

    let item = first["id"].as_str().unwrap();
    assert_eq!(&conversations.retrieve_item(&caller, id, item).await.unwrap(), first);
    assert_eq!(conversations.delete_item(&caller, id, item).await.unwrap(), made);
    let gone = conversations.retrieve_item(&caller, id, item).await.unwrap_err();
    assert_eq!(gone.error().message, format!("Item with id '{item}' not found."));
    assert_eq!(conversations.delete_item(&caller, id, item).await.unwrap_err().status(), 404);
}

#[tokio::test]
async fn items_of_every_kind_are_kept_as_they_are() {
    let (app, conversations) = start().await;
    let caller = app.caller();
    let sealed = json!({
        "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "kijun1.AAAA",
    });
    let asked = json!({"items": [
        {"role": "assistant", "content": "Hi"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}"},
        {"type": "function_call_output", "call_id": "c1", "output": "5"},
        sealed,
        {"type": "unheard_of", "anything": {"goes": true}},
    ]});
    let made = conversations.create(&caller, &body(&asked)).await.unwrap();
    let id = made["id"].as_str().unwrap();
    let list = conversations.list_items(&caller, id, &page(None, 20, false)).await.unwrap();
    let data = list["data"].as_array().unwrap();
    assert_eq!(data.len(), 5);
    assert_eq!(data[1]["arguments"], "{\"a\":1}");
    assert_eq!(data[2]["output"], "5");
    assert_eq!(
        (&data[3]["id"], &data[3]["encrypted_content"]),
        (&json!("rs_1"), &json!("kijun1.AAAA"))
    );
    assert_eq!(data[4]["anything"], json!({"goes": true}));
    for item in data {
        assert!(item["id"].as_str().is_some_and(|id| !id.is_empty()), "{item}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_in_openais_words() {
    let (app, conversations) = start().await;
    let caller = app.caller();
    let made = conversations.create(&caller, b"").await.unwrap();
    let id = made["id"].as_str().unwrap();
    let many: Vec<Value> = (0..21).map(|_| message("x")).collect();
    let twice = json!({"type": "reasoning", "id": "rs_1", "summary": []});
    for (asked, param, code) in [
        (json!({}), Some("items"), Some("missing_required_parameter")),
        (json!({"items": 5}), Some("items"), Some("invalid_type")),
        (json!({"items": []}), Some("items"), Some("empty_array")),
        (json!({"items": many}), Some("items"), Some("array_above_max_length")),
        (json!({"items": [message("x")], "more": 1}), Some("more"), Some("unknown_parameter")),
        (json!({"items": [twice, twice]}), Some("items"), None),
        (json!({"items": [{"type": "item_reference", "id": "msg_1"}]}), Some("items[0]"), None),
        (
            json!({"items": [{"type": "reasoning", "id": "a\u{0}b", "summary": []}]}),
            Some("items[0].id"),
            None,
        ),
    ] {
        let refused = conversations.create_items(&caller, id, &body(&asked)).await.unwrap_err();
        let error = refused.error();
        assert_eq!(refused.status(), 400, "{asked}");
        assert_eq!((error.param.as_deref(), error.code.as_deref()), (param, code), "{asked}");
    }
    let list = conversations.list_items(&caller, id, &page(None, 20, true)).await.unwrap();
    assert_eq!(list["data"], json!([]), "all of a request's items are added, or none");
    let missing = conversations.update(&caller, id, b"{}").await.unwrap_err();
    assert_eq!(missing.error().param.as_deref(), Some("metadata"));
    let asked = json!({"items": [message("x")]});
    let unknown = conversations.create_items(&caller, "conv_x", &body(&asked)).await;
    assert_eq!(unknown.unwrap_err().status(), 404);
}

#[tokio::test]
async fn a_response_in_a_conversation_goes_on_with_its_items() {
    let (app, conversations) = start().await;
    let caller = app.caller();
    let asked = json!({"items": [message("sim: say \"from the conversation\"")]});
    let made = conversations.create(&caller, &body(&asked)).await.unwrap();
    let id = made["id"].as_str().unwrap();
    app.whole(json!({"model": "kijun-sim", "input": "Hello", "conversation": id})).await;
    let list = conversations.list_items(&caller, id, &page(None, 20, false)).await.unwrap();
    let roles: Vec<&str> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["user", "user", "assistant"]);
    assert_eq!(texts(&list)[1], "Hello");
}

#[tokio::test]
async fn zero_data_retention_has_no_conversations() {
    let (app, conversations) = start().await;
    let made = conversations.create(&app.caller(), b"").await.unwrap();
    let id = made["id"].as_str().unwrap();
    let setting = RetentionSetting { kind: RetentionType::ZeroDataRetention, days: None };
    app.store.retention_put(&app.scope, setting).await.unwrap();
    app.gateway.refresh().await.unwrap();
    let caller = app.caller();
    let items = body(&json!({"items": [message("x")]}));
    for refused in [
        conversations.create(&caller, b"").await,
        conversations.update(&caller, id, br#"{"metadata":{}}"#).await,
        conversations.create_items(&caller, id, &items).await,
    ] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.status(), 403);
        assert_eq!(refused.error().code.as_deref(), Some("zero_data_retention"));
    }
    // What was there before can still be read, and deleted.
    assert!(conversations.retrieve(&caller, id).await.is_ok());
    assert!(conversations.delete(&caller, id).await.is_ok());
}
