//! What the node keeps: stored chats, responses, files.

use std::time::Duration;

use serde_json::{Value, json};

use super::chats::body_with;
use crate::soak::client::{API_KEY, Answer, Client, Request};
use crate::soak::upstream::PLAIN;

/// How often a background response is asked for, and how many times.
const POLL: Duration = Duration::from_millis(100);
const POLLS: usize = 200;
/// A file's bytes: a few chunks of what is sealed at a time.
const FILE: usize = 200_000;

/// It stays, as most do: retention deletes it one day.
pub(super) async fn chat(client: &Client) -> Result<(), String> {
    let body = body_with(PLAIN, json!({"store": true, "metadata": {"purpose": "soak"}}));
    let made = super::chats::chat(client, &body).await?.with(&[200])?;
    let id = text(&made, "/id")?;
    read(client, &format!("/v1/chat/completions/{id}"), 200).await?;
    Ok(())
}

pub(super) async fn response(client: &Client) -> Result<(), String> {
    let ask = |previous: Value| json!({"model": PLAIN, "input": "Foxes.", "previous_response_id": previous});
    let first = create(client, &ask(Value::Null)).await?;
    let first = completed(&first)?;
    let second = create(client, &ask(json!(first))).await?;
    let second = completed(&second)?;
    for id in [second, first] {
        let path = format!("/v1/responses/{id}");
        completed(&read(client, &path, 200).await?)?;
        client.ask(Request::delete(&path)).await?.with(&[200])?;
        read(client, &path, 404).await?;
    }
    Ok(())
}

/// It stays.
pub(super) async fn response_stream(client: &Client) -> Result<(), String> {
    let answer =
        create(client, &json!({"model": PLAIN, "input": "Foxes.", "stream": true})).await?;
    match answer.count("event: response.completed") {
        1 => Ok(()),
        _ => Err(answer.but("expected `response.completed`")),
    }
}

pub(super) async fn response_unstored(client: &Client) -> Result<(), String> {
    let made = create(client, &json!({"model": PLAIN, "input": "Foxes.", "store": false})).await?;
    let id = completed(&made)?;
    read(client, &format!("/v1/responses/{id}"), 404).await.map(|_| ())
}

/// It stays.
pub(super) async fn background(client: &Client) -> Result<(), String> {
    let made =
        create(client, &json!({"model": PLAIN, "input": "Foxes.", "background": true})).await?;
    let path = format!("/v1/responses/{}", text(&made, "/id")?);
    for _ in 0..POLLS {
        tokio::time::sleep(POLL).await;
        let answer = read(client, &path, 200).await?;
        if !matches!(text(&answer, "/status")?.as_str(), "queued" | "in_progress") {
            return completed(&answer).map(|_| ());
        }
    }
    Err("expected an end in 20 s".to_owned())
}

pub(super) async fn file(client: &Client, number: u64) -> Result<(), String> {
    let bytes: Vec<u8> = number.to_le_bytes().into_iter().cycle().take(FILE).collect();
    let mut form =
        b"--soak\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n\
                     --soak\r\ncontent-disposition: form-data; name=\"file\"; \
                     filename=\"soak.bin\"\r\n\r\n"
            .to_vec();
    form.extend_from_slice(&bytes);
    form.extend_from_slice(b"\r\n--soak--\r\n");
    let headers = "content-type: multipart/form-data; boundary=soak\r\n";
    let request = Request { method: "POST", path: "/v1/files", key: API_KEY, headers, body: &form };
    let made = client.ask(request).await?.with(&[200])?;
    let path = format!("/v1/files/{}", text(&made, "/id")?);
    let content = read(client, &format!("{path}/content"), 200).await?;
    if content.body != bytes {
        return Err(content.but("expected the bytes that were sent"));
    }
    client.ask(Request::delete(&path)).await?.with(&[200])?;
    read(client, &path, 404).await.map(|_| ())
}

async fn create(client: &Client, body: &Value) -> Result<Answer, String> {
    let body = body.to_string();
    client.ask(Request::post("/v1/responses", body.as_bytes())).await?.with(&[200])
}

async fn read(client: &Client, path: &str, status: u16) -> Result<Answer, String> {
    client.ask(Request::get(path)).await?.with(&[status])
}

/// The id of a response that is completed.
fn completed(answer: &Answer) -> Result<String, String> {
    match text(answer, "/status")?.as_str() {
        "completed" => text(answer, "/id"),
        _ => Err(answer.but("expected a completed response")),
    }
}

fn text(answer: &Answer, pointer: &str) -> Result<String, String> {
    let body = answer.json()?;
    let text = body.pointer(pointer).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| answer.but(&format!("expected a text at {pointer}")))
}
