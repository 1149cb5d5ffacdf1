//! What is said of a deletion, and when.

use aws_lc_rs::digest::{SHA256, digest};
use kernel::{Clock as _, RetentionType};
use retention::settings::Days;
use store::{ContentKind, NewDeletion, Pending, ResponseStatus};

use crate::bench::{Bench, DAY};

/// What `sort | sha256sum` says of these ids.
fn sha256sum(mut ids: Vec<String>) -> String {
    ids.sort();
    let text: String = ids.iter().map(|id| format!("{id}\n")).collect();
    let sum = digest(&SHA256, text.as_bytes());
    sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_proof_counts_what_went() {
    let bench = Bench::new().await;
    let (one, mut blobs) = bench.file(&bench.scope, None).await;
    let (two, more) = bench.file(&bench.scope, None).await;
    blobs.extend(more);
    let made = bench.clock.now();
    bench.clock.advance(DAY * 31);
    assert_eq!(bench.sweep().await.proven, 1);

    let deletions = bench.deletions().await;
    assert_eq!(deletions.len(), 1);
    let proof = &deletions[0];
    assert_eq!((proof.rows, proof.blobs, proof.bytes), (2, 4, 20));
    assert_eq!(proof.kind, ContentKind::File);
    assert_eq!(proof.cutoff, made.plus(DAY));
    assert_eq!(proof.started_at, bench.clock.now());
    assert_eq!(proof.proven_at, Some(bench.clock.now()));
    assert_eq!(Some(&proof.project), bench.scope.project.as_ref());
    assert_eq!(proof.digest, sha256sum(vec![one.to_string(), two.to_string()]));
    for blob in blobs {
        assert!(!bench.blob_path(&blob).exists());
    }
}

#[tokio::test]
async fn many_rows_go_in_bounded_deletions() {
    let bench = Bench::new().await;
    let mut ids = Vec::new();
    for _ in 0..1_100 {
        ids.push(bench.response(&bench.scope, ResponseStatus::Completed).await);
    }
    bench.clock.advance(DAY * 31);
    assert_eq!(bench.sweep().await.proven, 3);
    // Of one moment, they come in any order.
    let mut rows: Vec<u64> = bench.deletions().await.iter().map(|deletion| deletion.rows).collect();
    rows.sort_unstable();
    assert_eq!(rows, [100, 500, 500]);
    for id in ids {
        assert!(bench.store.response_get(&bench.scope, &id).await.is_err());
    }
}

#[tokio::test]
async fn what_does_not_go_is_not_proven_and_tried_again() {
    let bench = Bench::new().await;
    let (file, blobs) = bench.file(&bench.scope, None).await;
    // A folder that is not empty cannot be deleted as a file can.
    let stuck = bench.blob_path(&blobs[0]);
    std::fs::remove_file(&stuck).unwrap();
    std::fs::create_dir_all(stuck.join("more")).unwrap();
    bench.clock.advance(DAY * 31);
    for _ in 0..2 {
        let swept = bench.sweep().await;
        assert_eq!((swept.proven, swept.unproven), (0, 1));
        let deletions = bench.deletions().await;
        assert_eq!(deletions.len(), 1, "it is tried again, not told again");
        assert_eq!((deletions[0].blobs, deletions[0].proven_at), (2, None));
    }
    assert!(bench.store.file_get(&bench.scope, &file).await.is_err(), "its row is gone already");
    assert!(!bench.blob_path(&blobs[1]).exists(), "and so is what could go");

    std::fs::remove_dir_all(&stuck).unwrap();
    bench.clock.advance(DAY);
    assert_eq!(bench.sweep().await.proven, 1);
    assert_eq!(bench.deletions().await[0].proven_at, Some(bench.clock.now()));
}

#[tokio::test]
async fn what_cannot_go_keeps_nothing_else() {
    let bench = Bench::new().await;
    let (_, blobs) = bench.file(&bench.scope, None).await;
    std::fs::remove_file(bench.blob_path(&blobs[0])).unwrap();
    std::fs::create_dir_all(bench.blob_path(&blobs[0]).join("more")).unwrap();
    let other = bench.project().await;
    bench.some_of_each(&other).await;
    bench.clock.advance(DAY * 31);
    let swept = bench.sweep().await;
    assert_eq!((swept.proven, swept.unproven), (6, 1));
}

#[tokio::test]
async fn a_deletion_that_a_dead_node_began_is_finished() {
    let bench = Bench::new().await;
    let (file, blobs) = bench.file(&bench.scope, None).await;
    let new = NewDeletion {
        kind: ContentKind::File,
        cutoff: bench.clock.now(),
        bytes: 10,
        digest: sha256sum(vec![file.to_string()]),
        pending: Pending { ids: vec![file.to_string()], blobs: blobs.clone() },
    };
    let begun = bench.store.deletion_begin(&bench.scope, &new).await.unwrap();
    assert_eq!(bench.sweep().await.proven, 1);
    let deletions = bench.deletions().await;
    assert_eq!(deletions.len(), 1);
    assert_eq!(deletions[0].id, begun.id);
    assert!(deletions[0].proven_at.is_some());
    assert!(bench.store.file_get(&bench.scope, &file).await.is_err());
    for blob in blobs {
        assert!(!bench.blob_path(&blob).exists());
    }
}

#[tokio::test]
async fn a_blob_that_found_another_owner_is_left_to_it() {
    let bench = Bench::new().await;
    // The rows of a deletion are an upload's; its part became a file before they went.
    let (file, blobs) = bench.file(&bench.scope, None).await;
    let new = NewDeletion {
        kind: ContentKind::Upload,
        cutoff: bench.clock.now(),
        bytes: 10,
        digest: String::new(),
        pending: Pending { ids: vec!["upload_1".to_owned()], blobs: blobs.clone() },
    };
    bench.store.deletion_begin(&bench.scope, &new).await.unwrap();
    assert_eq!(bench.sweep().await.unproven, 1, "it is there, so nothing else is said");
    bench.store.file_get(&bench.scope, &file).await.unwrap();
    assert!(bench.blob_path(&blobs[0]).exists());
    bench.set(&bench.scope, RetentionType::ZeroDataRetention, Days::Same).await;
    bench.clock.advance(DAY);
    bench.sweep().await;
    assert_eq!(bench.sweep().await.unproven, 0);
    assert!(!bench.blob_path(&blobs[0]).exists());
}
