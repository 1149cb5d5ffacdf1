//! The store itself: opening it, and what every aggregate's module builds on.

use std::fmt;
use std::sync::{Arc, OnceLock};

use audit::SealKey;
use kernel::{Actor, SharedClock, SharedRng, Timestamp};
use sqlx::Any;
use sqlx::pool::PoolConnection;
use vault::{Aad, MasterKey, Vault, VaultError};
use zeroize::Zeroizing;

use crate::StoreError;
use crate::call_insert::KnownRules;
use crate::columns::Columns;
use crate::database::{Connections, Database, Write};
use crate::migrate::migrate;
use crate::project_key::ProjectKeys;

/// Where the database is.
#[derive(Clone)]
pub struct StoreConfig {
    /// `sqlite:///path/kijun.db` (the path is taken as it stands), `sqlite::memory:`, or
    /// `postgres://user:password@host/database`.
    pub url: String,
    /// Connections at once, at most. A SQLite database in memory has always one.
    pub max_connections: u32,
}

impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        f.debug_struct("StoreConfig")
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

/// All that Kijun keeps in its database. Clones share one pool of connections.
#[derive(Clone, Debug)]
pub struct Store {
    parts: Arc<Parts>,
    /// Who changes something with this handle.
    actor: Option<Actor>,
}

#[derive(Debug)]
struct Parts {
    database: Database,
    vault: Arc<Vault>,
    project_keys: ProjectKeys,
    known_rules: KnownRules,
    clock: SharedClock,
    rng: SharedRng,
    audit_key: OnceLock<Arc<SealKey>>,
}

impl Store {
    /// Connects, brings the schema to the newest version, and checks the master key.
    ///
    /// # Errors
    /// [`StoreError::NewerDatabase`] and [`StoreError::WrongMasterKey`] leave the database as it
    /// was.
    pub async fn open(
        config: StoreConfig,
        vault: Arc<Vault>,
        clock: SharedClock,
        rng: SharedRng,
    ) -> Result<Self, StoreError> {
        let database = Database::open(&config.url, config.max_connections).await?;
        migrate(&database, &vault, clock.now()).await?;
        let parts = Parts {
            database,
            vault,
            project_keys: ProjectKeys::default(),
            known_rules: KnownRules::default(),
            clock,
            rng,
            audit_key: OnceLock::new(),
        };
        Ok(Self { parts: Arc::new(parts), actor: None })
    }

    /// An empty store in memory with a master key of its own, for tests, in whose name it acts.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn in_memory(clock: SharedClock, rng: SharedRng) -> Result<Self, StoreError> {
        let vault = Vault::new(&MasterKey::generate(rng.as_ref()), Arc::clone(&rng))
            .map_err(|source| StoreError::Sealed { what: "the test vault".into(), source })?;
        let config = StoreConfig { url: "sqlite::memory:".into(), max_connections: 1 };
        Ok(Self::open(config, Arc::new(vault), clock, rng).await?.by(&Actor::system("tests")))
    }

    /// A number that goes up with every change to what running nodes keep in memory: organisations,
    /// projects, keys, providers, models, limits and prices. Read it before loading them: then a
    /// change in between shows as a newer number at the next look.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn generation(&self) -> Result<i64, StoreError> {
        sqlx::query("SELECT value FROM generation WHERE id = 1")
            .fetch_one(&mut *self.read().await?)
            .await?
            .number("value")
    }

    /// The connections to the database at this moment.
    pub fn connections(&self) -> Connections {
        self.parts.database.connections()
    }

    /// Closes every connection, once those in use are given back.
    pub async fn close(&self) {
        self.parts.database.close().await;
    }

    pub(crate) fn database(&self) -> &Database {
        &self.parts.database
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.parts.vault
    }

    /// Seals a value for one column of one row.
    pub(crate) fn seal(
        &self,
        table: &str,
        column: &str,
        row: &str,
        value: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let sealed = self.parts.vault.seal(&Aad::new(table, column, row), value);
        sealed.map_err(|source| sealed_error(table, column, row, source))
    }

    /// Opens what was sealed for one column of one row.
    pub(crate) fn unseal(
        &self,
        table: &str,
        column: &str,
        row: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let opened = self.parts.vault.open(&Aad::new(table, column, row), sealed);
        opened.map_err(|source| sealed_error(table, column, row, source))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    pub(crate) fn rng(&self) -> &dyn kernel::Rng {
        self.parts.rng.as_ref()
    }

    pub(crate) fn shared_rng(&self) -> SharedRng {
        Arc::clone(&self.parts.rng)
    }

    pub(crate) fn project_keys(&self) -> &ProjectKeys {
        &self.parts.project_keys
    }

    pub(crate) fn known_rules(&self) -> &KnownRules {
        &self.parts.known_rules
    }

    pub(crate) async fn read(&self) -> Result<PoolConnection<Any>, StoreError> {
        self.parts.database.read().await
    }

    /// A transaction that changes nothing that running nodes keep in memory.
    pub(crate) async fn write(&self) -> Result<Write<'_>, StoreError> {
        self.parts.database.write().await
    }

    pub(crate) fn actor(&self) -> Option<&Actor> {
        self.actor.as_ref()
    }

    pub(crate) fn acting(&self, actor: Actor) -> Self {
        Self { parts: Arc::clone(&self.parts), actor: Some(actor) }
    }

    pub(crate) fn audit_key(&self) -> &OnceLock<Arc<SealKey>> {
        &self.parts.audit_key
    }
}

pub(crate) fn sealed_error(table: &str, column: &str, row: &str, source: VaultError) -> StoreError {
    StoreError::Sealed { what: format!("{column} of {table} `{row}`"), source }
}
