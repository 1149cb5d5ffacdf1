//! A dump into an empty database.

use std::collections::BTreeMap;

use kernel::Timestamp;
use sqlx::{Any, AssertSqlSafe, Executor as _, Transaction};
use vault::Vault;

use super::DumpSummary;
use super::frame::{End, Frame, Frames, Head, Value, broken};
use super::schema::{Kind, Table, tables};
use crate::database::Database;
use crate::many_rows::{in_chunks, insert_statement};
use crate::migrate::{NEWEST, apply, check_canary, version};
use crate::{StoreConfig, StoreError};

/// A dump on its way into a database. All of it is one transaction: until
/// [`finish`](Self::finish) returns, the database is as empty as before.
pub struct Loader {
    transaction: Transaction<'static, Any>,
    database: Database,
    frames: Frames,
    tables: Vec<Table>,
    summary: DumpSummary,
    end: Option<End>,
    now: Timestamp,
}

impl Loader {
    /// Begins, with a database that has no tables yet; a SQLite file is made if there is none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is something in it.
    pub async fn begin(config: &StoreConfig, now: Timestamp) -> Result<Self, StoreError> {
        let database = Database::open(&config.url, config.max_connections).await?;
        let mut transaction = database.alone().await?;
        if !tables(&mut transaction, database.engine()).await?.is_empty() {
            let reason = "is not empty; restore into a new one";
            return Err(StoreError::conflict("database", "that was named", reason));
        }
        Ok(Self {
            transaction,
            database,
            frames: Frames::default(),
            tables: Vec::new(),
            summary: DumpSummary::default(),
            end: None,
            now,
        })
    }

    /// Takes the next bytes of the dump.
    ///
    /// # Errors
    /// When they are none, or the database does not take them.
    pub async fn feed(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.frames.feed(bytes);
        while let Some(frame) = self.frames.next()? {
            match frame {
                Frame::Head(head) => self.prepare(head).await?,
                Frame::Rows(table, rows) => self.insert(table, rows).await?,
                Frame::End(end) => self.end = Some(end),
            }
        }
        Ok(())
    }

    /// What came so far.
    pub const fn summary(&self) -> &DumpSummary {
        &self.summary
    }

    /// Removes files and uploads that lack one of these blobs. Returns how many.
    pub async fn remove_files_of(&mut self, blobs: &[String]) -> Result<u64, StoreError> {
        let mut removed = 0;
        for blob in blobs {
            for sql in [
                "DELETE FROM file WHERE id IN (SELECT file_id FROM file_blob WHERE blob = $1)",
                "DELETE FROM upload WHERE id IN (SELECT upload_id FROM upload_part WHERE blob = $1)",
            ] {
                let query = sqlx::query(sql).bind(blob.as_str());
                removed += query.execute(&mut *self.transaction).await?.rows_affected();
            }
        }
        Ok(removed)
    }

    /// Brings the schema to the newest version, looks whether `vault` opens what is sealed, and
    /// makes all of it last.
    ///
    /// # Errors
    /// When the dump was not whole; then nothing of it is in the database.
    pub async fn finish(mut self, vault: Option<&Vault>) -> Result<DumpSummary, StoreError> {
        self.frames.finish()?;
        if self.end.is_none_or(|end| end.rows != self.summary.rows) {
            return Err(broken("it has not as many rows as it says"));
        }
        let (engine, from) = (self.database.engine(), self.summary.schema_version);
        apply(&mut self.transaction, engine, from, NEWEST, self.now).await?;
        if let Some(vault) = vault {
            check_canary(&mut self.transaction, vault).await?;
        }
        self.transaction.commit().await?;
        self.database.close().await;
        Ok(self.summary)
    }

    /// Makes the tables as they were where the dump was taken.
    async fn prepare(&mut self, head: Head) -> Result<(), StoreError> {
        let Head { schema_version: found, tables: wanted } = head;
        if found > NEWEST {
            return Err(StoreError::NewerDatabase { found, known: NEWEST });
        }
        let engine = self.database.engine();
        let from = version(&mut self.transaction).await?;
        apply(&mut self.transaction, engine, from, found, self.now).await?;
        let here = tables(&mut self.transaction, engine).await?;
        for table in &wanted {
            let sorted = |table: &Table| {
                let mut columns = table.columns.clone();
                columns.sort();
                columns
            };
            let known = here.iter().find(|own| own.name == table.name);
            if known.is_none_or(|own| sorted(own) != sorted(table)) {
                let reason = format!("version {found} has no table `{}` as it has", table.name);
                return Err(broken(reason));
            }
            // Migrations have put first rows into some.
            let clear = format!("DELETE FROM {}", table.name);
            self.transaction.execute(AssertSqlSafe(clear)).await?;
        }
        let counts = wanted.iter().map(|table| (table.name.clone(), 0));
        self.summary =
            DumpSummary { schema_version: found, rows: counts.collect::<BTreeMap<_, _>>() };
        self.tables = wanted;
        Ok(())
    }

    async fn insert(&mut self, number: usize, rows: Vec<Vec<Value>>) -> Result<(), StoreError> {
        let table = self.tables.get(number).ok_or_else(|| broken("it has rows of no table"))?;
        let columns = table.quoted();
        let columns: Vec<_> = columns.iter().map(String::as_str).collect();
        let engine = self.database.engine();
        for rows in in_chunks(engine, &rows) {
            let sql = insert_statement(engine, &table.name, &columns, rows.len());
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for row in rows {
                for (value, column) in row.iter().zip(&table.columns) {
                    query = match (value.clone(), column.kind) {
                        (Value::Null, Kind::Number) => query.bind(None::<i64>),
                        (Value::Null, Kind::Text) => query.bind(None::<String>),
                        (Value::Null, Kind::Bytes) => query.bind(None::<Vec<u8>>),
                        (Value::Number(number), _) => query.bind(number),
                        (Value::Text(text), _) => query.bind(text),
                        (Value::Bytes(bytes), _) => query.bind(bytes),
                    };
                }
            }
            query.execute(&mut *self.transaction).await?;
        }
        if let Some(count) = self.summary.rows.get_mut(&table.name) {
            *count += rows.len() as u64;
        }
        Ok(())
    }
}
