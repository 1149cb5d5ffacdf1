//! Each step of a call has its time. The limits here are short and real; only the outcome counts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kernel::catalog::{FailureClass, Timeouts};
use providers::{Provider, StreamBreak};

use crate::upstream::{STREAM_HEAD, chat, failure, provider, read, spec, stream, upstream};

fn impatient(address: SocketAddr, timeouts: Timeouts) -> Arc<dyn Provider> {
    let mut spec = spec("openai", format!("http://{address}/v1"));
    spec.timeouts = timeouts;
    provider(&spec)
}

#[tokio::test]
async fn silence_before_the_first_byte() {
    let address = upstream(|_, mut peer| async move {
        peer.request().await.unwrap();
        peer.hung_up().await;
    })
    .await;
    let provider = impatient(address, Timeouts { first_byte_ms: 40, ..Timeouts::default() });
    let failure = failure(&*provider, chat(false)).await;
    assert_eq!(failure.class, FailureClass::Timeout);
    assert!(failure.message.contains("first-byte"), "{failure}");
}

#[tokio::test]
async fn silence_in_the_middle() {
    let address = upstream(|_, mut peer| async move {
        peer.request().await.unwrap();
        peer.send(STREAM_HEAD).await;
        peer.chunk("data: {}\n\n").await;
        peer.hung_up().await;
    })
    .await;
    let provider = impatient(address, Timeouts { idle_ms: 100, ..Timeouts::default() });
    let mut events = stream(&*provider, chat(true)).await.unwrap();
    let expected = (b"data: {}\n\n".to_vec(), Some(StreamBreak::Idle));
    assert_eq!(read(&mut events).await, expected);
    let failure = failure(&*provider, chat(false)).await;
    assert_eq!(failure.class, FailureClass::Timeout);
}

#[tokio::test]
async fn a_stream_that_never_ends() {
    let address = upstream(|_, mut peer| async move {
        peer.request().await.unwrap();
        peer.send(STREAM_HEAD).await;
        while peer.chunk("data: {}\n\n").await {}
    })
    .await;
    let provider = impatient(address, Timeouts::default());
    let mut call = chat(true);
    call.deadline = Duration::from_millis(300);
    let mut events = stream(&*provider, call).await.unwrap();
    assert_eq!(read(&mut events).await.1, Some(StreamBreak::Deadline));
}

#[tokio::test]
async fn the_deadline_ends_a_silence_in_the_middle() {
    let address = upstream(|_, mut peer| async move {
        peer.request().await.unwrap();
        peer.send(STREAM_HEAD).await;
        peer.chunk("data: {}\n\n").await;
        peer.hung_up().await;
    })
    .await;
    let mut call = chat(true);
    call.deadline = Duration::from_millis(300);
    let provider = impatient(address, Timeouts::default());
    let mut events = stream(&*provider, call).await.unwrap();
    assert_eq!(read(&mut events).await.1, Some(StreamBreak::Deadline));
}

#[tokio::test]
async fn the_deadline_ends_the_wait_for_the_first_byte() {
    let address = upstream(|_, mut peer| async move {
        peer.request().await.unwrap();
        peer.hung_up().await;
    })
    .await;
    let mut call = chat(false);
    call.deadline = Duration::from_millis(40);
    let failure = failure(&*impatient(address, Timeouts::default()), call).await;
    assert_eq!(failure.class, FailureClass::Timeout);
    assert!(failure.message.contains("deadline"), "{failure}");
}

#[tokio::test]
async fn a_server_that_takes_the_connection_but_no_tls() {
    let address = upstream(|_, peer| peer.hung_up()).await;
    let mut spec = spec("openai", format!("https://{address}/v1"));
    spec.timeouts.connect_ms = 80;
    let failure = failure(&*provider(&spec), chat(false)).await;
    assert_eq!(failure.class, FailureClass::Timeout);
    assert!(failure.message.contains("connect"), "{failure}");
}
