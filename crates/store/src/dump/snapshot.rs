//! One state of a database, read while others write.

use std::collections::{BTreeMap, HashSet};

use futures_util::TryStreamExt as _;
use kernel::ProjectId;
use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Row as _, Transaction};
use vault::Vault;

use super::DumpSummary;
use super::frame::{End, Head, RowsWriter, Value, end, head};
use super::schema::{Kind, Table, tables};
use crate::columns::{Columns, places};
use crate::database::Database;
use crate::migrate::{NEWEST, open_canary};
use crate::{StoreConfig, StoreError};

/// Bytes of rows that are written at once.
const PIECE: usize = 1024 * 1024;

/// One state of a database: what was committed when it was opened, and nothing that comes later.
/// The schema stays as it is, also where it is older than this Kijun's. On SQLite, what is written
/// meanwhile stays in the write-ahead log until the snapshot is closed.
pub struct Snapshot {
    transaction: Transaction<'static, Any>,
    database: Database,
    version: i64,
    tables: Vec<Table>,
}

/// A blob that a row points to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlobEntry {
    /// Its name.
    pub blob: String,
    /// Its bytes, as their owner sent them.
    pub bytes: u64,
    /// Whose it is.
    pub project: ProjectId,
}

impl Snapshot {
    /// Opens the database that is there.
    ///
    /// # Errors
    /// [`StoreError::NewerDatabase`], and when it holds nothing of Kijun's.
    pub async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let database = Database::open(&config.url, config.max_connections.max(2)).await?;
        let mut transaction = database.snapshot().await?;
        let tables = tables(&mut transaction, database.engine()).await?;
        if tables.iter().all(|table| table.name != "schema_version") {
            let reason = "it holds nothing of Kijun's; say where the database is with --data-dir \
                          or --config";
            return Err(StoreError::InvalidUrl { reason: reason.into() });
        }
        let found = sqlx::query("SELECT MAX(version) AS version FROM schema_version")
            .fetch_one(&mut *transaction)
            .await?
            .number("version")?;
        if found > NEWEST {
            return Err(StoreError::NewerDatabase { found, known: NEWEST });
        }
        Ok(Self { transaction, database, version: found, tables })
    }

    /// The version of its schema.
    pub const fn schema_version(&self) -> i64 {
        self.version
    }

    /// Looks whether what the database keeps sealed can be opened with these keys.
    ///
    /// # Errors
    /// [`StoreError::WrongMasterKey`]
    pub async fn check_master_key(&mut self, vault: &Vault) -> Result<(), StoreError> {
        if self.tables.iter().all(|table| table.name != "vault_canary") {
            return Ok(());
        }
        let row = sqlx::query("SELECT sealed FROM vault_canary")
            .fetch_optional(&mut *self.transaction)
            .await?;
        match row {
            Some(row) => open_canary(&row.bytes_or_null("sealed")?.unwrap_or_default(), vault),
            None => Ok(()),
        }
    }

    /// Writes all rows, in pieces of a megabyte or so, or of one row where that is larger.
    ///
    /// # Errors
    /// When the database cannot be read, and what `write` fails with.
    pub async fn dump<E: From<StoreError>>(
        &mut self,
        mut write: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<DumpSummary, E> {
        let Self { transaction, tables, version, .. } = self;
        write(&head(&Head { schema_version: *version, tables: tables.clone() })?)?;
        let mut counts = BTreeMap::new();
        for (number, table) in tables.iter().enumerate() {
            let sql = format!("SELECT {} FROM {}", table.quoted().join(", "), table.name);
            let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(&mut **transaction);
            let mut writer = RowsWriter::of(number)?;
            let mut count = 0;
            while let Some(row) = rows.try_next().await.map_err(StoreError::from)? {
                push(&mut writer, table, &row)?;
                count += 1;
                if writer.len() >= PIECE
                    && let Some(frame) = writer.take()?
                {
                    write(&frame)?;
                }
            }
            if let Some(frame) = writer.take()? {
                write(&frame)?;
            }
            counts.insert(table.name.clone(), count);
        }
        write(&end(&End { rows: counts.clone() })?)?;
        Ok(DumpSummary { schema_version: *version, rows: counts })
    }

    /// Every blob that a row points to.
    pub async fn blobs(&mut self) -> Result<Vec<BlobEntry>, StoreError> {
        if self.tables.iter().all(|table| table.name != "file_blob") {
            return Ok(Vec::new());
        }
        let mut rows = sqlx::query(
            "SELECT b.blob, b.bytes, f.project_id FROM file_blob b JOIN file f ON f.id = b.file_id
             UNION ALL
             SELECT p.blob, p.bytes, u.project_id FROM upload_part p
             JOIN upload u ON u.id = p.upload_id",
        )
        .fetch(&mut *self.transaction);
        let mut blobs = Vec::new();
        while let Some(row) = rows.try_next().await? {
            blobs.push(BlobEntry {
                blob: row.text("blob")?,
                bytes: row.count("bytes")?,
                project: row.text("project_id")?.into(),
            });
        }
        Ok(blobs)
    }

    /// Lets go of the state, and keeps a connection for [`Snapshot::still_there`].
    pub async fn release(self) -> Result<Released, StoreError> {
        self.transaction.rollback().await?;
        Ok(Released(self.database))
    }
}

/// A database of which the state was let go.
pub struct Released(Database);

impl Released {
    /// Which of these blobs a row points to now.
    pub async fn still_there(&self, blobs: &[String]) -> Result<HashSet<String>, StoreError> {
        let mut there = HashSet::new();
        for some in blobs.chunks(500) {
            let places = places(1, some.len());
            let sql = format!(
                "SELECT blob FROM file_blob WHERE blob IN ({places})
                 UNION ALL SELECT blob FROM upload_part WHERE blob IN ({places})"
            );
            let query = sqlx::query(AssertSqlSafe(sql));
            let query = some.iter().fold(query, |query, blob| query.bind(blob.as_str()));
            for row in query.fetch_all(&mut *self.0.read().await?).await? {
                there.insert(row.text("blob")?);
            }
        }
        Ok(there)
    }

    /// Closes the connections.
    pub async fn close(self) {
        self.0.close().await;
    }
}

fn push(writer: &mut RowsWriter, table: &Table, row: &AnyRow) -> Result<(), StoreError> {
    for (at, column) in table.columns.iter().enumerate() {
        let value = match column.kind {
            Kind::Number => row.try_get::<Option<i64>, _>(at)?.map(Value::Number),
            Kind::Text => row.try_get::<Option<String>, _>(at)?.map(Value::Text),
            Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(at)?.map(Value::Bytes),
        };
        writer.push(&value.unwrap_or(Value::Null))?;
    }
    writer.end_row();
    Ok(())
}
