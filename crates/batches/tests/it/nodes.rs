//! Several nodes on one database, some of which die.

use std::collections::HashSet;
use std::time::Duration;

use kernel::Operation;
use store::BatchStatus;

use crate::app::{Place, assert_answers, chat, chats};

const LEASE: Duration = Duration::from_secs(4);

#[tokio::test]
async fn a_batch_goes_on_where_a_dead_node_left_it() {
    let place = Place::new().await;
    let slow: String = (1..=200)
        .map(|n| chat(&format!("line-{n}"), &format!("sim: delay 5ms\nsim: say Answer {n}.")))
        .collect();
    let first = place.node().await;
    let id = first.create(Operation::ChatCompletions, &slow).await.id;
    first.until(&id, |batch| batch.counts.completed >= 20).await;
    first.die().await;
    place.clock.advance(LEASE);

    let second = place.node().await;
    let begun = second.get(&id).await.counts.completed;
    assert!(begun < 200);
    second.until(&id, |batch| batch.counts.completed >= begun + 20).await;
    second.die().await;
    place.clock.advance(LEASE);

    let third = place.node().await;
    let batch = third.over(&id).await;
    assert_eq!(batch.status, BatchStatus::Completed);
    assert_eq!((batch.counts.completed, batch.counts.failed), (200, 0));
    assert_answers(&third.output(&batch).await, 200);
}

#[tokio::test]
async fn two_nodes_share_the_lines_of_a_batch() {
    let place = Place::new().await;
    let (one, two) = (place.node().await, place.node().await);
    let slow: String = (1..=300)
        .map(|n| chat(&format!("line-{n}"), &format!("sim: delay 20ms\nsim: say Answer {n}.")))
        .collect();
    let id = one.create(Operation::ChatCompletions, &slow).await.id;
    let batch = one.over(&id).await;
    assert_eq!((batch.counts.completed, batch.counts.failed), (300, 0));
    assert_answers(&two.output(&batch).await, 300);
    let records = place.records(&[&one, &two]).await;
    assert_eq!(records.len(), 300, "every line was asked once");
    let ids: HashSet<_> = records.iter().map(|record| &record.id).collect();
    assert_eq!(ids.len(), 300);
    let by_one = one.gateway.settler();
    assert_eq!(by_one.under_way(), 0);
}

#[tokio::test]
async fn a_node_that_stops_hands_over_at_once() {
    let place = Place::new().await;
    let first = place.node().await;
    let slow: String = (1..=200)
        .map(|n| chat(&format!("line-{n}"), &format!("sim: delay 10ms\nsim: say Answer {n}.")))
        .collect();
    let id = first.create(Operation::ChatCompletions, &slow).await.id;
    first.until(&id, |batch| batch.counts.completed >= 20).await;
    first.stop().await;
    // No lease has to run out: the clock stands still.
    let second = place.node().await;
    let batch = second.over(&id).await;
    assert_answers(&second.output(&batch).await, 200);
    assert_eq!(batch.counts.completed, 200);
}

#[tokio::test]
async fn a_batch_waits_for_a_node() {
    let place = Place::new().await;
    let mut node = place.idle_node(batches::BatchesConfig::default()).await;
    let id = node.create(Operation::ChatCompletions, &chats(3)).await.id;
    assert_eq!(node.get(&id).await.status, BatchStatus::Validating);
    node.begin();
    let batch = node.over(&id).await;
    assert_answers(&node.output(&batch).await, 3);
}

#[tokio::test]
async fn a_line_that_is_answered_again_after_a_crash_leaves_one_record() {
    let place = Place::new().await;
    let first = place.node().await;
    let id = first.create(Operation::ChatCompletions, &chats(40)).await.id;
    first.until(&id, |batch| batch.status != BatchStatus::Validating).await;
    // Killed somewhere: lines may have been answered whose answers were not written.
    let records = place.records(&[&first]).await.len();
    first.die().await;
    place.clock.advance(LEASE);
    let second = place.node().await;
    let batch = second.over(&id).await;
    assert_answers(&second.output(&batch).await, 40);
    let records = place.records(&[&second]).await.len().max(records);
    assert_eq!(records, 40);
}

#[tokio::test]
async fn files_that_a_dead_node_made_are_not_made_twice() {
    let place = Place::new().await;
    let node = place.idle_node(batches::BatchesConfig::default()).await;
    let made = node.create(Operation::ChatCompletions, &chats(2)).await;
    // What a node leaves that dies between the making of the file and its note in the batch.
    let digits = made.id.as_str().strip_prefix("batch_").unwrap();
    let file = kernel::FileId::from(format!("file-{}0", &digits[..digits.len() - 1]));
    let owner = files::Owner {
        organization: made.organization.clone(),
        project: made.project.clone(),
        key: made.api_key.clone(),
        retention: kernel::Retention::default(),
    };
    let mut left = node.files.writer(&owner).await.unwrap();
    left.write(b"{\"custom_id\":\"left\"}\n").await.unwrap();
    let new = files::NewFile {
        filename: "left.jsonl".to_owned(),
        purpose: store::FilePurpose::BatchOutput,
        expires_after: None,
    };
    left.finish_as(file.clone(), new).await.unwrap();

    let mut node = node;
    node.begin();
    let batch = node.over(&made.id).await;
    assert_eq!(batch.output_file, Some(file));
    assert_eq!(node.output(&batch).await[0]["custom_id"], "left");
}
