//! How the awkward upstream behaves, by the name of the model.

use std::io;

use super::peer::{Peer, chunk};

/// How many bytes the large tool call's arguments have: a JSON text of one long string.
pub const LARGE_ARGUMENTS: usize = 1024 * 1024;

/// The answer with unknown fields, byte for byte: its order, its spaces and its numbers are not
/// those that a JSON library would write.
pub const UNKNOWN_FIELDS_ANSWER: &str = r#"{ "zeta":1.50, "id":"chatcmpl-1","object":"chat.completion","created":1,"model":"unknown-fields","choices":[{"index":0,"message":{"role":"assistant","content":"h\u00e9","mood":"blue"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8,"joules":1e2} }"#;

/// An event with unknown fields, byte for byte.
pub const UNKNOWN_FIELDS_EVENT: &str = r#"data: { "zeta":1.50, "id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"unknown-fields","choices":[{"index":0,"delta":{"role":"assistant","content":"h\u00e9","mood":"blue"},"finish_reason":"stop"}] }"#;

/// What the upstream's text is where nothing else is said: two, three and four bytes to a
/// character among it.
const TEXT: &str = "héllo 日本 🎌";

const STREAM_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const WHOLE_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
const DONE: &str = "data: [DONE]\n\n";
const ERROR_EVENT: &str = "data: {\"error\":{\"message\":\"the engine fell over\",\"type\":\"server_error\",\"param\":null,\"code\":\"engine\"}}\n\n";

macro_rules! behaviours {
    ($($(#[$doc:meta])* $name:ident = $model:literal),+ $(,)?) => {
        /// How the upstream behaves.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Behaviour {
            $($(#[$doc])* $name),+
        }

        impl Behaviour {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The model that behaves so.
            pub const fn model(self) -> &'static str {
                match self {
                    $(Self::$name => $model),+
                }
            }
        }
    };
}

behaviours! {
    /// As it should be: 3 input and 5 output tokens.
    Ok = "ok",
    /// No usage, whatever is asked for.
    MissingUsage = "missing-usage",
    /// One byte at a time, so that every character of more than one is cut.
    SplitUtf8 = "split-utf8",
    /// Comments, `event:` lines and empty lines between the events.
    SseComments = "sse-comments",
    /// 429 with `retry-after: 7`.
    RateLimited = "rate-limited",
    /// Half an answer, then a reset.
    ResetMidStream = "reset-mid-stream",
    /// Fields that nobody knows, in an unusual layout.
    UnknownFields = "unknown-fields",
    /// A tool call with [`LARGE_ARGUMENTS`] bytes of arguments.
    BigToolArgs = "big-tool-args",
    /// An answer without end.
    NeverEnding = "never-ending",
    /// No answer.
    Hang = "hang",
    /// 500 with a text that is no JSON.
    ServerError = "server-error",
    /// A finished stream without `[DONE]`.
    NoDone = "no-done",
    /// An error told inside the stream, and `[DONE]` all the same.
    ErrorInStream = "error-in-stream",
    /// A last event without its blank line, and no `[DONE]`.
    NoLastBlank = "no-last-blank",
    /// A stream that goes on after `[DONE]`.
    AfterDone = "after-done",
}

impl Behaviour {
    /// The behaviour of this model.
    pub fn named(model: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|behaviour| behaviour.model() == model)
    }
}

/// Plays one answer. `None`: the connection is over. An error: the client hung up first.
pub(super) async fn play(
    behaviour: Behaviour,
    streamed: bool,
    peer: Peer,
) -> io::Result<Option<Peer>> {
    match (behaviour, streamed) {
        (Behaviour::RateLimited, _) => rate_limited(peer).await,
        (Behaviour::ServerError, _) => server_error(peer).await,
        (Behaviour::Hang, _) => hang(peer).await,
        (Behaviour::ResetMidStream, _) => reset(streamed, peer).await,
        (Behaviour::NeverEnding, _) => never_ending(streamed, peer).await,
        (Behaviour::AfterDone, true) => after_done(peer).await,
        (Behaviour::SplitUtf8, false) => {
            let answer = whole(TEXT, USAGE);
            in_pieces(WHOLE_HEAD, answer.as_bytes().chunks(1), peer).await
        }
        (Behaviour::SplitUtf8, true) => {
            let events = stream(&[TEXT], true).concat() + DONE;
            in_pieces(STREAM_HEAD, events.as_bytes().chunks(1), peer).await
        }
        (_, false) => send_whole(behaviour, peer).await,
        (_, true) => send_events(behaviour, peer).await,
    }
}

pub(super) async fn unknown_model(mut peer: Peer) -> io::Result<Option<Peer>> {
    let body = br#"{"error":{"message":"no such model","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#;
    peer.answer("404 Not Found", "", body).await?;
    Ok(Some(peer))
}

async fn send_whole(behaviour: Behaviour, mut peer: Peer) -> io::Result<Option<Peer>> {
    let answer = match behaviour {
        Behaviour::MissingUsage => whole(TEXT, ""),
        Behaviour::UnknownFields => UNKNOWN_FIELDS_ANSWER.to_owned(),
        Behaviour::BigToolArgs => big_tool_call(),
        _ => whole(TEXT, USAGE),
    };
    peer.answer("200 OK", "x-request-id: upstream-1\r\n", answer.as_bytes()).await?;
    Ok(Some(peer))
}

async fn send_events(behaviour: Behaviour, peer: Peer) -> io::Result<Option<Peer>> {
    let mut events = match behaviour {
        Behaviour::MissingUsage | Behaviour::NoDone => stream(&[TEXT], false),
        Behaviour::ErrorInStream => vec![delta("a"), ERROR_EVENT.to_owned()],
        Behaviour::NoLastBlank => {
            let mut events = stream(&[TEXT], false);
            if let Some(last) = events.last_mut() {
                last.truncate(last.trim_end().len());
            }
            events
        }
        Behaviour::UnknownFields => vec![format!("{UNKNOWN_FIELDS_EVENT}\n\n"), usage_event()],
        Behaviour::BigToolArgs => vec![big_tool_event(), finish_event(), usage_event()],
        Behaviour::SseComments => {
            let commented = |event: String| format!(": thinking\n\nevent: chunk\n{event}\n");
            stream(&["a", "b"], true).into_iter().map(commented).collect()
        }
        _ => stream(&["a", "b", "c"], true),
    };
    if !matches!(behaviour, Behaviour::NoDone | Behaviour::NoLastBlank) {
        events.push(DONE.to_owned());
    }
    in_pieces(STREAM_HEAD, events.iter().map(String::as_bytes), peer).await
}

async fn after_done(mut peer: Peer) -> io::Result<Option<Peer>> {
    let events = stream(&["a"], true).concat() + DONE;
    peer.send(STREAM_HEAD).await?;
    peer.chunk(events.as_bytes()).await?;
    peer.send_for_ever(&chunk(b": still here\n\n")).await?;
    Ok(None)
}

async fn in_pieces<'a>(
    head: &[u8],
    pieces: impl Iterator<Item = &'a [u8]>,
    mut peer: Peer,
) -> io::Result<Option<Peer>> {
    peer.send(head).await?;
    for piece in pieces {
        peer.chunk(piece).await?;
        // Each piece on its own, as far as the operating system lets it.
        tokio::task::yield_now().await;
    }
    peer.send(b"0\r\n\r\n").await?;
    Ok(Some(peer))
}

async fn rate_limited(mut peer: Peer) -> io::Result<Option<Peer>> {
    let body = br#"{"error":{"message":"slow down","type":"requests","param":null,"code":"rate_limit_exceeded","hint":"later"}}"#;
    peer.answer("429 Too Many Requests", "retry-after: 7\r\n", body).await?;
    Ok(Some(peer))
}

async fn server_error(mut peer: Peer) -> io::Result<Option<Peer>> {
    peer.answer("500 Internal Server Error", "", b"boom").await?;
    Ok(Some(peer))
}

async fn hang(mut peer: Peer) -> io::Result<Option<Peer>> {
    loop {
        peer.more().await?;
    }
}

async fn reset(streamed: bool, mut peer: Peer) -> io::Result<Option<Peer>> {
    if streamed {
        peer.send(STREAM_HEAD).await?;
        peer.chunk(delta("half").as_bytes()).await?;
    } else {
        peer.send(WHOLE_HEAD).await?;
        peer.chunk(b"{\"id\":\"chatcmpl-1\",").await?;
    }
    peer.reset()?;
    Ok(None)
}

async fn never_ending(streamed: bool, mut peer: Peer) -> io::Result<Option<Peer>> {
    if streamed {
        peer.send(STREAM_HEAD).await?;
        peer.send_for_ever(&chunk(delta("more ").as_bytes())).await?;
    } else {
        peer.send(WHOLE_HEAD).await?;
        peer.send_for_ever(&chunk(&[b' '; 4096])).await?;
    }
    Ok(None)
}

const USAGE: &str = r#","usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}"#;

fn whole(text: &str, usage: &str) -> String {
    format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}]{usage}}}"#
    )
}

/// The events of a stream: a text each, the finish, and the usage.
fn stream(texts: &[&str], usage: bool) -> Vec<String> {
    let mut events: Vec<String> = texts.iter().map(|text| delta(text)).collect();
    events.push(finish_event());
    events.extend(usage.then(usage_event));
    events
}

fn delta(text: &str) -> String {
    event(&format!(
        r#""choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}]"#
    ))
}

fn finish_event() -> String {
    event(r#""choices":[{"index":0,"delta":{},"finish_reason":"stop"}]"#)
}

fn usage_event() -> String {
    event(&format!(r#""choices":[]{USAGE}"#))
}

fn event(fields: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",{fields}}}\n\n"
    )
}

fn big_arguments() -> String {
    let frame = r#"{\"text\":\"\"}"#;
    // The escapes are in the JSON text only.
    let shell = frame.len() - frame.matches('\\').count();
    format!(r#"{{\"text\":\"{}\"}}"#, "x".repeat(LARGE_ARGUMENTS - shell))
}

fn big_tool_call() -> String {
    let arguments = big_arguments();
    format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":null,"tool_calls":[{{"id":"call_1","type":"function","function":{{"name":"store","arguments":"{arguments}"}}}}]}},"finish_reason":"tool_calls"}}]{USAGE}}}"#
    )
}

fn big_tool_event() -> String {
    let arguments = big_arguments();
    event(&format!(
        r#""choices":[{{"index":0,"delta":{{"tool_calls":[{{"index":0,"id":"call_1","type":"function","function":{{"name":"store","arguments":"{arguments}"}}}}]}},"finish_reason":null}}]"#
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn what_is_sent_is_json() {
        for text in [whole(TEXT, USAGE), whole(TEXT, ""), UNKNOWN_FIELDS_ANSWER.to_owned()] {
            serde_json::from_str::<Value>(&text).unwrap();
        }
        let answer: Value = serde_json::from_str(&big_tool_call()).unwrap();
        let arguments = &answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"];
        assert_eq!(arguments.as_str().unwrap().len(), LARGE_ARGUMENTS);
        serde_json::from_str::<Value>(arguments.as_str().unwrap()).unwrap();
    }

    #[test]
    fn every_behaviour_has_a_model_of_its_own() {
        for behaviour in Behaviour::ALL {
            assert_eq!(Behaviour::named(behaviour.model()), Some(*behaviour));
        }
        assert_eq!(Behaviour::named("gpt"), None);
    }
}
