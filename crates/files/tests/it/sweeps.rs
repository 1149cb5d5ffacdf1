//! What crashes leave behind goes, and nothing else does.

use std::fs;
use std::time::Duration;

use files::{FilesError, Swept};
use kernel::SystemRng;
use store::Store;

use crate::bench::{Bench, noise, open};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn blobs_without_a_row_go_after_a_day() {
    let bench = Bench::start().await;
    let file = bench.write(b"hello").await;
    // A crash between the blob and its row.
    let orphan = bench.folder.path().join("ab/ab000000000000000000000000000000");
    fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    fs::write(&orphan, "sealed").unwrap();
    let other = bench.folder.path().join("ab/README");
    fs::write(&other, "not ours").unwrap();

    assert_eq!(bench.files.sweep().await.unwrap(), Swept::default());
    assert!(orphan.exists(), "its row may be on its way");
    bench.clock.advance(DAY + Duration::from_secs(60));
    assert_eq!(bench.files.sweep().await.unwrap(), Swept { drafts: 0, orphans: 1 });
    assert!(!orphan.exists() && other.exists());
    assert!(bench.files.open(&bench.owner.scope(), &file.id).await.is_ok());
    assert_eq!(bench.blobs().len(), 2, "the file's blob and what is not ours");
}

#[tokio::test]
async fn drafts_of_the_dead_go_and_those_of_the_living_stay() {
    let bench = Bench::start().await;
    let mut living = bench.files.writer(&bench.owner).await.unwrap();
    living.write(&noise(2_000_000)).await.unwrap();
    let dead = bench.folder.path().join("drafts/ab000000000000000000000000000000");
    fs::write(&dead, "half").unwrap();
    assert_eq!(bench.files.sweep().await.unwrap(), Swept { drafts: 1, orphans: 0 });
    assert!(!dead.exists());
    living.finish(crate::bench::new_file("living")).await.unwrap();
}

#[tokio::test]
async fn a_wrong_database_empties_no_blob_store() {
    let bench = Bench::start().await;
    bench.write(b"hello").await;
    bench.files.sweep().await.unwrap();
    let other =
        Store::in_memory(bench.clock.clone(), std::sync::Arc::new(SystemRng)).await.unwrap();
    let wrong = open(&bench.folder, &other, &bench.clock);
    bench.clock.advance(2 * DAY);
    assert!(matches!(wrong.sweep().await, Err(FilesError::ForeignBlobs)));
    assert_eq!(bench.blobs().len(), 1);
    assert_eq!(bench.files.sweep().await.unwrap(), Swept::default());
}
