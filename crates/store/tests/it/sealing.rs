//! Content lies sealed under its project's key.

use std::fs;

use futures_util::future::join_all;
use store::StoreError;

use crate::bench::{Bench, not_found, store_suite};
use crate::content::fill;

store_suite!(
    a_project_has_one_key_for_ever,
    nodes_that_ask_at_once_get_one_key,
    opaque_values_open_for_their_purpose_alone,
    without_a_project_there_is_no_key,
);

async fn a_project_has_one_key_for_ever(bench: &Bench) {
    let (one, two) = (bench.tenant("One").await, bench.tenant("Two").await);
    let store = &bench.store;
    let key = store.content_key(&one.project.id).await.unwrap();
    let other = store.content_key(&two.project.id).await.unwrap();
    assert_ne!(*key.to_bytes(), *other.to_bytes());
    // After a restart it comes from the database, where it is wrapped.
    let again = bench.reopen(&bench.vault).await.unwrap();
    let same = again.content_key(&one.project.id).await.unwrap();
    assert_eq!(*key.to_bytes(), *same.to_bytes());
    let wrapped = bench.bytes("SELECT wrapped FROM project_key LIMIT 1").await;
    for key in [key, other] {
        assert!(!wrapped.windows(32).any(|part| part == key.to_bytes().as_slice()));
    }
    assert_eq!(bench.number("SELECT COUNT(*) FROM project_key").await, 2);
    again.close().await;
}

async fn nodes_that_ask_at_once_get_one_key(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let other = bench.reopen(&bench.vault).await.unwrap();
    let nodes = [&bench.store, &other].into_iter().cycle().take(10);
    let keys = join_all(nodes.map(|node| node.content_key(&tenant.project.id))).await;
    let keys: Vec<_> = keys.into_iter().map(|key| key.unwrap().to_bytes()).collect();
    assert!(keys.iter().all(|key| **key == *keys[0]));
    other.close().await;
}

async fn opaque_values_open_for_their_purpose_alone(bench: &Bench) {
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let (store, id) = (&bench.store, &ours.project.id);
    let sealed = store.seal_opaque(id, "reasoning", b"thought").await.unwrap();
    assert_eq!(store.open_opaque(id, "reasoning", &sealed).await.unwrap().as_slice(), b"thought");
    let sealer = store.sealer(id).await.unwrap();
    assert_eq!(sealer.open("reasoning", &sealed).unwrap().as_slice(), b"thought");
    let own = sealer.seal("reasoning", b"thought").unwrap();
    assert_ne!(own, sealed, "no two seals are alike");
    assert_eq!(store.open_opaque(id, "reasoning", &own).await.unwrap().as_slice(), b"thought");

    let refused = [
        store.open_opaque(id, "compaction", &sealed).await,
        store.open_opaque(&theirs.project.id, "reasoning", &sealed).await,
        store.open_opaque(id, "reasoning", &sealed[1..]).await,
        store.open_opaque(id, "reasoning", b"").await,
    ];
    for refused in refused {
        assert!(matches!(refused, Err(StoreError::Sealed { .. })), "{refused:?}");
    }
    assert!(!format!("{sealer:?}").contains("key"), "{sealer:?}");
}

async fn without_a_project_there_is_no_key(bench: &Bench) {
    not_found(bench.store.content_key(&"proj_none".into()).await);
    assert_eq!(bench.number("SELECT COUNT(*) FROM project_key").await, 0);
}

#[tokio::test]
async fn one_connection_is_enough() {
    let bench = Bench::in_memory().await;
    let (one, two) = (bench.tenant("One").await, bench.tenant("Two").await);
    let filled = async { tokio::join!(fill(&bench, &one, "1", "x"), fill(&bench, &two, "2", "x")) };
    // What waits for itself gives up after the pool's patience, and fails.
    filled.await;
    let (scope, id) = (one.project_scope(), "conv_1".into());
    bench.store.conversation_update(&scope, &id, "{}").await.unwrap();
    bench.store.conversation_delete(&scope, &id).await.unwrap();
    bench.store.response_delete(&scope, &"resp_1".into()).await.unwrap();
    assert!(bench.store.trace_get(&scope, "trace_1").await.is_ok());
}

#[tokio::test]
async fn no_file_of_the_database_holds_what_was_sealed() {
    let bench = Bench::sqlite().await;
    let tenant = bench.tenant("Acme").await;
    let canary = "{\"canary\":\"a bird that sings\"}";
    fill(&bench, &tenant, "1", canary).await;
    let (scope, id) = (tenant.project_scope(), "resp_1".into());
    assert_eq!(bench.store.response_get(&scope, &id).await.unwrap().body, canary.as_bytes());

    let path = bench.url.strip_prefix("sqlite://").unwrap();
    let mut searched = 0;
    for entry in fs::read_dir(std::path::Path::new(path).parent().unwrap()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        searched += bytes.len();
        assert!(!holds(&bytes, b"a bird that sings"));
    }
    assert!(searched > 10_000, "{searched} bytes");
    assert!(holds(&fs::read(format!("{path}-wal")).unwrap(), b"resp_1"), "the search sees rows");
}

fn holds(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|part| part == word)
}
