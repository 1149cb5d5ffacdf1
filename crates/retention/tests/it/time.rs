//! What is past its time, and what is not.

use kernel::{Clock as _, RetentionType};
use retention::settings::Days;
use store::{ContentKind, ResponseStatus};

use crate::bench::{Bench, DAY, HOUR};

/// The kinds that live as long as the project keeps content.
const LASTING: [ContentKind; 6] = [
    ContentKind::Response,
    ContentKind::Conversation,
    ContentKind::ChatCompletion,
    ContentKind::Trace,
    ContentKind::File,
    ContentKind::Batch,
];

#[tokio::test]
async fn content_is_kept_for_thirty_days_and_no_longer() {
    let bench = Bench::new().await;
    bench.some_of_each(&bench.scope).await;
    bench.clock.advance(DAY * 29);
    assert_eq!(bench.sweep().await.proven, 0);
    assert!(bench.deletions().await.is_empty(), "nothing went, so nothing is said");
    for kind in LASTING {
        assert_eq!(bench.count(&bench.scope, kind).await, 1, "{kind:?}");
    }
    bench.clock.advance(DAY * 2);
    assert_eq!(bench.sweep().await.proven, 6);
    for kind in LASTING {
        assert_eq!(bench.count(&bench.scope, kind).await, 0, "{kind:?}");
    }
    let deletions = bench.deletions().await;
    for kind in LASTING {
        let of_kind = deletions.iter().filter(|deletion| deletion.kind == kind);
        let told: Vec<_> = of_kind.map(|deletion| (deletion.rows, deletion.proven_at)).collect();
        assert_eq!(told, [(1, Some(bench.clock.now()))], "{kind:?}");
    }
    assert_eq!(bench.sweep().await.proven, 0, "there is nothing left to do");
}

#[tokio::test]
async fn a_project_keeps_content_for_its_own_days() {
    let bench = Bench::new().await;
    let (brief, long) = (&bench.scope, &bench.project().await);
    bench.set(&bench.organization, RetentionType::ModifiedAbuseMonitoring, Days::Exactly(90)).await;
    bench.set(brief, RetentionType::None, Days::Exactly(7)).await;
    for scope in [brief, long] {
        bench.response(scope, ResponseStatus::Completed).await;
    }
    bench.clock.advance(DAY * 8);
    bench.sweep().await;
    assert_eq!(bench.count(brief, ContentKind::Response).await, 0);
    assert_eq!(bench.count(long, ContentKind::Response).await, 1);
    bench.clock.advance(DAY * 83);
    bench.sweep().await;
    assert_eq!(bench.count(long, ContentKind::Response).await, 0);
}

#[tokio::test]
async fn archived_projects_keep_content_no_longer_than_others() {
    let bench = Bench::new().await;
    let archived = bench.project().await;
    bench.response(&archived, ResponseStatus::Completed).await;
    let id = archived.project.clone().unwrap();
    bench.store.project_archive(&bench.organization, &id).await.unwrap();
    bench.clock.advance(DAY * 31);
    bench.sweep().await;
    assert_eq!(bench.count(&archived, ContentKind::Response).await, 0);
}

#[tokio::test]
async fn with_zero_data_retention_what_was_there_goes_at_once() {
    let bench = Bench::new().await;
    let other = bench.project().await;
    for scope in [&bench.scope, &other] {
        bench.some_of_each(scope).await;
    }
    bench.clock.advance(HOUR / 60);
    bench.set(&bench.scope, RetentionType::ZeroDataRetention, Days::Same).await;
    assert_eq!(bench.sweep().await.proven, 6);
    for kind in LASTING {
        assert_eq!(bench.count(&bench.scope, kind).await, 0, "{kind:?}");
        assert_eq!(bench.count(&other, kind).await, 1, "{kind:?}");
    }
}

#[tokio::test]
async fn what_is_not_finished_stays() {
    let bench = Bench::new().await;
    let queued = bench.response(&bench.scope, ResponseStatus::Queued).await;
    let running = bench.response(&bench.scope, ResponseStatus::InProgress).await;
    let batch = bench.unfinished_batch(&bench.scope).await;
    bench.clock.advance(DAY * 31);
    bench.sweep().await;
    let store = &bench.store;
    store.response_get(&bench.scope, &queued).await.unwrap();
    store.batch_get(&bench.scope, &batch).await.unwrap();
    let now = bench.clock.now();
    for id in [&queued, &running] {
        let end = ResponseStatus::Cancelled;
        assert!(store.response_finish(&bench.scope, id, end, Some(now), b"{}", &[]).await.unwrap());
    }
    bench.sweep().await;
    assert_eq!(bench.count(&bench.scope, ContentKind::Response).await, 0, "now it is over");
    assert!(store.response_events(&bench.scope, &running, None).await.is_err());
}

#[tokio::test]
async fn a_conversation_lives_from_its_last_change() {
    let bench = Bench::new().await;
    let id = bench.conversation(&bench.scope).await.into();
    bench.clock.advance(DAY * 20);
    bench.store.conversation_update(&bench.scope, &id, "{}").await.unwrap();
    bench.clock.advance(DAY * 20);
    bench.sweep().await;
    bench.store.conversation_get(&bench.scope, &id).await.unwrap();
    bench.clock.advance(DAY * 11);
    bench.sweep().await;
    assert!(bench.store.conversation_get(&bench.scope, &id).await.is_err());
}

#[tokio::test]
async fn files_and_uploads_may_have_a_time_of_their_own() {
    let bench = Bench::new().await;
    let soon = bench.clock.now().plus(HOUR * 2);
    let (_, brief) = bench.file(&bench.scope, Some(soon)).await;
    let (_, lasting) = bench.file(&bench.scope, None).await;
    let part = bench.upload(&bench.scope).await;
    bench.clock.advance(HOUR / 2);
    assert_eq!(bench.sweep().await.proven, 0);
    bench.clock.advance(HOUR);
    assert_eq!(bench.sweep().await.proven, 1, "an upload takes an hour at most");
    assert!(!bench.blobs.exists(&part).await.unwrap());
    bench.clock.advance(HOUR);
    assert_eq!(bench.sweep().await.proven, 1);
    for (blobs, there) in [(brief, false), (lasting, true)] {
        for blob in blobs {
            assert_eq!(bench.blobs.exists(&blob).await.unwrap(), there);
        }
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_told_and_nothing_is_lost() {
    let bench = Bench::new().await;
    bench.file(&bench.scope, None).await;
    bench.clock.advance(DAY * 31);
    bench.store.close().await;
    let swept = bench.sweeper.sweep().await;
    assert!(matches!(swept, Err(store::StoreError::Unavailable { .. })), "{swept:?}");
}
