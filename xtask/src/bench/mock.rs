//! The benchmark's upstream: a fast server that answers chat completions from memory, on one
//! thread. A call that asks for it is never finished, and its hang-up is reported on standard
//! output.

use std::io::{Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::Error;
use crate::harness::http::Connection;

/// Where to listen.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// The port on 127.0.0.1.
    #[arg(long)]
    port: u16,
}

/// How long the answer is that comes whole.
const WHOLE: usize = 1035;
/// How many events a stream has, `[DONE]` included.
pub(super) const EVENTS: usize = 53;
/// In a request: the answer never ends.
pub(super) const HOLD: &str = "hold until hang-up";
/// On standard output: such a call has arrived, or its caller has gone.
pub(super) const HOLDING: &str = "holding";
pub(super) const HUNG_UP: &str = "hung up";

/// Answers until standard input ends, so that it does not outlive what started it.
///
/// # Errors
/// [`Error`] when the port is taken.
pub fn run(options: &Options) -> Result<bool, Error> {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::io("start the runtime"))?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", options.port))
            .await
            .map_err(Error::io(format!("listen on port {}", options.port)))?;
        serve(listener, Arc::new(Answers::new()), report).await
    })
}

/// Tells whoever started this process.
fn report(event: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{event}").and_then(|()| out.flush());
}

async fn serve(
    listener: TcpListener,
    answers: Arc<Answers>,
    report: fn(&str),
) -> Result<bool, Error> {
    loop {
        let (stream, _) = listener.accept().await.map_err(Error::io("accept"))?;
        let answers = Arc::clone(&answers);
        // A connection that breaks is the other side's story.
        tokio::spawn(async move { answer_all(stream, &answers, report).await });
    }
}

async fn answer_all(stream: TcpStream, answers: &Answers, report: fn(&str)) -> std::io::Result<()> {
    let mut connection = Connection::new(stream)?;
    while let Some(head) = connection.head().await? {
        let body = connection.body(&head).await?;
        let has = |word: &str| memchr::memmem::find(&body, word.as_bytes()).is_some();
        let streams = has("\"stream\":true") || has("\"stream\": true");
        let (whole, events) = match head.second_word() {
            b"/v1/chat/completions" => (&answers.whole, &answers.events),
            b"/v1/models" => (&answers.models, &answers.events),
            _ => (&answers.missing, &answers.events),
        };
        if has(HOLD) {
            if streams {
                for event in events.iter().take(3) {
                    connection.write(event).await?;
                }
            }
            report(HOLDING);
            connection.gone().await;
            report(HUNG_UP);
            return Ok(());
        }
        if streams {
            for event in events {
                connection.write(event).await?;
            }
        } else {
            connection.write(whole).await?;
        }
        if head.closes {
            return Ok(());
        }
    }
    Ok(())
}

/// Every answer, ready to be written.
struct Answers {
    whole: Bytes,
    /// One piece per event; the head goes with the first, the end of the body with the last.
    events: Vec<Bytes>,
    models: Bytes,
    missing: Bytes,
}

impl Answers {
    fn new() -> Self {
        let models = json!({"object": "list", "data": [
            {"id": "bench", "object": "model", "created": 1, "owned_by": "xtask"},
        ]});
        let missing = json!({"error": {
            "message": "The mock has no such path.", "type": "invalid_request_error",
            "param": null, "code": null,
        }});
        Self {
            whole: whole("200 OK", &completion()),
            events: events(),
            models: whole("200 OK", &models.to_string()),
            missing: whole("404 Not Found", &missing.to_string()),
        }
    }
}

fn whole(status: &str, body: &str) -> Bytes {
    let length = body.len();
    Bytes::from(format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n\
         {body}"
    ))
}

fn completion() -> String {
    let with = |content: String| {
        json!({
            "id": "chatcmpl-bench", "object": "chat.completion", "created": 1, "model": "bench",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": null},
                "logprobs": null, "finish_reason": "stop",
            }],
            "usage": usage(), "system_fingerprint": "fp_bench",
        })
        .to_string()
    };
    let rest = with(String::new()).len();
    with("The quick brown fox. ".chars().cycle().take(WHOLE.saturating_sub(rest)).collect())
}

fn events() -> Vec<Bytes> {
    let chunk = |choices: serde_json::Value, usage: Option<serde_json::Value>| {
        json!({
            "id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1,
            "model": "bench", "system_fingerprint": "fp_bench", "choices": choices, "usage": usage,
        })
    };
    let part = |delta: serde_json::Value, finish: Option<&str>| {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        chunk(json!([choice]), None)
    };
    let mut events = vec![part(json!({"role": "assistant", "content": ""}), None)];
    events.resize_with(EVENTS - 3, || part(json!({"content": " token"}), None));
    events.extend([part(json!({}), Some("stop")), chunk(json!([]), Some(usage()))]);

    let done = "data: [DONE]\n\n".to_owned();
    let texts = events.iter().map(|event| format!("data: {event}\n\n")).chain([done]);
    let mut pieces: Vec<String> =
        texts.map(|text| format!("{:x}\r\n{text}\r\n", text.len())).collect();
    // nginx buffers answers as a rule; this header is how an upstream tells it not to.
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-accel-buffering: no\r\n\
                transfer-encoding: chunked\r\n\r\n";
    if let Some(first) = pieces.first_mut() {
        first.insert_str(0, head);
    }
    if let Some(last) = pieces.last_mut() {
        last.push_str("0\r\n\r\n");
    }
    pieces.into_iter().map(Bytes::from).collect()
}

fn usage() -> serde_json::Value {
    json!({"prompt_tokens": 12, "completion_tokens": 50, "total_tokens": 62})
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A mock on a free port, inside the test's runtime.
    pub(crate) async fn started() -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(serve(listener, Arc::new(Answers::new()), |_| ()));
        port
    }

    #[test]
    fn the_whole_answer_has_its_length() {
        assert_eq!(completion().len(), WHOLE);
    }

    #[test]
    fn a_stream_has_its_events_and_ends_with_usage() {
        let events = events();
        assert_eq!(events.len(), EVENTS);
        let text = |at: usize| String::from_utf8(events[at].to_vec()).unwrap();
        assert!(text(EVENTS - 1).contains("data: [DONE]\n\n\r\n0\r\n\r\n"));
        assert!(text(EVENTS - 2).contains("\"total_tokens\":62"));
    }

    #[tokio::test]
    async fn a_held_call_ends_when_its_caller_goes() {
        static SAID: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let caller = TcpStream::connect(address).await.unwrap();
        let (callee, _) = listener.accept().await.unwrap();
        let mut caller = Connection::new(caller).unwrap();
        let body = format!("{{\"content\":\"{HOLD}\"}}");
        let length = body.len();
        caller
            .write(
                format!(
                    "POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {length}\r\n\r\n{body}"
                )
                .as_bytes(),
            )
            .await
            .unwrap();
        drop(caller);
        answer_all(callee, &Answers::new(), |said| SAID.lock().unwrap().push(said.to_owned()))
            .await
            .unwrap();
        assert_eq!(*SAID.lock().unwrap(), [HOLDING, HUNG_UP]);
    }
}
