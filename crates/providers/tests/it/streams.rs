//! Event streams.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use http_body::Body;
use http_body_util::BodyExt;
use kernel::catalog::FailureClass;
use providers::StreamBreak;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::upstream::{STREAM_HEAD, chat, failure, openai, provider, read, spec, stream, upstream};

const EVENTS: &str = ": a comment\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"né €𝄞\"}}],\
                      \"unknown\":1.50}\r\n\r\nid: 7\ndata: {\"a\":\ndata: 1}\n\ndata: [DONE]\n\n";

#[tokio::test]
async fn events_pass_byte_for_byte_however_they_are_split() {
    for size in [1, 2, 3, 7, 1_000] {
        let address = upstream(move |_, mut peer| async move {
            let request = peer.request().await.unwrap();
            let asked: Value = serde_json::from_str(&request.body).unwrap();
            assert_eq!(asked["stream_options"]["include_usage"], true);
            peer.send(STREAM_HEAD).await;
            for piece in EVENTS.as_bytes().chunks(size) {
                peer.chunk(piece).await;
            }
            peer.chunk("").await;
        })
        .await;
        let mut events = stream(&*openai(address), chat(true)).await.unwrap();
        let (all, broken) = read(&mut events).await;
        assert_eq!((String::from_utf8(all).unwrap().as_str(), broken), (EVENTS, None), "{size}");
    }
}

#[tokio::test]
async fn an_event_is_not_held_back_for_the_next() {
    let (go, gate) = oneshot::channel::<()>();
    let gate = std::sync::Mutex::new(Some(gate));
    let address = upstream(move |_, mut peer| {
        let gate = gate.lock().unwrap().take().unwrap();
        async move {
            peer.request().await.unwrap();
            peer.send(STREAM_HEAD).await;
            peer.chunk("data: {\"n\":1}\n\n").await;
            gate.await.unwrap();
            peer.chunk("data: {\"n\":2}\n\n").await;
            peer.chunk("").await;
        }
    })
    .await;
    let mut events = stream(&*openai(address), chat(true)).await.unwrap();
    let first = events.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "data: {\"n\":1}\n\n");
    go.send(()).unwrap();
    assert_eq!(read(&mut events).await, (b"data: {\"n\":2}\n\n".to_vec(), None));
}

/// A waker that counts.
struct Counting(Arc<AtomicUsize>, Waker);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.1.wake_by_ref();
    }
}

#[tokio::test]
async fn events_that_come_together_go_on_together_and_wake_nobody_twice() {
    let (go, gate) = oneshot::channel::<()>();
    let gate = std::sync::Mutex::new(Some(gate));
    let address = upstream(move |_, mut peer| {
        let gate = gate.lock().unwrap().take().unwrap();
        async move {
            peer.request().await.unwrap();
            peer.send(STREAM_HEAD).await;
            gate.await.unwrap();
            let event = "data: {\"n\":1}\n\n";
            peer.send(format!("{:x}\r\n{event}\r\n", event.len()).repeat(50) + "0\r\n\r\n").await;
            peer.hung_up().await;
        }
    })
    .await;
    let mut spec = spec("openai", format!("http://{address}/v1"));
    spec.quirks = Some("openai".to_owned());
    let mut events = stream(&*provider(&spec), chat(true)).await.unwrap();
    let (wakes, mut go) = (Arc::new(AtomicUsize::new(0)), Some(go));
    let mut frame = events.frame();
    let first = std::future::poll_fn(|cx| {
        let counting = Waker::from(Arc::new(Counting(Arc::clone(&wakes), cx.waker().clone())));
        let outcome = Pin::new(&mut frame).poll(&mut Context::from_waker(&counting));
        go.take().map(|go| go.send(()));
        outcome
    });
    let first = first.await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first.len(), 50 * 15);
    // One for the socket; fifty would come from the connection waking its own task.
    let wakes = wakes.load(Ordering::Relaxed);
    assert!(wakes <= 3, "{wakes} wake-ups");
    assert!(events.is_end_stream());
}

#[tokio::test]
async fn a_stream_may_end_with_the_connection() {
    let address = upstream(|_, mut peer| async move {
        peer.request().await.unwrap();
        peer.send("HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n").await;
        peer.send("data: [DONE]\n\n").await;
    })
    .await;
    let mut events = stream(&*openai(address), chat(true)).await.unwrap();
    assert_eq!(read(&mut events).await, (b"data: 1\n\ndata: [DONE]\n\n".to_vec(), None));
}

#[tokio::test]
async fn a_lost_connection_breaks_the_stream_after_what_came() {
    for reset in [false, true] {
        let (got, came) = oneshot::channel::<()>();
        let came = std::sync::Mutex::new(Some(came));
        let address = upstream(move |_, mut peer| {
            let came = came.lock().unwrap().take().unwrap();
            async move {
                peer.request().await.unwrap();
                peer.send(STREAM_HEAD).await;
                peer.chunk("data: {\"n\":1}\n\n").await;
                came.await.unwrap();
                if reset {
                    peer.reset();
                }
            }
        })
        .await;
        let mut events = stream(&*openai(address), chat(true)).await.unwrap();
        let first = events.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "data: {\"n\":1}\n\n");
        got.send(()).unwrap();
        assert_eq!(read(&mut events).await, (Vec::new(), Some(StreamBreak::Lost)), "{reset}");
        assert!(events.frame().await.is_none());
    }
}

#[tokio::test]
async fn a_break_right_behind_data_does_not_swallow_it() {
    let address = upstream(|_, mut peer| async move {
        peer.request().await.unwrap();
        peer.send(format!("{STREAM_HEAD}9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\nnonsense\r\n"))
            .await;
        peer.hung_up().await;
    })
    .await;
    let mut events = stream(&*openai(address), chat(true)).await.unwrap();
    let (all, broken) = read(&mut events).await;
    assert_eq!((&all[..], broken), (&b"data: 1\n\ndata: 2\n\n"[..], Some(StreamBreak::Lost)));
}

#[tokio::test]
async fn a_client_that_hangs_up_is_felt_upstream() {
    let (gone, mut hung_up) = mpsc::unbounded_channel();
    let address = upstream(move |_, mut peer| {
        let gone = gone.clone();
        async move {
            peer.request().await.unwrap();
            peer.send(STREAM_HEAD).await;
            peer.chunk("data: {}\n\n").await;
            peer.hung_up().await;
            gone.send(()).unwrap();
        }
    })
    .await;
    let mut events = stream(&*openai(address), chat(true)).await.unwrap();
    events.frame().await.unwrap().unwrap();
    drop(events);
    hung_up.recv().await.unwrap();
}

#[tokio::test]
async fn reasoning_gets_its_second_name() {
    const PARTS: [&str; 3] = [
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\ndata: {\"choices\":[{\"del",
        "ta\":{\"reasoning_content\":\"h\\\"m €\"}}]}\n\nda",
        "ta: [DONE]\n\n",
    ];
    let address = upstream(|_, mut peer| async move {
        peer.request().await.unwrap();
        peer.send(STREAM_HEAD).await;
        for part in PARTS {
            peer.chunk(part).await;
        }
        peer.chunk("").await;
    })
    .await;
    let mut events = stream(&*openai(address), chat(true)).await.unwrap();
    let (all, broken) = read(&mut events).await;
    let expected =
        PARTS.concat().replace("\"h\\\"m €\"", "\"h\\\"m €\",\"reasoning\":\"h\\\"m €\"");
    assert_eq!((String::from_utf8(all).unwrap(), broken), (expected, None));
}

#[tokio::test]
async fn a_whole_answer_to_a_streamed_call_becomes_a_stream() {
    let address = upstream(|_, mut peer| async move {
        peer.request().await.unwrap();
        let body = r#"{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;
        peer.answer("200 OK", "", body).await;
    })
    .await;
    let mut events = stream(&*openai(address), chat(true)).await.unwrap();
    let (all, broken) = read(&mut events).await;
    let text = String::from_utf8(all).unwrap();
    assert!(text.contains(r#""delta":{"role":"assistant","content":"hi"}"#), "{text}");
    assert!(text.ends_with("data: [DONE]\n\n") && broken.is_none());
}

#[tokio::test]
async fn other_answers_to_a_streamed_call_are_failures() {
    for (kind, body) in [("application/json", "{\"ok\":true}"), ("text/html", "<html></html>")] {
        let address = upstream(move |_, mut peer| async move {
            peer.request().await.unwrap();
            let length = body.len();
            peer.send(format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
            ))
            .await;
        })
        .await;
        let failure = failure(&*openai(address), chat(true)).await;
        assert_eq!(failure.class, FailureClass::InvalidAnswer, "{kind}");
    }
}

#[tokio::test]
async fn servers_that_refuse_the_usage_option_are_not_asked() {
    let (seen, mut requests) = mpsc::unbounded_channel();
    let address = upstream(move |_, mut peer| {
        let seen = seen.clone();
        async move {
            seen.send(peer.request().await.unwrap().body).unwrap();
            peer.send(STREAM_HEAD).await;
            peer.chunk("data: [DONE]\n\n").await;
            peer.chunk("").await;
        }
    })
    .await;
    let mut spec = spec("openai", format!("http://{address}/v1"));
    spec.quirks = Some("mistral".to_owned());
    let mut events = stream(&*provider(&spec), chat(true)).await.unwrap();
    read(&mut events).await;
    assert!(!requests.recv().await.unwrap().contains("stream_options"));
}
