//! Deletions: written down before, proven after, seen by their own organisation alone.

use std::time::Duration;

use kernel::Timestamp;
use store::{ContentKind, Deletion, NewDeletion, Page, Pending, StoreError};

use crate::bench::{Bench, Tenant, store_suite};

store_suite!(
    a_deletion_is_unproven_until_it_is_proven,
    deletions_are_listed_newest_first_in_their_scope_alone,
);

fn new(ids: &[&str], blobs: &[&str]) -> NewDeletion {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    NewDeletion {
        kind: ContentKind::File,
        cutoff: Timestamp::from_secs(1_700_000_000),
        bytes: 5,
        digest: "d1".repeat(32),
        pending: Pending { ids: owned(ids), blobs: owned(blobs) },
    }
}

async fn list(bench: &Bench, tenant: &Tenant) -> Vec<Deletion> {
    bench.store.deletion_list(&tenant.project_scope(), &Page::default()).await.unwrap().data
}

async fn a_deletion_is_unproven_until_it_is_proven(bench: &Bench) {
    let (store, tenant) = (&bench.store, bench.tenant("Acme").await);
    let scope = tenant.project_scope();
    let whole = store.deletion_begin(&tenant.scope, &new(&["file-1"], &[])).await;
    assert!(matches!(whole, Err(StoreError::Invalid { .. })), "it is a project's");

    let written = new(&["file-1", "file-2"], &["b1", "b2", "b3"]);
    let begun = store.deletion_begin(&scope, &written).await.unwrap();
    assert_eq!((begun.rows, begun.blobs, begun.bytes, begun.proven_at), (2, 3, 5, None));
    let unproven = store.deletion_unproven(None, 10).await.unwrap();
    assert_eq!(unproven, [(begun.clone(), written.pending)]);
    assert!(store.deletion_unproven(Some(&begun.id), 10).await.unwrap().is_empty());
    assert_eq!(list(bench, &tenant).await, std::slice::from_ref(&begun));

    bench.clock.advance(Duration::from_secs(60));
    store.deletion_prove(&scope, &begun.id).await.unwrap();
    let proven =
        Deletion { proven_at: Some(begun.started_at.plus(Duration::from_secs(60))), ..begun };
    assert_eq!(list(bench, &tenant).await, std::slice::from_ref(&proven));
    assert!(store.deletion_unproven(None, 10).await.unwrap().is_empty());
    let forgotten = "SELECT COUNT(*) FROM deletion WHERE pending IS NOT NULL";
    assert_eq!(bench.number(forgotten).await, 0, "the ids are forgotten");
    bench.clock.advance(Duration::from_secs(60));
    store.deletion_prove(&scope, &proven.id).await.unwrap();
    assert_eq!(list(bench, &tenant).await, [proven], "the first proof stands");
}

async fn deletions_are_listed_newest_first_in_their_scope_alone(bench: &Bench) {
    let store = &bench.store;
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let mut made = Vec::new();
    for _ in 0..3 {
        bench.clock.advance(Duration::from_millis(1));
        let begun = store.deletion_begin(&ours.project_scope(), &new(&["file-1"], &[])).await;
        made.insert(0, begun.unwrap());
    }
    let not_ours = store.deletion_prove(&theirs.scope, &made[0].id).await;
    assert!(matches!(not_ours, Err(StoreError::NotFound { .. })));
    assert!(list(bench, &theirs).await.is_empty());

    let mut page = Page { limit: 2, ..Page::default() };
    let first = store.deletion_list(&ours.scope, &page).await.unwrap();
    assert!(first.has_more);
    page.after = Some(first.data[1].id.clone());
    let second = store.deletion_list(&ours.scope, &page).await.unwrap();
    assert!(!second.has_more);
    assert_eq!([first.data, second.data].concat(), made);
}
