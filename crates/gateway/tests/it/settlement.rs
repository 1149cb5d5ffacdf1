//! Every admitted call leaves exactly one record, however it ends.

use futures_util::FutureExt as _;
use gateway::{Refusal, ReplyBody};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt as _;
use kernel::Outcome;
use kernel::limit::{Limit, LimitMeasure, LimitScope};

use crate::app::{TestGateway, alias, chat_body, text};

async fn app() -> TestGateway {
    TestGateway::new(vec![alias("m", &[("a", 1)], &[])]).await
}

fn streamed(message: &str) -> serde_json::Value {
    let mut body = chat_body("m", message);
    body["stream"] = true.into();
    body
}

#[tokio::test]
async fn a_stream_is_recorded_as_its_provider_reports_it() {
    let app = app().await;
    let whole = text(app.chat("m", "Hello").await.unwrap()).await;
    let stream = text(app.ask(streamed("Hello"), HeaderMap::new()).await.unwrap()).await;
    assert!(whole.contains("\"usage\""));
    assert!(!stream.contains("\"usage\""), "the client did not ask: {stream}");
    assert!(stream.ends_with("data: [DONE]\n\n"), "{stream}");
    let records = app.records().await;
    assert_eq!(records[0].usage, records[1].usage);
    assert!(!records[1].usage.estimated && records[1].stream);
    assert!(records[1].first_byte_us.unwrap() <= records[1].duration_us);
}

#[tokio::test]
async fn a_client_that_asks_sees_the_usage() {
    let app = app().await;
    let mut body = streamed("Hello");
    body["stream_options"] = serde_json::json!({"include_usage": true});
    let stream = text(app.ask(body, HeaderMap::new()).await.unwrap()).await;
    assert!(stream.contains("\"prompt_tokens\""), "{stream}");
}

#[tokio::test]
async fn what_no_provider_reports_is_counted_here() {
    let app = app().await;
    let message = "sim: usage none\nsim: say \"one two three four\"";
    text(app.chat("m", message).await.unwrap()).await;
    text(app.ask(streamed(message), HeaderMap::new()).await.unwrap()).await;
    let records = app.records().await;
    assert!(records.iter().all(|record| record.usage.estimated));
    assert_eq!(records[0].usage, records[1].usage, "a stream counts like a whole answer");
    assert_eq!(records[0].usage.output, 4);
    assert!(records[0].usage.input > 0);
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_what_it_used() {
    let app = app().await;
    let reply = app.ask(streamed("sim: tokens 50\nsim: pace 1s"), HeaderMap::new()).await.unwrap();
    let ReplyBody::Stream(mut stream) = reply.body else { panic!("a stream") };
    for _ in 0..2 {
        stream.frame().await.unwrap().unwrap();
    }
    assert_eq!(app.gateway.settler().under_way(), 1);
    drop(stream);
    let record = app.only_record().await;
    assert_eq!((record.outcome, record.status), (Outcome::ClientClosed, 499));
    assert!(record.usage.estimated && record.usage.input > 0);
    assert_eq!(app.gateway.settler().under_way(), 0);
}

#[tokio::test]
async fn a_call_that_is_cancelled_before_its_answer_leaves_its_record() {
    let app = app().await;
    assert!(app.chat("m", "sim: delay 60s").now_or_never().is_none());
    let record = app.only_record().await;
    assert_eq!((record.outcome, record.attempts), (Outcome::ClientClosed, 1));
    assert!(record.usage.input > 0);
}

#[tokio::test]
async fn a_provider_that_breaks_off_is_told_to_the_client() {
    let app = app().await;
    let stream =
        text(app.ask(streamed("sim: break after=3"), HeaderMap::new()).await.unwrap()).await;
    assert!(stream.contains("upstream_connection_lost"), "{stream}");
    assert!(!stream.contains("[DONE]"));
    assert_eq!(app.only_record().await.outcome, Outcome::UpstreamBroken);
}

#[tokio::test]
async fn an_idempotency_key_answers_again_without_another_record() {
    let app = app().await;
    let mut headers = HeaderMap::new();
    headers.insert("idempotency-key", HeaderValue::from_static("one"));
    for body in [chat_body("m", "Hello"), streamed("Hello")] {
        headers
            .insert("idempotency-key", HeaderValue::from_str(&body["stream"].to_string()).unwrap());
        let first = text(app.ask(body.clone(), headers.clone()).await.unwrap()).await;
        let second = app.ask(body, headers.clone()).await.unwrap();
        assert!(second.replayed);
        assert_eq!(text(second).await, first);
    }
    let reused = app.ask(chat_body("m", "Other"), headers).await;
    assert!(matches!(reused, Err(Refusal::IdempotencyMismatch)));
    assert_eq!(app.records().await.len(), 2);
}

#[tokio::test]
async fn a_failed_call_may_be_sent_again_with_its_key() {
    let app = app().await;
    let mut headers = HeaderMap::new();
    headers.insert("idempotency-key", HeaderValue::from_static("one"));
    assert!(app.ask(chat_body("m", "sim: fail 400"), headers.clone()).await.is_err());
    assert!(app.ask(chat_body("m", "Hello"), headers).await.is_ok());
}

#[tokio::test]
async fn a_limit_refuses_without_a_record_and_names_itself() {
    let limit = Limit {
        id: "limit_1".into(),
        scope: LimitScope::Key,
        subject: None,
        model: None,
        measure: LimitMeasure::RequestsPerMinute,
        amount: 2,
    };
    let app = TestGateway::with_limits(vec![alias("m", &[("a", 1)], &[])], vec![limit]).await;
    app.chat("m", "Hello").await.unwrap();
    app.chat("m", "Hello").await.unwrap();
    let Err(refusal) = app.chat("m", "Hello").await else { panic!("an answer") };
    assert_eq!(refusal.status(), 429);
    assert!(refusal.to_string().contains("requests_per_minute"), "{refusal}");
    assert_eq!(app.records().await.len(), 2);
}

#[tokio::test]
async fn places_are_given_back_when_answers_end() {
    let limit = Limit {
        id: "limit_1".into(),
        scope: LimitScope::Key,
        subject: None,
        model: None,
        measure: LimitMeasure::ConcurrentCalls,
        amount: 1,
    };
    let app = TestGateway::with_limits(vec![alias("m", &[("a", 1)], &[])], vec![limit]).await;
    let open = app.ask(streamed("sim: tokens 5\nsim: pace 1s"), HeaderMap::new()).await.unwrap();
    assert!(matches!(app.chat("m", "Hello").await, Err(Refusal::Admission(_))));
    drop(open);
    assert!(app.chat("m", "Hello").await.is_ok());
}
