//! The schema, forward only.

use sqlx::{AssertSqlSafe, Executor};
use vault::{Aad, Vault, VaultError};

use crate::StoreError;
use crate::columns::Columns;
use crate::database::{Database, Engine, Write};

/// One text per version for both databases. A released text never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_state.sql"),
    include_str!("../migrations/0003_files.sql"),
    include_str!("../migrations/0004_batches.sql"),
    include_str!("../migrations/0005_deletions.sql"),
];

/// Brings the database to the newest version and checks that `vault` opens what it keeps sealed;
/// all of it in one transaction that no other node's migration runs beside.
pub(crate) async fn migrate(
    database: &Database,
    vault: &Vault,
    now: kernel::Timestamp,
) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let mut write = database.migration().await?;
    let found = version(&mut write).await?;
    if found > known {
        return Err(StoreError::NewerDatabase { found, known });
    }
    for (version, text) in (1i64..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        let text = dialect(text, database.engine());
        write.connection().execute(sqlx::raw_sql(AssertSqlSafe(text))).await?;
        sqlx::query("INSERT INTO schema_version (version, applied_at) VALUES ($1, $2)")
            .bind(version)
            .bind(now.as_micros())
            .execute(write.connection())
            .await?;
        tracing::info!(version, "database migrated");
    }
    check_canary(&mut write, vault).await?;
    write.commit().await
}

async fn version(write: &mut Write<'_>) -> Result<i64, StoreError> {
    let table = "CREATE TABLE IF NOT EXISTS schema_version \
                 (version BIGINT PRIMARY KEY, applied_at BIGINT NOT NULL)";
    write.connection().execute(table).await?;
    sqlx::query("SELECT COALESCE(MAX(version), 0) AS version FROM schema_version")
        .fetch_one(write.connection())
        .await?
        .number("version")
}

/// The words in which the two databases differ.
fn dialect(text: &str, engine: Engine) -> String {
    let (bytes, clustered) = match engine {
        // The ledger's ids grow with time, so keeping its rows in their order saves an index.
        Engine::Sqlite => ("BLOB", " WITHOUT ROWID"),
        Engine::Postgres => ("BYTEA", ""),
    };
    text.replace("{bytes}", bytes).replace("{clustered}", clustered)
}

/// Without this, a wrong master key would show only when the first credential is needed.
async fn check_canary(write: &mut Write<'_>, vault: &Vault) -> Result<(), StoreError> {
    let place = Aad::new("vault_canary", "sealed", "1");
    let wrong = |source| match source {
        VaultError::WrongMasterKey { .. } => StoreError::WrongMasterKey { source },
        source => StoreError::Sealed { what: "vault_canary".into(), source },
    };
    let row =
        sqlx::query("SELECT sealed FROM vault_canary").fetch_optional(write.connection()).await?;
    match row {
        Some(row) => {
            let sealed = row.bytes_or_null("sealed")?.unwrap_or_default();
            vault.open(&place, &sealed).map(|_| ()).map_err(wrong)
        }
        None => {
            let sealed = vault.seal(&place, b"kijun").map_err(wrong)?;
            sqlx::query("INSERT INTO vault_canary (id, sealed) VALUES (1, $1)")
                .bind(sealed)
                .execute(write.connection())
                .await?;
            Ok(())
        }
    }
}
