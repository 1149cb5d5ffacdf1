//! The schema, forward only.
//!
//! Nodes of the version before may work on while a node of the new one migrates: a migration adds
//! what they do not know, with defaults, and changes nothing that they do. Each is a transaction of
//! its own, so a failed one leaves the database at the version before it. On SQLite readers see the
//! old state until it is committed. On PostgreSQL a change of a table waits for those who use it,
//! and whoever comes next waits behind it; so it waits for two seconds at most, lets them pass, and
//! tries again.

use std::time::Duration;

use kernel::Timestamp;
use sqlx::{AnyConnection, AssertSqlSafe, Executor};
use vault::{Aad, Vault, VaultError};

use crate::StoreError;
use crate::columns::Columns;
use crate::database::{Database, Engine};

/// One text per version for both databases. A released text never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_state.sql"),
    include_str!("../migrations/0003_files.sql"),
    include_str!("../migrations/0004_batches.sql"),
    include_str!("../migrations/0005_deletions.sql"),
    include_str!("../migrations/0006_money.sql"),
    include_str!("../migrations/0007_audit.sql"),
    include_str!("../migrations/0008_alerts.sql"),
    include_str!("../migrations/0009_counters.sql"),
    include_str!("../migrations/0010_master_keys.sql"),
];

/// The newest version.
pub(crate) const NEWEST: i64 = MIGRATIONS.len() as i64;

/// How often a migration is tried that cannot have its tables.
const ATTEMPTS: u32 = 30;
/// How long it lets others pass in between.
const PAUSE: Duration = Duration::from_secs(1);
/// How long it waits for its tables, with others waiting behind it.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '2s'";
/// PostgreSQL's code for a lock that was not to be had in that time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Brings the database to the newest version and checks that `vault` opens what it keeps sealed. No
/// two nodes migrate at once.
pub(crate) async fn migrate(
    database: &Database,
    vault: &Vault,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut attempt = 1;
    loop {
        match step(database, vault, now).await {
            Ok(Step::Done) => return Ok(()),
            Ok(Step::More) => attempt = 1,
            Err(Stopped::Busy) if attempt < ATTEMPTS => {
                tracing::warn!(attempt, "a migration waits for a table that others use");
                attempt += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(Stopped::Busy) => {
                return Err(StoreError::Unavailable {
                    reason: "a migration could not have its tables, since others use them all the \
                             time; end what holds them (see pg_stat_activity) and start again"
                        .into(),
                });
            }
            Err(Stopped::Failed(error)) => return Err(error),
        }
    }
}

enum Step {
    More,
    Done,
}

/// Why a step was undone.
enum Stopped {
    /// Another session uses a table.
    Busy,
    Failed(StoreError),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<sqlx::Error> for Stopped {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code());
        match code.as_deref() == Some(LOCK_NOT_AVAILABLE) {
            true => Self::Busy,
            false => Self::Failed(error.into()),
        }
    }
}

/// One transaction: the next migration, or all of them on an empty database, which nobody uses.
async fn step(database: &Database, vault: &Vault, now: Timestamp) -> Result<Step, Stopped> {
    let mut write = database.migration().await?;
    let connection = write.connection();
    let found = version(connection).await?;
    if found > NEWEST {
        return Err(StoreError::NewerDatabase { found, known: NEWEST }.into());
    }
    if database.engine() == Engine::Postgres && found > 0 {
        connection.execute(LOCK_TIMEOUT).await?;
    }
    let until = if found == 0 { NEWEST } else { (found + 1).min(NEWEST) };
    apply(connection, database.engine(), found, until, now).await?;
    if until == NEWEST {
        check_canary(connection, vault).await?;
    }
    write.commit().await?;
    Ok(if until == NEWEST { Step::Done } else { Step::More })
}

/// Brings a database of version `from` to version `until`.
pub(crate) async fn apply(
    connection: &mut AnyConnection,
    engine: Engine,
    from: i64,
    until: i64,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let wanted = |version: &i64| (from + 1..=until).contains(version);
    for (version, text) in (1i64..).zip(MIGRATIONS).filter(|(version, _)| wanted(version)) {
        let text = dialect(text, engine);
        connection.execute(sqlx::raw_sql(AssertSqlSafe(text))).await?;
        sqlx::query("INSERT INTO schema_version (version, applied_at) VALUES ($1, $2)")
            .bind(version)
            .bind(now.as_micros())
            .execute(&mut *connection)
            .await?;
        tracing::info!(version, "database migrated");
    }
    Ok(())
}

/// The database's version; 0 for an empty one, which then has the table that says so.
pub(crate) async fn version(connection: &mut AnyConnection) -> Result<i64, StoreError> {
    let table = "CREATE TABLE IF NOT EXISTS schema_version \
                 (version BIGINT PRIMARY KEY, applied_at BIGINT NOT NULL)";
    connection.execute(table).await?;
    sqlx::query("SELECT COALESCE(MAX(version), 0) AS version FROM schema_version")
        .fetch_one(connection)
        .await?
        .number("version")
}

/// The words in which the two databases differ.
fn dialect(text: &str, engine: Engine) -> String {
    let (bytes, clustered, unlogged) = match engine {
        // The ledger's ids grow with time, so keeping its rows in their order saves an index.
        Engine::Sqlite => ("BLOB", " WITHOUT ROWID", ""),
        // What may be lost in a crash need not be written twice.
        Engine::Postgres => ("BYTEA", "", " UNLOGGED"),
    };
    text.replace("{bytes}", bytes).replace("{clustered}", clustered).replace("{unlogged}", unlogged)
}

/// Where the sealed word lies.
pub(crate) fn canary_place() -> Aad {
    Aad::new("vault_canary", "sealed", "1")
}

/// Fails where the canary was sealed with a key that is not here.
pub(crate) fn open_canary(sealed: &[u8], vault: &Vault) -> Result<(), StoreError> {
    vault.open(&canary_place(), sealed).map(drop).map_err(wrong)
}

fn wrong(source: VaultError) -> StoreError {
    match source {
        VaultError::WrongMasterKey { .. } => StoreError::WrongMasterKey { source },
        source => StoreError::Sealed { what: "vault_canary".into(), source },
    }
}

/// Without this, a wrong master key would show only when the first credential is needed. The key
/// that the canary is sealed with is also the one that all seal with now.
pub(crate) async fn check_canary(
    connection: &mut AnyConnection,
    vault: &Vault,
) -> Result<(), StoreError> {
    let row =
        sqlx::query("SELECT sealed FROM vault_canary").fetch_optional(&mut *connection).await?;
    match row {
        Some(row) => {
            let sealed = row.bytes_or_null("sealed")?.unwrap_or_default();
            open_canary(&sealed, vault)?;
            vault.seal_with(Vault::sealed_with(&sealed).map_err(wrong)?).map_err(wrong)
        }
        None => {
            let sealed = vault.seal(&canary_place(), b"kijun").map_err(wrong)?;
            sqlx::query("INSERT INTO vault_canary (id, sealed) VALUES (1, $1)")
                .bind(sealed)
                .execute(connection)
                .await?;
            Ok(())
        }
    }
}
