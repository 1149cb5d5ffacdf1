//! Which target answers, and what happens when one does not.

use std::collections::BTreeMap;

use gateway::Refusal;
use http::HeaderMap;
use kernel::Outcome;
use kernel::catalog::FailureClass;

use crate::app::{TestGateway, alias, chat_body};

#[tokio::test]
async fn a_failed_attempt_is_tried_at_the_other_target() {
    let app = TestGateway::new(vec![alias("m", &[("a", 1), ("b", 1)], &[])]).await;
    assert!(app.chat("m", "sim: fail 503 times=1").await.is_ok());
    let record = app.only_record().await;
    assert_eq!((record.attempts, record.outcome), (2, Outcome::Completed));
}

#[tokio::test]
async fn a_sole_target_is_tried_again() {
    let app = TestGateway::new(vec![alias("m", &[("a", 1)], &[])]).await;
    assert!(app.chat("m", "sim: fail 500 times=2").await.is_ok());
    assert_eq!(app.only_record().await.attempts, 3);
}

#[tokio::test]
async fn attempts_are_bounded_and_the_last_answer_is_the_clients() {
    let app = TestGateway::new(vec![alias("m", &[("a", 1), ("b", 1)], &[])]).await;
    let Err(refusal) = app.chat("m", "sim: fail 500").await else { panic!("an answer") };
    assert_eq!(refusal.status(), 500);
    let record = app.only_record().await;
    assert_eq!((record.attempts, record.status), (3, 500));
    assert_eq!((record.outcome, record.usage.total()), (Outcome::UpstreamError, 0));
}

#[tokio::test]
async fn the_callers_own_mistake_is_not_tried_again() {
    let app = TestGateway::new(vec![alias("m", &[("a", 1), ("b", 1)], &["other"])]).await;
    let Err(refusal) = app.chat("m", "sim: fail 400").await else { panic!("an answer") };
    assert_eq!(refusal.status(), 400);
    assert_eq!(app.only_record().await.attempts, 1);
}

#[tokio::test]
async fn a_rate_limit_is_handed_on_with_its_retry_after() {
    let app = TestGateway::new(vec![alias("m", &[("a", 1)], &[])]).await;
    let refused = app.chat("m", "sim: fail 429 retry-after=30").await;
    let Err(Refusal::Upstream(failure)) = refused else { panic!("an answer") };
    assert_eq!(failure.class, FailureClass::RateLimited);
    let said = failure.said.unwrap();
    assert_eq!((said.status.as_u16(), said.headers["retry-after"].to_str().unwrap()), (429, "30"));
    assert_eq!(app.only_record().await.attempts, 1);
}

#[tokio::test]
async fn a_fallback_answers_when_no_target_does() {
    let models = vec![alias("m", &[("a", 1)], &["other"]), alias("other", &[("b", 1)], &[])];
    let app = TestGateway::new(models).await;
    assert!(app.chat("m", "sim: fail 503 times=1").await.is_ok());
    let record = app.only_record().await;
    assert_eq!((record.model.as_str(), record.upstream_model.as_str()), ("m", "b"));
}

#[tokio::test]
async fn fallbacks_that_point_at_each_other_end() {
    let models = vec![alias("m", &[("a", 1)], &["n"]), alias("n", &[("b", 1)], &["m"])];
    let app = TestGateway::new(models).await;
    assert!(app.chat("m", "sim: fail 503").await.is_err());
    assert!(app.only_record().await.attempts <= 3);
}

#[tokio::test]
async fn a_fallback_may_be_for_some_failures_only() {
    let mut model = alias("m", &[("a", 1)], &["other"]);
    model.fallbacks[0].on = vec![FailureClass::ContextLength];
    let app = TestGateway::new(vec![model, alias("other", &[("b", 1)], &[])]).await;
    let too_long = "sim: fail 400 code=context_length_exceeded times=1";
    assert!(app.chat("m", too_long).await.is_ok());
    assert!(app.chat("m", "sim: fail 503").await.is_err());
    let records = app.records().await;
    assert_eq!(
        (records[0].upstream_model.as_str(), records[1].upstream_model.as_str()),
        ("b", "a")
    );
}

#[tokio::test]
async fn weights_share_the_calls_and_weight_0_waits() {
    let app = TestGateway::new(vec![alias("m", &[("a", 3), ("b", 0)], &[])]).await;
    for _ in 0..30 {
        app.chat("m", "Hello").await.unwrap();
    }
    assert!(app.records().await.iter().all(|record| record.upstream_model == "a"));
    app.chat("m", "sim: fail 503 times=1").await.unwrap();
    assert_eq!(app.records().await.last().unwrap().upstream_model, "b");
}

#[tokio::test]
async fn one_prompt_cache_key_stays_at_one_target() {
    let app = TestGateway::new(vec![alias("m", &[("a", 1), ("b", 1)], &[])]).await;
    for key in 0..20 {
        for _ in 0..3 {
            let mut body = chat_body("m", "Hello");
            body["prompt_cache_key"] = key.to_string().into();
            body["user"] = key.to_string().into();
            app.ask(body, HeaderMap::new()).await.unwrap();
        }
    }
    let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in app.records().await {
        by_key.entry(record.end_user.unwrap()).or_default().push(record.upstream_model);
    }
    for providers in by_key.values() {
        assert!(providers.iter().all(|provider| *provider == providers[0]), "{providers:?}");
    }
    let first: Vec<&String> = by_key.values().map(|providers| &providers[0]).collect();
    assert!(first.iter().any(|p| *p == "a") && first.iter().any(|p| *p == "b"), "keys are spread");
}

#[tokio::test]
async fn a_target_that_keeps_failing_is_left_alone() {
    let app = TestGateway::new(vec![alias("m", &[("a", 1)], &[])]).await;
    for _ in 0..20 {
        let _ = app.chat("m", "sim: fail 500").await;
    }
    let refused = app.chat("m", "Hello").await;
    assert!(matches!(refused, Err(Refusal::NoTarget { .. })), "the breaker is open");
    let record = app.records().await.pop().unwrap();
    assert_eq!((record.attempts, record.status), (0, 503));
}

#[tokio::test]
async fn a_fallback_for_errors_answers_while_the_target_rests_after_them() {
    let mut model = alias("m", &[("a", 1)], &["other"]);
    model.fallbacks[0].on = vec![FailureClass::ServerError];
    let app = TestGateway::new(vec![model, alias("other", &[("b", 1)], &[])]).await;
    for _ in 0..20 {
        // Only the first attempt fails, so that the fallback stays well.
        let _ = app.chat("m", "sim: fail 500 times=1").await;
    }
    app.chat("m", "Hello").await.unwrap();
    assert_eq!(app.records().await.pop().unwrap().upstream_model, "b");
}

#[tokio::test]
async fn a_provider_that_never_answers_times_out() {
    let app = TestGateway::new(vec![alias("m", &[("a", 1)], &[])]).await;
    let Err(refusal) = app.chat("m", "sim: hang").await else { panic!("an answer") };
    assert_eq!(refusal.status(), 504);
    assert_eq!(app.only_record().await.outcome, Outcome::TimedOut);
}

#[tokio::test]
async fn an_unknown_model_is_refused_without_a_record() {
    let app = TestGateway::new(vec![alias("m", &[("a", 1)], &[])]).await;
    let refused = app.chat("n", "Hello").await;
    assert!(matches!(refused, Err(Refusal::ModelNotFound { .. })));
    assert!(app.records().await.is_empty());
}
