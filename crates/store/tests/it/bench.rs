//! A fresh database for every test, on both kinds of database.

use std::fmt;
use std::sync::Arc;

use kernel::{Actor, Clock, Scope, SystemRng, Timestamp, id};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use store::{NewApiKey, NewSecret, Organization, Project, Store, StoreConfig, StoreError};
use testkit::FakeClock;
use vault::{MasterKey, Vault};

/// Runs each test once per kind of database.
macro_rules! store_suite {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test(&$crate::bench::Bench::sqlite().await).await;
            })*
        }

        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                if let Some(bench) = $crate::bench::Bench::postgres().await {
                    super::$test(&bench).await;
                    bench.remove().await;
                }
            })*
        }
    };
}
pub(crate) use store_suite;

/// A store on a fresh database, and what it was opened with.
pub(crate) struct Bench {
    pub(crate) store: Store,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) url: String,
    /// Where the database was made, to remove it there.
    server: Option<String>,
    _folder: Option<tempfile::TempDir>,
}

impl Bench {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("kijun.db").display());
        Self::new(url, None, Some(folder)).await
    }

    /// A database that has one connection.
    pub(crate) async fn in_memory() -> Self {
        Self::new("sqlite::memory:".into(), None, None).await
    }

    /// `None`, with a line that says so, where there is no PostgreSQL to test on.
    pub(crate) async fn postgres() -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "a test is told its server from outside")]
        let Ok(server) = std::env::var("TEST_POSTGRES_URL") else {
            println!("skipped: TEST_POSTGRES_URL names no PostgreSQL server");
            return None;
        };
        let name = id::time_ordered("kijun_test_", Timestamp::default(), &SystemRng);
        execute(&server, &format!("CREATE DATABASE {name}")).await;
        let (host, _) = server.rsplit_once('/').expect("a URL with a database");
        Some(Self::new(format!("{host}/{name}"), Some(server.clone()), None).await)
    }

    async fn new(url: String, server: Option<String>, folder: Option<tempfile::TempDir>) -> Self {
        let clock = Arc::new(FakeClock::at(Timestamp::from_secs(1_800_000_000)));
        let vault = new_vault();
        let store = open(&url, &vault, &clock).await.unwrap();
        Self { store, clock, vault, url, server, _folder: folder }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Another store on the same database, as another node has it.
    pub(crate) async fn reopen(&self, vault: &Arc<Vault>) -> Result<Store, StoreError> {
        open(&self.url, vault, &self.clock).await
    }

    /// The same database through another handle.
    pub(crate) fn through(&self, store: &Store) -> Self {
        let (clock, vault) = (Arc::clone(&self.clock), Arc::clone(&self.vault));
        let (store, url) = (store.clone(), self.url.clone());
        Self { store, clock, vault, url, server: None, _folder: None }
    }

    /// Removes the database from its server.
    pub(crate) async fn remove(self) {
        self.store.close().await;
        if let (Some(server), Some((_, name))) = (&self.server, self.url.rsplit_once('/')) {
            execute(server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    }

    /// A statement behind the store's back.
    pub(crate) async fn execute(&self, sql: &str) {
        execute(&self.url, sql).await;
    }

    /// A number behind the store's back.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let mut connection = connect(&self.url).await;
        let number = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await;
        number.unwrap()
    }

    /// Texts behind the store's back.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let mut connection = connect(&self.url).await;
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap()
    }

    /// Bytes behind the store's back.
    pub(crate) async fn bytes(&self, sql: &str) -> Vec<u8> {
        let mut connection = connect(&self.url).await;
        let bytes = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await;
        bytes.unwrap()
    }

    /// An organisation with a project in it.
    pub(crate) async fn tenant(&self, name: &str) -> Tenant {
        let organization = self.store.organization_create(name).await.unwrap();
        let scope = Scope::organization(organization.id.clone());
        let project = self.store.project_create(&scope, name).await.unwrap();
        Tenant { organization, project, scope }
    }
}

/// An organisation with a project in it.
pub(crate) struct Tenant {
    pub(crate) organization: Organization,
    pub(crate) project: Project,
    pub(crate) scope: Scope,
}

impl Tenant {
    /// The scope of the project alone.
    pub(crate) fn project_scope(&self) -> Scope {
        Scope { project: Some(self.project.id.clone()), ..self.scope.clone() }
    }

    /// A key of the project whose secret hashes to 32 times `hash`.
    pub(crate) fn new_key(&self, hash: u8) -> NewApiKey {
        NewApiKey {
            project: self.project.id.clone(),
            name: format!("key {hash}"),
            service_account: None,
            secret: secret(hash),
        }
    }
}

pub(crate) fn secret(hash: u8) -> NewSecret {
    NewSecret { hash: [hash; 32], redacted: format!("sk-…{hash:04}"), expires_at: None }
}

pub(crate) fn new_vault() -> Arc<Vault> {
    Arc::new(Vault::new(&MasterKey::generate(&SystemRng), Arc::new(SystemRng)).unwrap())
}

pub(crate) async fn open(
    url: &str,
    vault: &Arc<Vault>,
    clock: &Arc<FakeClock>,
) -> Result<Store, StoreError> {
    let config = StoreConfig { url: url.into(), max_connections: 4 };
    let store = Store::open(config, Arc::clone(vault), clock.clone(), Arc::new(SystemRng)).await?;
    Ok(store.by(&Actor::system("tests")))
}

/// A store that acts as nobody.
pub(crate) async fn open_unattributed(
    url: &str,
    vault: &Arc<Vault>,
    clock: &Arc<FakeClock>,
) -> Store {
    let config = StoreConfig { url: url.into(), max_connections: 1 };
    let rng = Arc::new(SystemRng);
    Store::open(config, Arc::clone(vault), clock.clone(), rng).await.unwrap()
}

pub(crate) fn not_found<T: fmt::Debug>(result: Result<T, StoreError>) {
    match result {
        Err(StoreError::NotFound { .. }) => {}
        other => panic!("{other:?}"),
    }
}

pub(crate) fn conflict<T: fmt::Debug>(result: Result<T, StoreError>) {
    match result {
        Err(StoreError::Conflict { .. }) => {}
        other => panic!("{other:?}"),
    }
}

pub(crate) fn invalid<T: fmt::Debug>(result: Result<T, StoreError>) {
    match result {
        Err(StoreError::Invalid { .. }) => {}
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn connect(url: &str) -> AnyConnection {
    sqlx::any::install_default_drivers();
    AnyConnection::connect(url).await.unwrap()
}

pub(crate) async fn execute(url: &str, sql: &str) {
    let mut connection = connect(url).await;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
