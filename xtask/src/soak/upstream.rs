//! The provider behind the node: it answers from memory, as the model that is asked for would, and
//! some of its models are ill in one way each. A model of its own for each fault, so that what the
//! node remembers of a target (breaker, latency) is about that fault alone.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::http::Connection;

/// Every model of the upstream.
pub(super) const MODELS: &[&str] =
    &[PLAIN, LARGE, WIDE, ENDLESS, SLOW, CUT, RESET, BUSY, BROKEN, FLAKY];
/// Answers at once; its streams take a fifth of a second.
pub(super) const PLAIN: &str = "soak";
/// Its answers are hundreds of kilobytes.
pub(super) const LARGE: &str = "soak-large";
/// Its streams are more than the sockets of slow readers hold.
pub(super) const WIDE: &str = "soak-wide";
/// Its streams go on until the caller hangs up.
pub(super) const ENDLESS: &str = "soak-endless";
/// Begins after a second.
pub(super) const SLOW: &str = "soak-slow";
/// Its streams break off in the middle.
pub(super) const CUT: &str = "soak-cut";
/// Resets the connection instead of an answer.
pub(super) const RESET: &str = "soak-reset";
/// 429, and come back in an hour.
pub(super) const BUSY: &str = "soak-busy";
/// 500.
pub(super) const BROKEN: &str = "soak-broken";
/// 500 to the first attempt of every call.
pub(super) const FLAKY: &str = "soak-flaky";

/// How many events a plain stream has, `[DONE]` included.
pub(super) const EVENTS: usize = 53;
/// How many a wide one has, and how many bytes of text in each.
pub(super) const WIDE_EVENTS: usize = 259;
const WIDE_TEXT: usize = 16 * 1024;
/// The text of a large answer.
pub(super) const LARGE_TEXT: usize = 300_000;
/// How long an embedding is.
pub(super) const DIMENSIONS: usize = 256;

const PAUSE: Duration = Duration::from_millis(4);
const SLOWNESS: Duration = Duration::from_secs(1);
/// An endless stream that nobody hangs up ends after so many events after all.
const ENDLESS_EVENTS: usize = 2_000;

/// The part of a request that the answer depends on.
#[derive(Deserialize)]
struct Asked {
    model: String,
    #[serde(default)]
    stream: bool,
}

/// What the upstream remembers.
#[derive(Debug, Default)]
struct Memory {
    /// Calls whose first attempt it has refused.
    refused: Mutex<HashSet<Vec<u8>>>,
    /// Answers so far: each has an id of its own.
    answers: AtomicU64,
}

/// Answers for ever.
pub(super) async fn serve(listener: TcpListener) -> io::Result<()> {
    let memory = Arc::new(Memory::default());
    loop {
        let (stream, _) = listener.accept().await?;
        let memory = Arc::clone(&memory);
        // A connection that breaks is the other side's story.
        tokio::spawn(async move { answer_all(stream, &memory).await });
    }
}

async fn answer_all(stream: TcpStream, memory: &Memory) -> io::Result<()> {
    let mut connection = Connection::new(stream)?;
    while let Some(head) = connection.head().await? {
        let body = connection.body(&head).await?;
        let asked: Option<Asked> = serde_json::from_slice(&body).ok();
        match (head.second_word(), asked) {
            (b"/v1/models", _) => connection.write(&whole("200 OK", &models())).await?,
            (b"/v1/embeddings", Some(_)) => {
                connection.write(&whole("200 OK", &embeddings())).await?;
            }
            (b"/v1/chat/completions", Some(asked)) => {
                let call = head.header("x-request-id").unwrap_or_default();
                connection = match answer(connection, &asked, call, memory).await? {
                    Some(connection) => connection,
                    None => return Ok(()),
                };
            }
            _ => connection.write(&failure("404 Not Found", "There is nothing here.")).await?,
        }
        if head.closes {
            return Ok(());
        }
    }
    Ok(())
}

/// Answers a chat; `None` where the connection ended with it.
async fn answer(
    mut connection: Connection,
    asked: &Asked,
    call: &[u8],
    memory: &Memory,
) -> io::Result<Option<Connection>> {
    match asked.model.as_str() {
        RESET => return connection.reset().map(|()| None),
        BUSY => {
            let answer = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 3600\r\n\
                           content-length: 0\r\n\r\n";
            connection.write(answer).await?;
        }
        BROKEN => connection.write(&failure("500 Internal Server Error", "Broken.")).await?,
        FLAKY if memory.is_new(call) => {
            connection.write(&failure("500 Internal Server Error", "Once more.")).await?;
        }
        model => {
            if model == SLOW {
                tokio::time::sleep(SLOWNESS).await;
            }
            if asked.stream {
                return stream(connection, model).await;
            }
            let text = if model == LARGE { LARGE_TEXT } else { 700 };
            let number = memory.answers.fetch_add(1, Ordering::Relaxed);
            connection.write(&whole("200 OK", &completion(number, model, text))).await?;
        }
    }
    Ok(Some(connection))
}

async fn stream(mut connection: Connection, model: &str) -> io::Result<Option<Connection>> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                transfer-encoding: chunked\r\n\r\n";
    connection.write(head.as_bytes()).await?;
    let (events, text) = match model {
        WIDE => (WIDE_EVENTS, "wide ".repeat(WIDE_TEXT / 5)),
        ENDLESS => (ENDLESS_EVENTS, " token".to_owned()),
        _ => (EVENTS, " token".to_owned()),
    };
    let part = event(model, &part(&json!({"role": "assistant", "content": text}), None), None);
    for number in 0..events - 3 {
        if model == CUT && number == EVENTS / 2 {
            return connection.reset().map(|()| None);
        }
        connection.write(part.as_bytes()).await?;
        if model != WIDE {
            tokio::time::sleep(PAUSE).await;
        }
    }
    let last = event(model, &self::part(&json!({}), Some("stop")), None);
    let usage = event(model, &json!([]), Some(&usage()));
    let end = format!("{last}{usage}{}0\r\n\r\n", chunk("data: [DONE]\n\n"));
    connection.write(end.as_bytes()).await?;
    Ok(Some(connection))
}

impl Memory {
    /// Whether this is the first time; the second time it is forgotten again.
    fn is_new(&self, call: &[u8]) -> bool {
        let mut seen = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = seen.insert(call.to_vec());
        if !is_new {
            seen.remove(call);
        }
        is_new
    }
}

fn whole(status: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n\
         {body}"
    )
    .into_bytes()
}

fn failure(status: &str, message: &str) -> Vec<u8> {
    let error = json!({"message": message, "type": "server_error", "param": null, "code": null});
    whole(status, &json!({"error": error}))
}

fn models() -> Value {
    let model = |id: &&str| json!({"id": id, "object": "model", "created": 1, "owned_by": "xtask"});
    json!({"object": "list", "data": MODELS.iter().map(model).collect::<Vec<_>>()})
}

fn embeddings() -> Value {
    let vector: Vec<f64> = (0..DIMENSIONS).map(|at| at as f64 / DIMENSIONS as f64).collect();
    json!({
        "object": "list", "model": PLAIN,
        "data": [{"object": "embedding", "index": 0, "embedding": vector}],
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    })
}

fn completion(number: u64, model: &str, length: usize) -> Value {
    let text: String = "The quick brown fox. ".chars().cycle().take(length).collect();
    json!({
        "id": format!("chatcmpl-soak-{number}"), "object": "chat.completion", "created": 1,
        "model": model, "choices": [{
            "index": 0, "message": {"role": "assistant", "content": text, "refusal": null},
            "logprobs": null, "finish_reason": "stop",
        }],
        "usage": usage(),
    })
}

fn part(delta: &Value, finish: Option<&str>) -> Value {
    json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}])
}

fn event(model: &str, choices: &Value, usage: Option<&Value>) -> String {
    let event = json!({
        "id": "chatcmpl-soak", "object": "chat.completion.chunk", "created": 1, "model": model,
        "choices": choices, "usage": usage,
    });
    chunk(&format!("data: {event}\n\n"))
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

fn usage() -> Value {
    json!({"prompt_tokens": 12, "completion_tokens": 50, "total_tokens": 62})
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An upstream on a free port, inside the test's runtime.
    pub(crate) async fn started() -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(serve(listener));
        port
    }

    #[test]
    fn a_flaky_call_is_refused_once() {
        let memory = Memory::default();
        assert!(memory.is_new(b"a") && memory.is_new(b"b"));
        assert!(!memory.is_new(b"a") && !memory.is_new(b"b"));
        assert!(memory.refused.lock().unwrap().is_empty());
    }

    #[test]
    fn a_large_answer_is_large() {
        assert!(completion(1, LARGE, LARGE_TEXT).to_string().len() > LARGE_TEXT);
    }
}
