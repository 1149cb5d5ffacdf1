//! The work that one node does for a whole batch: checking its input at the beginning, writing its
//! files at the end.
//!
//! These methods are for the nodes' own work. Those that look for some reach every tenant's rows;
//! each row says whose it is.

use kernel::{BatchId, FileId, Scope, Timestamp};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use crate::batch::find;
use crate::columns::{Columns, to_number, without_nul};
use crate::database::Engine;
use crate::{Batch, BatchStatus, Lease, Store, StoreError};

/// A run of lines of a batch's input file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slice {
    /// Its place among the batch's slices.
    pub number: u32,
    /// The number of its first line in the file, counted from 1.
    pub first_line: u32,
    /// How many lines of the file it has.
    pub line_count: u32,
    /// Where it begins in the file.
    pub byte_offset: u64,
    /// How long it is.
    pub byte_length: u64,
}

/// What checking a batch's input found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BatchPlan {
    /// How many lines are to be answered.
    pub total: u64,
    /// The model that the first line asks for.
    pub model: Option<String>,
    /// The whole file in pieces.
    pub slices: Vec<Slice>,
}

/// Rows per statement.
const CHUNK: usize = 100;

impl Store {
    /// Leases a batch that waits to be checked or finalised, the oldest first. Of several nodes
    /// that ask at once, each gets another. What is left to do of a cancelled batch is dropped
    /// here, so that nobody who still works on it can add to it any more.
    pub async fn batch_claim(
        &self,
        lease: Lease<'_>,
        now: Timestamp,
    ) -> Result<Option<Batch>, StoreError> {
        let skip = match self.database().engine() {
            Engine::Sqlite => "",
            Engine::Postgres => "FOR UPDATE SKIP LOCKED",
        };
        let mut write = self.write().await?;
        let claimed = sqlx::query(AssertSqlSafe(format!(
            "UPDATE batch SET node = $1, lease_until = $2 WHERE id IN (
                 SELECT id FROM batch
                 WHERE (lease_until IS NULL OR lease_until <= $3)
                   AND (status IN ('validating', 'finalizing') OR status = 'cancelling'
                        AND NOT EXISTS (SELECT 1 FROM batch_slice
                                        WHERE batch_id = batch.id AND lease_until > $3))
                 ORDER BY created_at LIMIT 1 {skip}
             ) RETURNING *"
        )))
        .bind(lease.node)
        .bind(lease.until.as_micros())
        .bind(now.as_micros())
        .fetch_optional(write.connection())
        .await?;
        let Some(row) = claimed else { return Ok(None) };
        if row.word::<BatchStatus>("status")? == BatchStatus::Cancelling {
            sqlx::query("DELETE FROM batch_slice WHERE batch_id = $1")
                .bind(row.text("id")?)
                .execute(write.connection())
                .await?;
        }
        write.commit().await?;
        self.opened(row).await.map(Some)
    }

    /// Renews the lease of a batch that is being checked or finalised. Returns false when it is not
    /// this node's any more: then the work is to be dropped.
    pub async fn batch_renew(
        &self,
        scope: &Scope,
        id: &BatchId,
        lease: Lease<'_>,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let ours = self.lock_ours(&mut write, scope, id, lease.node).await?;
        if ours.is_some() {
            sqlx::query("UPDATE batch SET lease_until = $1 WHERE id = $2")
                .bind(lease.until.as_micros())
                .bind(id.as_str())
                .execute(write.connection())
                .await?;
            write.commit().await?;
        }
        Ok(ours.is_some())
    }

    /// Gives a batch back, for another node or a later try.
    pub async fn batch_release(
        &self,
        scope: &Scope,
        id: &BatchId,
        node: &str,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        if self.lock_ours(&mut write, scope, id, node).await?.is_some() {
            release(&mut write, id).await?;
            write.commit().await?;
        }
        Ok(())
    }

    /// The input is right: its lines may be answered from now on. Returns false when the batch was
    /// cancelled meanwhile, or is not this node's any more.
    pub async fn batch_validated(
        &self,
        scope: &Scope,
        id: &BatchId,
        node: &str,
        plan: &BatchPlan,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let mut write = self.write().await?;
        let ours = self.lock_ours(&mut write, scope, id, node).await?;
        if ours != Some(BatchStatus::Validating) {
            return Ok(false);
        }
        for slices in plan.slices.chunks(CHUNK) {
            let places: Vec<_> = (0..slices.len())
                .map(|row| format!("($1, {})", crate::columns::places(2 + row * 5, 5)))
                .collect();
            let sql = format!(
                "INSERT INTO batch_slice
                     (batch_id, number, first_line, line_count, byte_offset, byte_length)
                 VALUES {}",
                places.join(", ")
            );
            let query = sqlx::query(AssertSqlSafe(sql)).bind(id.as_str());
            let query = slices.iter().fold(query, |query, slice| {
                query
                    .bind(i64::from(slice.number))
                    .bind(i64::from(slice.first_line))
                    .bind(i64::from(slice.line_count))
                    .bind(to_number(slice.byte_offset))
                    .bind(to_number(slice.byte_length))
            });
            query.execute(write.connection()).await?;
        }
        sqlx::query(
            "UPDATE batch SET status = 'in_progress', in_progress_at = $1, total = $2, model = $3,
                 node = NULL, lease_until = NULL
             WHERE id = $4",
        )
        .bind(now.as_micros())
        .bind(to_number(plan.total))
        .bind(plan.model.as_deref().map(without_nul))
        .bind(id.as_str())
        .execute(write.connection())
        .await?;
        write.commit().await?;
        Ok(true)
    }

    /// The input is wrong, as this JSON array says. Returns false as [`Store::batch_validated`].
    pub async fn batch_failed(
        &self,
        scope: &Scope,
        id: &BatchId,
        node: &str,
        errors: &str,
    ) -> Result<bool, StoreError> {
        let project = crate::scope::one_project(scope, "a batch")?;
        let errors =
            self.seal_for(project, "batch", "errors", id.as_str(), errors.as_bytes()).await?;
        let now = self.now();
        let mut write = self.write().await?;
        let ours = self.lock_ours(&mut write, scope, id, node).await?;
        if ours != Some(BatchStatus::Validating) {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE batch SET status = 'failed', failed_at = $1, errors = $2,
                 node = NULL, lease_until = NULL
             WHERE id = $3",
        )
        .bind(now.as_micros())
        .bind(errors)
        .bind(id.as_str())
        .execute(write.connection())
        .await?;
        write.commit().await?;
        Ok(true)
    }

    /// The batch's files are there. From now on nobody writes them again, and the results that went
    /// into them may go. Returns false when the batch is not this node's any more.
    pub async fn batch_written(
        &self,
        scope: &Scope,
        id: &BatchId,
        node: &str,
        output: Option<&FileId>,
        error: Option<&FileId>,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let mut write = self.write().await?;
        let ours = self.lock_ours(&mut write, scope, id, node).await?.is_some();
        if ours {
            sqlx::query(
                "UPDATE batch SET written_at = $1, output_file_id = $2, error_file_id = $3
                 WHERE id = $4",
            )
            .bind(now.as_micros())
            .bind(output.map(FileId::as_str))
            .bind(error.map(FileId::as_str))
            .bind(id.as_str())
            .execute(write.connection())
            .await?;
            write.commit().await?;
        }
        Ok(ours)
    }

    /// Ends a batch whose files are there and whose results are gone. Returns false when it is not
    /// this node's any more.
    pub async fn batch_finish(
        &self,
        scope: &Scope,
        id: &BatchId,
        node: &str,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let mut write = self.write().await?;
        let ours = self.lock_ours(&mut write, scope, id, node).await?;
        let end = match ours {
            Some(BatchStatus::Finalizing) => {
                "status = CASE WHEN expired_at IS NULL THEN 'completed' ELSE 'expired' END,
                 completed_at = CASE WHEN expired_at IS NULL THEN CAST($1 AS BIGINT) END,
                 expired_at = CASE WHEN expired_at IS NULL THEN NULL ELSE CAST($1 AS BIGINT) END"
            }
            Some(BatchStatus::Cancelling) => "status = 'cancelled', cancelled_at = $1",
            _ => return Ok(false),
        };
        sqlx::query(AssertSqlSafe(format!(
            "UPDATE batch SET {end}, node = NULL, lease_until = NULL
             WHERE id = $2 AND written_at IS NOT NULL"
        )))
        .bind(now.as_micros())
        .bind(id.as_str())
        .execute(write.connection())
        .await?;
        write.commit().await?;
        Ok(true)
    }

    /// Holds the batch's row until the transaction is over. Every change of a batch begins with
    /// this, so that changes of one batch happen one after the other.
    pub(crate) async fn lock_batch(
        &self,
        write: &mut crate::database::Write<'_>,
        scope: &Scope,
        id: &BatchId,
    ) -> Result<AnyRow, StoreError> {
        find(write.connection(), scope, id, self.row_lock()).await
    }

    /// As [`Store::lock_batch`]; the status, if this node has the batch's lease.
    async fn lock_ours(
        &self,
        write: &mut crate::database::Write<'_>,
        scope: &Scope,
        id: &BatchId,
        node: &str,
    ) -> Result<Option<BatchStatus>, StoreError> {
        let row = self.lock_batch(write, scope, id).await?;
        let ours = row.text_or_null("node")?.is_some_and(|holder| holder == node);
        ours.then(|| row.word("status")).transpose()
    }
}

async fn release(write: &mut crate::database::Write<'_>, id: &BatchId) -> Result<(), StoreError> {
    sqlx::query("UPDATE batch SET node = NULL, lease_until = NULL WHERE id = $1")
        .bind(id.as_str())
        .execute(write.connection())
        .await?;
    Ok(())
}
