//! Opening a database, for the first time and again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use kernel::{Actor, SystemClock, SystemRng};
use store::{Store, StoreConfig, StoreError};

use crate::bench::{Bench, new_vault, store_suite};

store_suite!(
    a_second_start_finds_everything_as_it_was,
    another_master_key_is_refused,
    a_newer_database_is_refused_and_left_alone,
    settings_are_kept,
);

async fn a_second_start_finds_everything_as_it_was(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let again = bench.reopen(&bench.vault).await.unwrap();
    assert_eq!(again.organization_list().await.unwrap(), [tenant.organization]);
    assert_eq!(again.project_get(&tenant.scope, &tenant.project.id).await.unwrap(), tenant.project);
    assert_eq!(again.generation().await.unwrap(), bench.store.generation().await.unwrap());
    again.close().await;
}

async fn another_master_key_is_refused(bench: &Bench) {
    let error = bench.reopen(&new_vault()).await.unwrap_err();
    assert!(matches!(error, StoreError::WrongMasterKey { .. }), "{error}");
    assert!(bench.reopen(&bench.vault).await.is_ok());
}

async fn a_newer_database_is_refused_and_left_alone(bench: &Bench) {
    let known = bench.number("SELECT MAX(version) FROM schema_version").await;
    bench.execute("INSERT INTO schema_version (version, applied_at) VALUES (99, 0)").await;
    match bench.reopen(&bench.vault).await.unwrap_err() {
        StoreError::NewerDatabase { found, known: reported } => {
            assert_eq!((found, reported), (99, known));
        }
        other => panic!("{other}"),
    }
    assert_eq!(bench.number("SELECT COUNT(*) FROM schema_version").await, known + 1);
}

async fn settings_are_kept(bench: &Bench) {
    let generation = bench.store.generation().await.unwrap();
    assert_eq!(bench.store.setting_get("a").await.unwrap(), None);
    bench.store.setting_put("a", "1").await.unwrap();
    bench.store.setting_put("a", "2").await.unwrap();
    assert_eq!(bench.store.setting_get("a").await.unwrap().as_deref(), Some("2"));
    assert_eq!(bench.store.generation().await.unwrap(), generation);
}

async fn open(url: &str) -> Result<Store, StoreError> {
    let config = StoreConfig { url: url.into(), max_connections: 4 };
    let store =
        Store::open(config, new_vault(), Arc::new(SystemClock), Arc::new(SystemRng)).await?;
    Ok(store.by(&Actor::system("tests")))
}

#[tokio::test]
async fn the_files_are_private_and_the_path_is_taken_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a 100% odd?name#1.db");
    let store = open(&format!("sqlite://{}", path.display())).await.unwrap();
    store.organization_create("Acme").await.unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        names.push(entry.file_name().into_string().unwrap());
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{names:?}");
    }
    assert!(names.contains(&"a 100% odd?name#1.db".to_owned()), "{names:?}");
    assert!(names.contains(&"a 100% odd?name#1.db-wal".to_owned()), "{names:?}");
}

#[tokio::test]
async fn nodes_that_start_at_once_migrate_once() {
    let bench = Bench::sqlite().await;
    bench.store.close().await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("kijun.db").display());
    let opened =
        tokio::join!(bench_open(&bench, &url), bench_open(&bench, &url), bench_open(&bench, &url));
    for store in [opened.0, opened.1, opened.2] {
        assert!(store.unwrap().organization_list().await.unwrap().is_empty());
    }
}

async fn bench_open(bench: &Bench, url: &str) -> Result<Store, StoreError> {
    crate::bench::open(url, &bench.vault, &bench.clock).await
}

#[tokio::test]
async fn nodes_that_start_at_once_on_postgres_migrate_once() {
    let Some(bench) = Bench::postgres().await else { return };
    bench.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
    let opened = tokio::join!(
        bench.reopen(&bench.vault),
        bench.reopen(&bench.vault),
        bench.reopen(&bench.vault),
    );
    for store in [opened.0, opened.1, opened.2] {
        store.unwrap().close().await;
    }
    bench.remove().await;
}

#[tokio::test]
async fn a_store_in_memory_is_whole_and_alone() {
    let one = Store::in_memory(Arc::new(SystemClock), Arc::new(SystemRng)).await.unwrap();
    let two = Store::in_memory(Arc::new(SystemClock), Arc::new(SystemRng)).await.unwrap();
    one.organization_create("Acme").await.unwrap();
    let both = tokio::join!(one.organization_create("Beta"), one.organization_create("Gamma"));
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(one.organization_list().await.unwrap().len(), 3);
    assert!(two.organization_list().await.unwrap().is_empty());
}

#[tokio::test]
async fn urls_that_name_no_database_are_refused_without_being_repeated() {
    for url in ["", "kijun.db", "mysql://u:hunter2@h/d", "u:hunter2@h/d", "sqlite://", "postgres:"]
    {
        let error = open(url).await.unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(
            matches!(error, StoreError::InvalidUrl { .. } | StoreError::Unavailable { .. }),
            "{url}: {error}"
        );
    }
}

#[tokio::test]
async fn parameters_that_sqlite_urls_have_elsewhere_make_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kijun.db");
    for parameters in ["mode=rwc", "mode=ro&cache=shared", "vfs=/x"] {
        let error = open(&format!("sqlite://{}?{parameters}", path.display())).await.unwrap_err();
        assert!(matches!(error, StoreError::InvalidUrl { .. }), "{error}");
        let name = parameters.split('=').next().unwrap();
        assert!(error.to_string().contains(&format!("the parameter `{name}`")), "{error}");
    }
    assert!(open("sqlite::memory:?cache=shared").await.is_err());
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_unavailable_and_says_why() {
    let error = open("sqlite:///nowhere/at/all/kijun.db").await.unwrap_err();
    assert!(error.to_string().contains("/nowhere/at/all/kijun.db"), "{error}");
    // Nothing listens on port 1.
    let error = open("postgres://u:hunter2@127.0.0.1:1/d").await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("check that it runs"), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}
