//! The connections, and all in which the two databases differ.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions, Connection, Executor, Transaction};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::StoreError;

/// Which database it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// How long a caller waits for a connection or, on SQLite, for another process's writes.
const PATIENCE: Duration = Duration::from_secs(5);

/// The name of the lock that one node holds while it migrates, among PostgreSQL's advisory locks.
const MIGRATION_LOCK: i64 = 0x006b_696a_756e;

/// Large pages: records are appended in batches, and every page is a write of its own. With WAL,
/// readers and a writer do not wait for each other. `synchronous = FULL` is one flush per
/// commit: what is committed survives a power cut, a revocation as well as the records that the
/// journal has let go of. `secure_delete` writes zeros over what is deleted; it makes deletions a
/// little slower, and nothing else.
const SQLITE_PRAGMAS: &str = "PRAGMA page_size = 16384; PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; \
                              PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                              PRAGMA secure_delete = ON";

/// Statements are short, so that compiling one takes longer than it saves; and a row that is looked
/// up by an index costs little more than one that is read in turn, as it does off spinning disks.
///
/// A transaction that does nothing for seconds is that of a node which stands still, or which the
/// network lost without a word. It would keep what it locked from all others, for hours even.
const POSTGRES_SETTINGS: &str = "SET jit = off; SET random_page_cost = 1.1; \
    SET idle_in_transaction_session_timeout = '3s'";

/// For a transaction that keeps nothing from anybody, and whose reader may be slow.
const NO_HURRY: &str = "SET LOCAL idle_in_transaction_session_timeout = 0";

/// One database and its connections.
#[derive(Debug)]
pub(crate) struct Database {
    pool: AnyPool,
    engine: Engine,
    /// SQLite has one writer at a time. Waiting here is fair and wakes at once; SQLite's own wait
    /// is a poll.
    writer: Mutex<()>,
    /// Since when the connections of that time are not to be trusted.
    doubted: Doubt,
}

/// A moment before which connections were made that are not to be used again.
type Doubt = Arc<std::sync::Mutex<Option<Instant>>>;

impl Database {
    /// Connects to the database that `url` names; a SQLite file is made if there is none.
    pub(crate) async fn open(url: &str, max_connections: u32) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let options = AnyPoolOptions::new().acquire_timeout(PATIENCE);
        refuse_sqlite_parameters(url)?;
        let (engine, options, url) = match url.split_once(':') {
            // Every connection to `:memory:` is a database of its own, so there is just one.
            Some(("sqlite", ":memory:")) => {
                let options = options.max_connections(1).idle_timeout(None).max_lifetime(None);
                (Engine::Sqlite, options, url.to_owned())
            }
            Some(("sqlite", path)) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                (Engine::Sqlite, options.max_connections(max_connections), sqlite_file(path)?)
            }
            Some(("postgres" | "postgresql", _)) => {
                (Engine::Postgres, options.max_connections(max_connections), url.to_owned())
            }
            Some((scheme, _)) if !scheme.contains(['/', '@']) => {
                let reason = format!("it starts with `{scheme}:`");
                return Err(StoreError::InvalidUrl { reason });
            }
            _ => return Err(StoreError::InvalidUrl { reason: "it has no scheme".into() }),
        };
        let connect = AnyConnectOptions::from_str(&url)
            .map_err(|_| StoreError::InvalidUrl { reason: "it cannot be read as a URL".into() })?
            .disable_statement_logging();
        if engine == Engine::Postgres {
            // The pool tries again until its patience ends, and then hides what was wrong.
            let first = tokio::time::timeout(PATIENCE, AnyConnection::connect_with(&connect));
            let first = first.await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
            first.map_err(unreachable)?.close().await?;
        }
        let doubted = Doubt::default();
        let in_memory = url == "sqlite::memory:";
        let options = match engine {
            Engine::Sqlite if !in_memory => options.before_acquire({
                let doubted = Arc::clone(&doubted);
                move |_, connection| {
                    let doubted = *doubted.lock().unwrap_or_else(PoisonError::into_inner);
                    let older = doubted.is_some_and(|since| connection.age > since.elapsed());
                    Box::pin(async move { Ok(!older) })
                }
            }),
            _ => options,
        };
        let options = match engine {
            Engine::Sqlite => options.test_before_acquire(false).after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(sqlx::raw_sql(SQLITE_PRAGMAS)).await.map(|_| ())
                })
            }),
            Engine::Postgres => options.after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(sqlx::raw_sql(POSTGRES_SETTINGS)).await.map(|_| ())
                })
            }),
        };
        let pool = options.connect_lazy_with(connect);
        Ok(Self { pool, engine, writer: Mutex::new(()), doubted })
    }

    pub(crate) const fn engine(&self) -> Engine {
        self.engine
    }

    /// A connection to read with.
    pub(crate) async fn read(&self) -> Result<PoolConnection<Any>, StoreError> {
        Ok(self.pool.acquire().await?)
    }

    /// A transaction that may write. It is undone unless it is committed.
    pub(crate) async fn write(&self) -> Result<Write<'_>, StoreError> {
        let (turn, begin) = match self.engine {
            // A transaction that starts as a reader may be refused when it comes to write.
            Engine::Sqlite => (Some(self.writer.lock().await), "BEGIN IMMEDIATE"),
            Engine::Postgres => (None, "BEGIN"),
        };
        let transaction = match self.pool.begin_with(begin).await {
            // A full disk ends a transaction of SQLite's behind the driver's back, which then takes
            // the connection for one inside a transaction for ever.
            Err(sqlx::Error::InvalidSavePointStatement) => {
                self.doubt();
                self.pool.begin_with(begin).await?
            }
            begun => begun?,
        };
        Ok(Write { transaction, _turn: turn })
    }

    /// Trusts no connection any more that was made before now.
    fn doubt(&self) {
        let mut doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        *doubted = Some(Instant::now());
    }

    /// A transaction that no other node's migration runs beside.
    pub(crate) async fn migration(&self) -> Result<Write<'_>, StoreError> {
        let mut write = self.write().await?;
        if self.engine == Engine::Postgres {
            let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(MIGRATION_LOCK);
            lock.execute(write.connection()).await?;
        }
        Ok(write)
    }

    /// A transaction that sees one state of the database, whatever others write meanwhile.
    pub(crate) async fn snapshot(&self) -> Result<Transaction<'static, Any>, StoreError> {
        let begin = match self.engine {
            // The first statement decides which state it is.
            Engine::Sqlite => "BEGIN",
            Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        self.without_hurry(begin).await
    }

    /// A transaction that may write, on a database that nobody else uses.
    pub(crate) async fn alone(&self) -> Result<Transaction<'static, Any>, StoreError> {
        let begin = match self.engine {
            Engine::Sqlite => "BEGIN IMMEDIATE",
            Engine::Postgres => "BEGIN",
        };
        self.without_hurry(begin).await
    }

    async fn without_hurry(
        &self,
        begin: &'static str,
    ) -> Result<Transaction<'static, Any>, StoreError> {
        let mut transaction = self.pool.begin_with(begin).await?;
        if self.engine == Engine::Postgres {
            transaction.execute(sqlx::raw_sql(NO_HURRY)).await?;
        }
        Ok(transaction)
    }

    pub(crate) fn connections(&self) -> Connections {
        let idle = u64::try_from(self.pool.num_idle()).unwrap_or(u64::MAX);
        Connections {
            busy: u64::from(self.pool.size()).saturating_sub(idle),
            idle,
            most: u64::from(self.pool.options().get_max_connections()),
        }
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// The connections to the database, at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connections {
    /// In use.
    pub busy: u64,
    /// At rest.
    pub idle: u64,
    /// At most.
    pub most: u64,
}

/// A transaction that may write.
pub(crate) struct Write<'a> {
    transaction: Transaction<'static, Any>,
    _turn: Option<MutexGuard<'a, ()>>,
}

impl Write<'_> {
    pub(crate) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit().await?)
    }
}

fn unreachable(error: sqlx::Error) -> StoreError {
    let reason = match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::PoolTimedOut => "it does not answer".into(),
        error => error.to_string(),
    };
    StoreError::Unavailable {
        reason: format!("{reason}; check that it runs and that the database URL is right"),
    }
}

/// A SQLite URL is a path as it stands. What looks like the parameters that other programs take there
/// would become part of the file's name, and the database another one than was meant.
fn refuse_sqlite_parameters(url: &str) -> Result<(), StoreError> {
    let path = url.strip_prefix("sqlite:").unwrap_or_default();
    let Some((name, _)) = path.rsplit_once('?').and_then(|(_, query)| query.split_once('=')) else {
        return Ok(());
    };
    let is_parameter = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if name.is_empty() || !name.chars().all(is_parameter) {
        return Ok(());
    }
    let reason = format!(
        "it has the parameter `{name}`, and a SQLite URL takes none: Kijun makes the file and sets \
         it up itself; leave out what follows the path"
    );
    Err(StoreError::InvalidUrl { reason })
}

/// The URL of a SQLite file, which is made first so that it is private from its first byte; SQLite
/// gives its journals the same mode.
fn sqlite_file(path: &str) -> Result<String, StoreError> {
    if path.is_empty() {
        return Err(StoreError::InvalidUrl { reason: "it names no file".into() });
    }
    let failed = |error: io::Error| StoreError::Unavailable {
        reason: format!(
            "cannot open {path}: {error}; check that its folder exists and that this user may \
             write there"
        ),
    };
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    let absolute = std::path::absolute(Path::new(path)).map_err(failed)?;
    // The path is taken as it stands; to the driver these three would mean something else.
    let escaped =
        absolute.to_string_lossy().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    Ok(format!("sqlite://{escaped}"))
}

#[cfg(test)]
mod tests {
    use sqlx::Row;

    use super::*;

    #[tokio::test]
    async fn a_connection_that_lost_its_transaction_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("kijun.db").display());
        let database = Database::open(&url, 1).await.unwrap();
        let mut write = database.write().await.unwrap();
        // As SQLite does itself when the disk is full: the driver does not hear of it, and its own
        // end of the transaction fails.
        write.connection().execute("ROLLBACK").await.unwrap();
        assert!(write.commit().await.is_err());
        let write = database.write().await.unwrap();
        write.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_database_without_room_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("kijun.db").display());
        let database = Database::open(&url, 1).await.unwrap();
        let mut write = database.write().await.unwrap();
        write.connection().execute("PRAGMA max_page_count = 1").await.unwrap();
        let made = write.connection().execute("CREATE TABLE song (bird TEXT)").await;
        let error = StoreError::from(made.unwrap_err());
        assert!(error.is_full() && error.to_string().contains("disk is full"), "{error}");
        assert!(!StoreError::from(sqlx::Error::PoolTimedOut).is_full());
    }

    #[tokio::test]
    async fn what_is_committed_survives_a_power_cut() {
        const FULL: i64 = 2;
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("kijun.db").display());
        let database = Database::open(&url, 2).await.unwrap();
        let mut write = database.write().await.unwrap();
        let row = sqlx::query("PRAGMA synchronous").fetch_one(write.connection()).await.unwrap();
        assert_eq!(row.get::<i64, _>(0), FULL);
    }

    #[tokio::test]
    async fn what_is_deleted_is_not_left_in_the_file() {
        const CANARY: &str = "a canary that nobody may find";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kijun.db");
        let database = Database::open(&format!("sqlite://{}", path.display()), 1).await.unwrap();
        let found = || {
            let file = fs::read(&path).unwrap();
            file.windows(CANARY.len()).any(|bytes| bytes == CANARY.as_bytes())
        };
        let run = async |sql| {
            database.read().await.unwrap().execute(sqlx::raw_sql(sql)).await.unwrap();
        };
        run("CREATE TABLE song (bird TEXT); INSERT INTO song VALUES ('owl')").await;
        sqlx::query("INSERT INTO song VALUES ($1)")
            .bind(CANARY)
            .execute(&mut *database.read().await.unwrap())
            .await
            .unwrap();
        run("PRAGMA wal_checkpoint(TRUNCATE)").await;
        assert!(found(), "the test looks where it is");
        run("DELETE FROM song WHERE bird <> 'owl'; PRAGMA wal_checkpoint(TRUNCATE)").await;
        assert!(!found());
    }
}
