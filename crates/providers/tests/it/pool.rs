//! Connections that are used again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kernel::catalog::FailureClass;
use tokio::sync::mpsc;

use crate::upstream::{Peer, STREAM_HEAD, chat, failure, openai, read, stream, upstream, whole};

#[tokio::test]
async fn one_connection_serves_call_after_call() {
    let connections = Arc::new(AtomicUsize::new(0));
    let opened = Arc::clone(&connections);
    let address = upstream(move |_, mut peer| {
        opened.fetch_add(1, Ordering::Relaxed);
        async move {
            while let Some(request) = peer.request().await {
                if request.body.contains("\"stream\":true") {
                    peer.send(STREAM_HEAD).await;
                    peer.chunk("data: [DONE]\n\n").await;
                    peer.chunk("").await;
                } else {
                    peer.answer("200 OK", "", "{}").await;
                }
            }
        }
    })
    .await;
    let provider = openai(address);
    for _ in 0..5 {
        whole(&*provider, chat(false)).await.unwrap();
        let mut events = stream(&*provider, chat(true)).await.unwrap();
        assert_eq!(read(&mut events).await, (b"data: [DONE]\n\n".to_vec(), None));
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

/// Serves one call on each connection and then ends it in some way.
async fn one_call_each(end: fn(Peer) -> End) -> std::net::SocketAddr {
    upstream(move |number, mut peer| async move {
        peer.request().await.unwrap();
        peer.answer("200 OK", "", &format!("{{\"n\":{number}}}")).await;
        end(peer).await;
    })
    .await
}

type End = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

#[tokio::test]
async fn a_connection_that_dies_at_the_next_request_is_replaced() {
    // The server reads the second request and closes without a word.
    let address = one_call_each(|mut peer| {
        Box::pin(async move {
            peer.request().await;
        })
    })
    .await;
    let provider = openai(address);
    for number in 0..3 {
        let (_, text) = whole(&*provider, chat(false)).await.unwrap();
        assert_eq!(text, format!("{{\"n\":{number}}}"));
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let address = one_call_each(|peer| Box::pin(async move { drop(peer) })).await;
    let provider = openai(address);
    for number in 0..3 {
        let (_, text) = whole(&*provider, chat(false)).await.unwrap();
        assert_eq!(text, format!("{{\"n\":{number}}}"));
    }
}

#[tokio::test]
async fn a_request_that_was_heard_is_not_sent_twice() {
    let address = one_call_each(|mut peer| {
        Box::pin(async move {
            peer.request().await;
            peer.send("HTTP/1.1 20").await;
        })
    })
    .await;
    let provider = openai(address);
    whole(&*provider, chat(false)).await.unwrap();
    assert_eq!(failure(&*provider, chat(false)).await.class, FailureClass::Connection);
}

#[tokio::test]
async fn a_fresh_connection_that_dies_is_not_replaced() {
    let (seen, mut requests) = mpsc::unbounded_channel();
    let address = upstream(move |_, mut peer| {
        let seen = seen.clone();
        async move {
            peer.request().await.unwrap();
            seen.send(()).unwrap();
        }
    })
    .await;
    let provider = openai(address);
    assert_eq!(failure(&*provider, chat(false)).await.class, FailureClass::Connection);
    requests.recv().await.unwrap();
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn bytes_after_the_answer_spoil_the_connection() {
    let address = upstream(|number, mut peer| async move {
        peer.request().await.unwrap();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{{\"n\":{number}}}");
        peer.send(format!("{answer}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{{}}")).await;
        peer.hung_up().await;
    })
    .await;
    let provider = openai(address);
    for number in 0..2 {
        let (_, text) = whole(&*provider, chat(false)).await.unwrap();
        assert_eq!(text, format!("{{\"n\":{number}}}"), "answers are never mixed up");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_once_get_their_own_answers() {
    let address = upstream(|_, mut peer| async move {
        while let Some(request) = peer.request().await {
            let asked: serde_json::Value = serde_json::from_str(&request.body).unwrap();
            let body = serde_json::json!({"for": asked["user"]}).to_string();
            peer.answer("200 OK", "", &body).await;
        }
    })
    .await;
    let provider = openai(address);
    let calls = (0..200).map(|number| {
        let provider = Arc::clone(&provider);
        tokio::spawn(async move {
            let mut call = chat(false);
            let body = format!("{{\"model\":\"m\",\"messages\":[],\"user\":\"{number}\"}}");
            call.body = bytes::Bytes::from(body);
            let (_, text) = whole(&*provider, call).await.unwrap();
            assert_eq!(text, format!("{{\"for\":\"{number}\"}}"));
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
}
