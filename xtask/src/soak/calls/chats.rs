//! Chats and embeddings that end well, and clients that do not wait for the end.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::http::Connection;
use crate::soak::client::{Answer, Client, Request, said, status};
use crate::soak::upstream::{
    DIMENSIONS, ENDLESS, EVENTS, LARGE, LARGE_TEXT, PLAIN, SLOW, WIDE, WIDE_EVENTS,
};

const PATH: &str = "/v1/chat/completions";
/// How many events a client reads before it hangs up.
const UNTIL_HANG_UP: usize = 5;
/// How long a slow reader does nothing after each event.
const SLOWNESS: Duration = Duration::from_millis(10);

pub(super) async fn whole(client: &Client) -> Result<(), String> {
    answered(&chat(client, &body(PLAIN)).await?)
}

pub(super) async fn end_user(client: &Client, number: u64) -> Result<(), String> {
    let more = json!({
        "user": format!("user-{number}"),
        "safety_identifier": format!("person-{number}"),
        "metadata": {"call": number.to_string(), format!("key-{number}"): "value"},
    });
    answered(&chat(client, &body_with(PLAIN, more)).await?)
}

pub(super) async fn slow(client: &Client) -> Result<(), String> {
    answered(&chat(client, &body(SLOW)).await?)
}

pub(super) async fn stream(client: &Client) -> Result<(), String> {
    let answer = chat(client, &streamed(PLAIN)).await?.with(&[200])?;
    match (answer.count("data: "), answer.count("data: [DONE]")) {
        // The usage was not asked for, so its event is not there.
        (events, 1) if events == EVENTS - 1 => Ok(()),
        (events, _) => Err(answer.but(&format!("expected {EVENTS} events, not {events}"))),
    }
}

/// A large answer, so that the room for such answers is full soon, as it is after a day.
pub(super) async fn idempotent(client: &Client, number: u64) -> Result<(), String> {
    let body = body(LARGE).to_string();
    let headers = format!("content-type: application/json\r\nidempotency-key: soak-{number}\r\n");
    let request = Request { headers: &headers, ..Request::post(PATH, body.as_bytes()) };
    let first = client.ask(request).await?.with(&[200])?;
    let second = client.ask(request).await?.with(&[200])?;
    if second.head.header("idempotent-replayed").is_none() {
        return Err(second.but("expected a replayed answer"));
    }
    if first.body != second.body {
        return Err(second.but("expected the first answer again"));
    }
    Ok(())
}

pub(super) async fn large(client: &Client) -> Result<(), String> {
    let text: String = "A long story about foxes. ".chars().cycle().take(LARGE_TEXT).collect();
    let more = json!({"messages": [{"role": "user", "content": text}]});
    let answer = chat(client, &body_with(LARGE, more)).await?;
    answered(&answer)?;
    if answer.body.len() < LARGE_TEXT {
        return Err(answer.but("expected 300 kB"));
    }
    Ok(())
}

pub(super) async fn embedding(client: &Client) -> Result<(), String> {
    let body = json!({"model": PLAIN, "input": "Foxes.", "encoding_format": "float"}).to_string();
    let answer = client.ask(Request::post("/v1/embeddings", body.as_bytes())).await?;
    let answer = answer.with(&[200])?;
    let vector = answer.json()?;
    match vector.pointer("/data/0/embedding").and_then(Value::as_array) {
        Some(vector) if vector.len() == DIMENSIONS => Ok(()),
        _ => Err(answer.but("expected 256 numbers")),
    }
}

pub(super) async fn hang_up_in_stream(client: &Client) -> Result<(), String> {
    let mut connection = begin(client, ENDLESS, false).await?;
    for _ in 0..UNTIL_HANG_UP {
        connection.chunk().await.map_err(said)?.ok_or("the stream ended early")?;
    }
    Ok(())
}

pub(super) async fn hang_up_before(client: &Client) -> Result<(), String> {
    let body = body(SLOW).to_string();
    let mut connection = client.send(Request::post(PATH, body.as_bytes()), false).await?;
    match tokio::time::timeout(Duration::from_millis(200), connection.head()).await {
        Err(_) => Ok(()),
        Ok(_) => Err("the answer came before its time".to_owned()),
    }
}

pub(super) async fn slow_reader(client: &Client) -> Result<(), String> {
    let mut connection = begin(client, WIDE, true).await?;
    let mut events = 0;
    while let Some(chunk) = connection.chunk().await.map_err(said)? {
        events += memchr::memmem::find_iter(&chunk, "data: ").count();
        tokio::time::sleep(SLOWNESS).await;
    }
    // Without the event of the usage.
    if events + 1 != WIDE_EVENTS {
        return Err(format!("expected {WIDE_EVENTS} events, not {}", events + 1));
    }
    Ok(())
}

/// Begins a stream on a connection of its own, and reads its head.
async fn begin(client: &Client, model: &str, narrow: bool) -> Result<Connection, String> {
    let body = streamed(model).to_string();
    let mut connection = client.send(Request::post(PATH, body.as_bytes()), narrow).await?;
    let head = connection.head().await.map_err(said)?.ok_or("closed before the answer")?;
    match status(&head) {
        200 => Ok(connection),
        other => Err(format!("expected 200, but: {other}")),
    }
}

pub(super) async fn chat(client: &Client, body: &Value) -> Result<Answer, String> {
    client.ask(Request::post(PATH, body.to_string().as_bytes())).await
}

/// Whether it is a whole answer with its usage.
pub(super) fn answered(answer: &Answer) -> Result<(), String> {
    if answer.status == 200 && answer.count("\"total_tokens\"") == 1 {
        return Ok(());
    }
    Err(answer.but("expected 200 with usage"))
}

pub(super) fn body(model: &str) -> Value {
    json!({
        "model": model, "temperature": 0.5, "max_tokens": 64,
        "messages": [
            {"role": "system", "content": "You are brief."},
            {"role": "user", "content": "Say something about foxes."},
        ],
    })
}

pub(super) fn streamed(model: &str) -> Value {
    body_with(model, json!({"stream": true}))
}

/// A plain body with more fields, or others.
pub(super) fn body_with(model: &str, more: Value) -> Value {
    let mut body = body(model);
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::upstream;

    async fn client() -> Client {
        Client::new(upstream::tests::started().await)
    }

    #[tokio::test]
    async fn answers_of_the_upstream_itself_are_as_expected() {
        let client = client().await;
        whole(&client).await.unwrap();
        end_user(&client, 1).await.unwrap();
        large(&client).await.unwrap();
        embedding(&client).await.unwrap();
        hang_up_in_stream(&client).await.unwrap();
    }

    #[tokio::test]
    async fn a_stream_with_another_number_of_events_is_wrong() {
        // The upstream always tells its usage; the node takes out what was not asked for.
        let error = stream(&client().await).await.unwrap_err();
        assert!(error.starts_with("expected 53 events, not 53"), "{error}");
    }

    #[tokio::test]
    async fn an_answer_that_is_not_replayed_is_wrong() {
        let error = idempotent(&client().await, 1).await.unwrap_err();
        assert!(error.starts_with("expected a replayed answer, but: 200 "), "{error}");
    }
}
