//! Batches under limits, and in front of providers that struggle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kernel::Operation;
use kernel::limit::{Limit, LimitMeasure, LimitScope};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use crate::app::{Place, assert_answers, chat, chats, line};

fn limit(measure: LimitMeasure, amount: u64) -> Limit {
    Limit {
        id: "limit_1".into(),
        scope: LimitScope::Project,
        subject: None,
        model: None,
        measure,
        amount,
    }
}

#[tokio::test]
async fn a_batch_waits_for_a_limit_and_fails_nothing() {
    let place = Place::with_limits(vec![limit(LimitMeasure::RequestsPerMinute, 10)]).await;
    let node = place.node().await;
    let id = node.create(Operation::ChatCompletions, &chats(14)).await.id;
    node.until(&id, |batch| batch.counts.completed >= 8).await;
    // Another minute's worth, and the batch finds it after its pause.
    place.clock.advance(Duration::from_secs(60));
    let batch = node.over(&id).await;
    assert_eq!((batch.counts.completed, batch.counts.failed), (14, 0));
    assert_answers(&node.output(&batch).await, 14);
    assert_eq!(place.records(&[&node]).await.len(), 14, "a refused line leaves no record");
}

#[tokio::test]
async fn a_limit_on_concurrent_calls_is_kept() {
    let place = Place::with_limits(vec![limit(LimitMeasure::ConcurrentCalls, 2)]).await;
    let node = place.node().await;
    let lines: String = (1..=12)
        .map(|n| chat(&format!("line-{n}"), &format!("sim: delay 5ms\nsim: say Answer {n}.")))
        .collect();
    let id = node.create(Operation::ChatCompletions, &lines).await.id;
    let batch = node.over(&id).await;
    assert_answers(&node.output(&batch).await, 12);
}

#[tokio::test]
async fn what_a_provider_refuses_for_now_is_asked_again() {
    let mut place = Place::new().await;
    let (url, asked) = struggling(7).await;
    place.upstream = Some(url);
    let node = place.node().await;
    let body = json!({"model": "upstream", "messages": [{"role": "user", "content": "x"}]});
    let lines: String =
        (1..=3).map(|n| line(&format!("line-{n}"), Operation::ChatCompletions, &body)).collect();
    let id = node.create(Operation::ChatCompletions, &lines).await.id;
    let batch = node.over(&id).await;
    assert_answers(&[node.output(&batch).await[0].clone()], 1);
    assert_eq!((batch.counts.completed, batch.counts.failed), (3, 0));
    assert_eq!(asked.load(Ordering::SeqCst), 10);
    let records = place.records(&[&node]).await;
    let attempts: u32 = records.iter().map(|record| record.attempts).sum();
    assert_eq!(attempts, 10, "every call has its record");
}

/// A server that refuses so many calls for a moment, and answers the others. Returns its base URL
/// and how often it was asked.
async fn struggling(refusals: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let mut tcp = BufReader::new(tcp);
            let mut request = String::new();
            tcp.read_line(&mut request).await.unwrap();
            // A health probe is no call.
            let call = request.starts_with("POST");
            let before = count.fetch_add(usize::from(call), Ordering::SeqCst);
            let mut length = 0;
            loop {
                let mut header = String::new();
                tcp.read_line(&mut header).await.unwrap();
                if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if header.trim().is_empty() {
                    break;
                }
            }
            tcp.read_exact(&mut vec![0; length]).await.unwrap();
            let (head, body) = match before < refusals {
                true => (
                    "429 Too Many Requests\r\nretry-after: 0.2",
                    json!({"error": {"message": "slower"}}),
                ),
                false => (
                    "200 OK",
                    json!({"object": "chat.completion", "choices": [{"index": 0,
                        "finish_reason": "stop",
                        "message": {"role": "assistant", "content": "Answer 1."}}]}),
                ),
            };
            let body = body.to_string();
            let answer = format!(
                "HTTP/1.1 {head}\r\ncontent-type: application/json\r\nconnection: close\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            );
            tcp.get_mut().write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, asked)
}

#[tokio::test]
async fn a_fault_is_not_asked_for_ever() {
    let place = Place::new().await;
    let node = place.node().await;
    let id = node.create(Operation::ChatCompletions, &chat("a", "sim: fail 500")).await.id;
    let batch = node.over(&id).await;
    assert_eq!(batch.counts.failed, 1);
    let errors = node.errors(&batch).await;
    assert_eq!(errors[0]["response"]["status_code"], 500);
}
