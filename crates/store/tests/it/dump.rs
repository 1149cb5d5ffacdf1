//! A dump is one state of a database, and becomes the same in another of either kind.

use std::collections::BTreeSet;

use kernel::Timestamp;
use store::{DumpCheck, DumpSummary, LEFT_OUT, Loader, Snapshot, Store, StoreConfig, StoreError};

use crate::bench::{Bench, open, store_suite};
use crate::content::{fill, fill_files};
use crate::ledger::record;

store_suite!(
    a_dump_loads_into_a_database_of_its_kind,
    a_dump_loads_into_a_database_of_the_other_kind,
    a_snapshot_is_one_state_and_holds_nobody_up,
    every_table_is_carried_or_named,
    what_is_sealed_opens_with_the_right_key_alone,
    a_load_that_ends_early_leaves_nothing,
    a_database_with_something_in_it_is_left_alone,
    files_without_their_bytes_are_left_out,
);

/// A database with something in every table that clients fill.
async fn filled(bench: &Bench) {
    for name in ["Acme", "Beta"] {
        let tenant = bench.tenant(name).await;
        let store = &bench.store;
        let secret = format!("a canary of {name} with a 本 in it");
        fill(bench, &tenant, name, &secret).await;
        fill_files(bench, &tenant, name, None).await;
        let hash = name.as_bytes()[0];
        store.api_key_create(&tenant.scope, tenant.new_key(hash)).await.unwrap();
    }
    let mut provider = crate::catalog::provider("hub");
    provider.api_key = Some("sk-upstream".to_owned().into());
    bench.store.provider_put(&provider).await.unwrap();
    let records: Vec<_> = (0..700).map(record).collect();
    bench.store.call_insert("node", &records).await.unwrap();
}

fn config(url: &str) -> StoreConfig {
    StoreConfig { url: url.into(), max_connections: 2 }
}

async fn dump(url: &str) -> (Vec<u8>, DumpSummary) {
    let mut snapshot = Snapshot::open(&config(url)).await.unwrap();
    let mut bytes = Vec::new();
    let summary = snapshot.dump(|piece| write(&mut bytes, piece)).await.unwrap();
    snapshot.release().await.unwrap().close().await;
    (bytes, summary)
}

fn write(bytes: &mut Vec<u8>, piece: &[u8]) -> Result<(), StoreError> {
    bytes.extend_from_slice(piece);
    Ok(())
}

async fn load(url: &str, dump: &[u8]) -> Result<DumpSummary, StoreError> {
    let mut loader = Loader::begin(&config(url), Timestamp::from_secs(1)).await?;
    for piece in dump.chunks(10_007) {
        loader.feed(piece).await?;
    }
    loader.finish(None).await
}

/// A new place for a database of SQLite's.
struct Fresh(tempfile::TempDir);

impl Fresh {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.0.path().join("loaded.db").display())
    }
}

async fn empty(bench: &Bench) {
    bench.store.close().await;
    bench.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
}

async fn a_dump_loads_into_a_database_of_its_kind(bench: &Bench) {
    filled(bench).await;
    let (before, summary) = dump(&bench.url).await;
    assert!(summary.rows["call"] == 700 && summary.rows["response"] == 2, "{summary:?}");
    let fresh = Fresh::new();
    let url = if bench.url.starts_with("sqlite:") {
        fresh.url()
    } else {
        empty(bench).await;
        bench.url.clone()
    };
    assert_eq!(load(&url, &before).await.unwrap(), summary);
    assert!(dump(&url).await.0 == before, "every byte of every row");
    let loaded = open(&url, &bench.vault, &bench.clock).await.unwrap();
    whole(&loaded).await;
    loaded.close().await;
}

async fn a_dump_loads_into_a_database_of_the_other_kind(bench: &Bench) {
    if bench.url.starts_with("sqlite:") {
        // The way over PostgreSQL and back begins there.
        return;
    }
    let (source, back) = (Bench::sqlite().await, Fresh::new());
    filled(&source).await;
    let (before, summary) = dump(&source.url).await;
    empty(bench).await;
    assert_eq!(load(&bench.url, &before).await.unwrap(), summary);
    let there = open(&bench.url, &source.vault, &bench.clock).await.unwrap();
    whole(&there).await;
    there.close().await;
    let (between, _) = dump(&bench.url).await;
    load(&back.url(), &between).await.unwrap();
    assert!(dump(&back.url()).await.0 == before, "every byte of every row");
}

/// What was filled in can be read.
async fn whole(store: &Store) {
    let organizations = store.organization_list().await.unwrap();
    assert_eq!(organizations.len(), 2);
    for organization in organizations {
        let scope = kernel::Scope::organization(organization.id.clone());
        let project = store.project_list(&scope, &store::Page::default()).await.unwrap().data;
        let scope = kernel::Scope { project: Some(project[0].id.clone()), ..scope };
        let name = &organization.name;
        let id = format!("resp_{name}").as_str().into();
        let response = store.response_get(&scope, &id).await.unwrap();
        let secret = format!("a canary of {name} with a 本 in it");
        assert_eq!(response.body, secret.as_bytes());
        let file = store.file_get(&scope, &format!("file-{name}").as_str().into()).await.unwrap();
        assert_eq!(file.filename, "notes.txt");
    }
    let providers = store.provider_list().await.unwrap();
    assert!(providers[0].api_key.is_some());
    assert_eq!(store.call_insert("node", &[record(1)]).await.unwrap().new, 0, "it is there");
}

async fn a_snapshot_is_one_state_and_holds_nobody_up(bench: &Bench) {
    filled(bench).await;
    let mut snapshot = Snapshot::open(&config(&bench.url)).await.unwrap();
    let records: Vec<_> = (1_000..1_300).map(record).collect();
    assert_eq!(bench.store.call_insert("node", &records).await.unwrap().new, 300);
    bench.tenant("Later").await;
    let summary = snapshot.dump(|_| Ok::<(), StoreError>(())).await.unwrap();
    assert_eq!((summary.rows["call"], summary.rows["project"]), (700, 2));
    let blobs = snapshot.blobs().await.unwrap();
    assert_eq!(blobs.len(), 6);
    let released = snapshot.release().await.unwrap();
    let names: Vec<_> = blobs.into_iter().map(|blob| blob.blob).chain(["gone".into()]).collect();
    assert_eq!(released.still_there(&names).await.unwrap().len(), 6);
    released.close().await;
    assert_eq!(dump(&bench.url).await.1.rows["call"], 1_000);
}

async fn every_table_is_carried_or_named(bench: &Bench) {
    let all = if bench.url.starts_with("sqlite:") {
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite@_%' ESCAPE '@'"
    } else {
        "SELECT table_name::text FROM information_schema.tables
         WHERE table_schema = current_schema()"
    };
    let all: BTreeSet<_> = bench.texts(all).await.into_iter().collect();
    assert!(all.len() > 25, "the query finds the schema");
    let carried: BTreeSet<_> = dump(&bench.url).await.1.rows.into_keys().collect();
    let named: BTreeSet<_> = LEFT_OUT.iter().map(|(table, _)| (*table).to_owned()).collect();
    assert!(carried.is_disjoint(&named));
    assert_eq!(carried.union(&named).cloned().collect::<BTreeSet<_>>(), all);
}

async fn what_is_sealed_opens_with_the_right_key_alone(bench: &Bench) {
    filled(bench).await;
    let (bytes, summary) = dump(&bench.url).await;
    let mut check = DumpCheck::new(Some(bench.vault.clone()));
    bytes.chunks(997).for_each(|piece| check.feed(piece).unwrap());
    let (found, opened) = check.finish().unwrap();
    assert_eq!(found, summary);
    // The canary, the audit log's key, two projects' keys, a provider's credential and headers.
    assert_eq!(opened, 6);
    let snapshot = Snapshot::open(&config(&bench.url)).await;
    let blobs = snapshot.unwrap().blobs().await.unwrap();
    assert!(blobs.iter().all(|blob| check.content_key(&blob.project).is_some()));

    let stranger = crate::bench::new_vault();
    let mut check = DumpCheck::new(Some(stranger));
    let error = bytes.chunks(997).find_map(|piece| check.feed(piece).err()).unwrap();
    assert!(matches!(error, StoreError::Sealed { .. }), "{error}");
}

async fn a_load_that_ends_early_leaves_nothing(bench: &Bench) {
    filled(bench).await;
    let (bytes, summary) = dump(&bench.url).await;
    let fresh = Fresh::new();
    let url = if bench.url.starts_with("sqlite:") {
        fresh.url()
    } else {
        empty(bench).await;
        bench.url.clone()
    };
    for end in [0, 10, bytes.len() / 2, bytes.len() - 1] {
        let error = load(&url, &bytes[..end]).await.unwrap_err().to_string();
        assert!(error.contains("too early"), "{error}");
    }
    let end = bytes.windows(6).rposition(|window| window == b"\"call\"").unwrap();
    let mut wrong = bytes.clone();
    wrong[end + 7] = b'6';
    let error = load(&url, &wrong).await.unwrap_err().to_string();
    assert!(error.contains("as many rows"), "{error}");
    assert_eq!(load(&url, &bytes).await.unwrap(), summary, "it is still empty");
}

async fn a_database_with_something_in_it_is_left_alone(bench: &Bench) {
    let (bytes, _) = dump(&bench.url).await;
    bench.tenant("Acme").await;
    let error = load(&bench.url, &bytes).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    assert_eq!(bench.store.organization_list().await.unwrap().len(), 1);
}

async fn files_without_their_bytes_are_left_out(bench: &Bench) {
    filled(bench).await;
    let (bytes, _) = dump(&bench.url).await;
    let fresh = Fresh::new();
    let mut loader = Loader::begin(&config(&fresh.url()), bench.now()).await.unwrap();
    loader.feed(&bytes).await.unwrap();
    let gone = ["blob-Acme-2".to_owned(), "blob-Beta-3".to_owned(), "blob-none".to_owned()];
    assert_eq!(loader.remove_files_of(&gone).await.unwrap(), 2);
    loader.finish(Some(&bench.vault)).await.unwrap();
    let rows = dump(&fresh.url()).await.1.rows;
    assert_eq!((rows["file"], rows["upload"]), (1, 1));
    assert_eq!((rows["file_blob"], rows["upload_part"]), (2, 1));
}

#[tokio::test]
async fn what_is_no_database_of_kijuns_is_not_dumped() {
    let error = Snapshot::open(&config(&Fresh::new().url())).await.err().unwrap();
    assert!(error.to_string().contains("holds nothing"), "{error}");
}
