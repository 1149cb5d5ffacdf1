//! Wrong requests, and an upstream that fails.

use serde_json::json;

use super::chats::{answered, body, body_with, chat};
use crate::soak::client::{Answer, Client, Request};
use crate::soak::node::FALLING_BACK;
use crate::soak::upstream::{BROKEN, BUSY, CUT, FLAKY, PLAIN, RESET};

pub(super) async fn bad_json(client: &Client) -> Result<(), String> {
    let body = b"{\"model\": \"soak\", \"messages\": [";
    let answer = client.ask(Request::post("/v1/chat/completions", body)).await?;
    refused(&answer, &[400])
}

pub(super) async fn unknown_model(client: &Client) -> Result<(), String> {
    let answer = chat(client, &body("no-such-model")).await?;
    refused(&answer, &[404])?;
    expect(&answer, "model_not_found")
}

/// Another key every time, as from someone who guesses.
pub(super) async fn bad_key(client: &Client, number: u64) -> Result<(), String> {
    let key = format!("sk-guessed-{number:032}");
    let body = body(PLAIN).to_string();
    let request = Request::post("/v1/chat/completions", body.as_bytes()).with_key(&key);
    let answer = client.ask(request).await?;
    refused(&answer, &[401])?;
    expect(&answer, "invalid_api_key")
}

pub(super) async fn reset(client: &Client) -> Result<(), String> {
    refused(&chat(client, &body(RESET)).await?, &[502, 503])
}

pub(super) async fn busy(client: &Client) -> Result<(), String> {
    let answer = chat(client, &body(BUSY)).await?;
    refused(&answer, &[429])?;
    match answer.head.header("retry-after") {
        Some(_) => Ok(()),
        None => Err(answer.but("expected a retry-after")),
    }
}

pub(super) async fn broken(client: &Client) -> Result<(), String> {
    refused(&chat(client, &body(BROKEN)).await?, &[500, 503])
}

pub(super) async fn flaky(client: &Client) -> Result<(), String> {
    answered(&chat(client, &body(FLAKY)).await?)
}

pub(super) async fn fallen_back(client: &Client) -> Result<(), String> {
    answered(&chat(client, &body(FALLING_BACK)).await?)
}

pub(super) async fn cut(client: &Client) -> Result<(), String> {
    let more = json!({"stream": true, "stream_options": {"include_usage": true}});
    let answer = chat(client, &body_with(CUT, more)).await?.with(&[200])?;
    if answer.count("[DONE]") > 0 {
        return Err(answer.but("expected no [DONE]"));
    }
    expect(&answer, "upstream_connection_lost")
}

/// Whether it is a refusal with one of these statuses, in OpenAI's shape.
fn refused(answer: &Answer, statuses: &[u16]) -> Result<(), String> {
    let told = answer.json().is_ok_and(|body| body.pointer("/error/message").is_some());
    if told && statuses.contains(&answer.status) {
        return Ok(());
    }
    Err(answer.but(&format!("expected an error with {statuses:?}")))
}

fn expect(answer: &Answer, word: &str) -> Result<(), String> {
    if answer.count(word) == 1 {
        return Ok(());
    }
    Err(answer.but(&format!("expected `{word}`")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::upstream;

    #[tokio::test]
    async fn an_upstream_that_fails_is_seen_to_fail() {
        let client = Client::new(upstream::tests::started().await);
        broken(&client).await.unwrap();
        for (word, said) in [
            ("retry-after", busy(&client).await),
            ("expected an error with [401]", bad_key(&client, 1).await),
            ("reset", reset(&client).await),
            ("reset", cut(&client).await),
        ] {
            let error = said.expect_err(word);
            assert!(error.contains(word) || error.contains("expected an error"), "{error}");
        }
    }
}
