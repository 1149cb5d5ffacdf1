//! Batches that do not come to their own end.

use std::time::Duration;

use batches::BatchError;
use kernel::{Operation, RetentionSetting, RetentionType};
use serde_json::{Value, json};
use store::BatchStatus;

use crate::app::{Place, chat, chats, custom_ids};

/// Lines of which the first are quick and the others hang.
fn hanging(quick: usize, count: usize) -> String {
    let line = |n| {
        let message = if n <= quick { "sim: say Yes." } else { "sim: hang" };
        chat(&format!("line-{n}"), message)
    };
    (1..=count).map(line).collect()
}

#[tokio::test]
async fn a_cancelled_batch_hands_over_what_it_has() {
    let place = Place::new().await;
    let node = place.node().await;
    let slow: String =
        (1..=400).map(|n| chat(&format!("line-{n}"), "sim: delay 30ms\nHello")).collect();
    let id = node.create(Operation::ChatCompletions, &slow).await.id;
    node.until(&id, |batch| batch.counts.completed >= 10).await;
    let scope = node.caller().scope();
    let cancelled = node.batches.cancel(&scope, &id).await.unwrap();
    assert_eq!(cancelled.status, BatchStatus::Cancelling);
    let batch = node.over(&id).await;
    assert_eq!(batch.status, BatchStatus::Cancelled);
    assert!(batch.cancelled_at.is_some() && batch.completed_at.is_none());
    let output = node.output(&batch).await;
    assert_eq!(output.len() as u64, batch.counts.completed);
    assert!((10..400).contains(&output.len()), "{}", output.len());
    assert_eq!(place.records(&[&node]).await.len(), output.len(), "what was asked was waited for");
    assert!(node.batches.cancel(&scope, &id).await.is_ok(), "once more changes nothing");

    let done = node.create(Operation::ChatCompletions, &chats(1)).await.id;
    node.over(&done).await;
    let refused = node.batches.cancel(&scope, &done).await.unwrap_err();
    assert_eq!(refused.to_string(), "Cannot cancel a batch with status 'completed'.");
    let refused = node.batches.cancel(&scope, &"batch_x".into()).await.unwrap_err();
    assert!(matches!(refused, BatchError::NotFound { .. }));
}

#[tokio::test]
async fn a_batch_is_cancelled_from_another_node() {
    let place = Place::new().await;
    let works = place.node().await;
    let asks = place.idle_node(batches::BatchesConfig::default()).await;
    let slow: String =
        (1..=2_000).map(|n| chat(&format!("line-{n}"), "sim: delay 30ms\nHello")).collect();
    let id = works.create(Operation::ChatCompletions, &slow).await.id;
    works.until(&id, |batch| batch.counts.completed >= 1).await;
    asks.batches.cancel(&asks.caller().scope(), &id).await.unwrap();
    let batch = works.over(&id).await;
    assert_eq!(batch.status, BatchStatus::Cancelled);
    assert!(batch.counts.completed < 2_000);
}

#[tokio::test]
async fn a_batch_is_cancelled_before_it_begins() {
    let place = Place::new().await;
    let mut node = place.idle_node(batches::BatchesConfig::default()).await;
    let id = node.create(Operation::ChatCompletions, &chats(3)).await.id;
    node.batches.cancel(&node.caller().scope(), &id).await.unwrap();
    node.begin();
    let batch = node.over(&id).await;
    assert_eq!((batch.status, batch.counts.total), (BatchStatus::Cancelled, 0));
    assert_eq!((batch.output_file, batch.error_file), (None, None));
}

#[tokio::test]
async fn lines_that_are_not_answered_in_time_say_so() {
    let place = Place::new().await;
    let mut node = place.idle_node(batches::BatchesConfig::default()).await;
    let id = node.create(Operation::ChatCompletions, &chats(70)).await.id;
    place.clock.advance(Duration::from_secs(24 * 60 * 60));
    node.begin();
    let batch = node.over(&id).await;
    assert_eq!(batch.status, BatchStatus::Expired);
    assert_eq!((batch.counts.completed, batch.counts.failed), (0, 70));
    assert!(batch.expired_at.is_some() && batch.completed_at.is_none());
    let errors = node.errors(&batch).await;
    assert_eq!(errors.len(), 70);
    assert_eq!(errors[0]["response"], Value::Null);
    assert_eq!(errors[0]["error"]["code"], json!("batch_expired"));
    assert!(place.records(&[&node]).await.is_empty());
}

#[tokio::test]
async fn a_deleted_input_file_cancels_the_batch() {
    let place = Place::new().await;
    let mut node = place.idle_node(batches::BatchesConfig::default()).await;
    let made = node.create(Operation::ChatCompletions, &chats(3)).await;
    node.files.delete(&made.scope(), &made.input_file).await.unwrap();
    node.begin();
    let batch = node.over(&made.id).await;
    assert_eq!(batch.status, BatchStatus::Failed, "it was gone before it was checked");
    assert!(batch.errors.unwrap().contains("file_not_found"));
}

#[tokio::test]
async fn a_revoked_key_asks_nothing_more() {
    let place = Place::new().await;
    let mut node = place.idle_node(batches::BatchesConfig::default()).await;
    let made = node.create(Operation::ChatCompletions, &chats(3)).await;
    let scope = made.scope();
    place.administration.api_key_revoke(&scope, &made.api_key).await.unwrap();
    node.gateway.refresh().await.unwrap();
    node.begin();
    let scope = made.scope();
    let batch = loop {
        let batch = place.store.batch_get(&scope, &made.id).await.unwrap();
        if batch.status == BatchStatus::Completed {
            break batch;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!((batch.counts.completed, batch.counts.failed), (0, 3));
    let reader = node.files.open(&scope, batch.error_file.as_ref().unwrap()).await.unwrap();
    let text = reader.read_range(0, reader.size()).await.unwrap();
    let first: Value =
        serde_json::from_slice(text.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    assert_eq!(first["response"]["status_code"], json!(401));
}

#[tokio::test]
async fn a_project_without_retention_has_no_batches() {
    let place = Place::new().await;
    let mut node = place.idle_node(batches::BatchesConfig::default()).await;
    let made = node.create(Operation::ChatCompletions, &hanging(5, 60)).await;
    node.begin();
    node.until(&made.id, |batch| batch.counts.completed >= 5).await;
    let zero = RetentionSetting { kind: RetentionType::ZeroDataRetention, days: None };
    place.store.retention_put(&made.scope(), zero).await.unwrap();
    node.gateway.refresh().await.unwrap();
    let input = made.input_file.clone();
    let refused = node.ask(crate::app::wanted(input, Operation::ChatCompletions)).await;
    assert!(matches!(refused, Err(BatchError::ZeroRetention)), "{refused:?}");
    let batch = node.over(&made.id).await;
    assert_eq!(batch.status, BatchStatus::Cancelled, "the one from before is ended");
    assert_eq!((batch.output_file, batch.error_file), (None, None), "and leaves nothing");
    let kept = place.store.batch_results(&made.scope(), &made.id, 0, 10).await.unwrap();
    assert!(kept.is_empty());
}

#[tokio::test]
async fn the_error_file_of_a_cancelled_batch_has_its_failures() {
    let place = Place::new().await;
    let node = place.node().await;
    let lines = format!("{}{}", chat("bad", "sim: fail 400"), hanging(0, 40));
    let id = node.create(Operation::ChatCompletions, &lines).await.id;
    node.until(&id, |batch| batch.counts.failed == 1).await;
    node.batches.cancel(&node.caller().scope(), &id).await.unwrap();
    let batch = node.over(&id).await;
    assert_eq!(batch.status, BatchStatus::Cancelled);
    assert_eq!(custom_ids(&node.errors(&batch).await), ["bad"]);
}
