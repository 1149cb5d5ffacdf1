//! The lines of a batch: which node answers which of them, and their answers.
//!
//! Every change begins by locking the batch's row, so changes of one batch happen one after the
//! other. An answer is taken only from the node that has its slice, and only the first one to a
//! line: that is what makes every line answered exactly once.

use std::collections::HashSet;

use kernel::{BatchId, Scope, Timestamp, Usage};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use crate::columns::{Columns, places, to_number, unreadable};
use crate::database::Write;
use crate::redact::debug_only;
use crate::scope::one_project;
use crate::{Batch, BatchStatus, Lease, Slice, Store, StoreError};

/// A slice that a node has taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TakenSlice {
    /// The slice.
    pub slice: Slice,
    /// Its lines that have their answer already.
    pub answered: HashSet<u32>,
}

/// The answer to one line.
#[derive(Clone, PartialEq, Eq)]
pub struct NewBatchResult {
    /// The number of the slice that the line is of.
    pub slice: u32,
    /// The number of the line in the input file, counted from 1.
    pub line: u32,
    /// Whether it goes into the error file.
    pub failed: bool,
    /// Whether it is no answer, because the batch's time was over.
    pub expired: bool,
    /// The line as it will stand in that file. Content.
    pub body: Vec<u8>,
    /// What the answer used.
    pub usage: Usage,
}

debug_only!(NewBatchResult: slice, line, failed, expired);

/// A line's answer as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct BatchResult {
    /// The number of the line in the input file, counted from 1.
    pub line: u32,
    /// Whether it goes into the error file.
    pub failed: bool,
    /// The line as it will stand in that file. Content.
    pub body: Vec<u8>,
}

debug_only!(BatchResult: line, failed);

/// Where a node stands with a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The batch's status now.
    pub status: BatchStatus,
    /// The numbers of the slices that the node still has. Work on others is to be dropped.
    pub slices: HashSet<u32>,
}

/// Rows per statement.
const CHUNK: usize = 50;
/// A line's answer is counted with no more tokens than this, so that sums fit their columns.
const MOST_TOKENS: u64 = 1_000_000_000;

impl Store {
    /// Batches of all tenants that have slices which no living node works on, the oldest first.
    pub async fn batch_waiting(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Batch>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM batch WHERE status = 'in_progress'
               AND EXISTS (SELECT 1 FROM batch_slice WHERE batch_id = batch.id
                           AND (lease_until IS NULL OR lease_until <= $1))
             ORDER BY created_at LIMIT $2",
        )
        .bind(now.as_micros())
        .bind(i64::from(limit))
        .fetch_all(&mut *self.read().await?)
        .await?;
        let mut waiting = Vec::with_capacity(rows.len());
        for row in rows {
            match self.opened(row).await {
                Ok(batch) => waiting.push(batch),
                // One that was damaged must not hold up the others.
                Err(error) => tracing::error!(%error, "a batch cannot be read and is left"),
            }
        }
        Ok(waiting)
    }

    /// Leases a batch's first slice that no living node has; `None` when there is none.
    pub async fn batch_slice_claim(
        &self,
        scope: &Scope,
        id: &BatchId,
        lease: Lease<'_>,
        now: Timestamp,
    ) -> Result<Option<TakenSlice>, StoreError> {
        let mut write = self.write().await?;
        let batch = self.lock_batch(&mut write, scope, id).await?;
        if batch.word::<BatchStatus>("status")? != BatchStatus::InProgress {
            return Ok(None);
        }
        let row = sqlx::query(
            "UPDATE batch_slice SET node = $1, lease_until = $2
             WHERE batch_id = $3 AND number = (
                 SELECT MIN(number) FROM batch_slice
                 WHERE batch_id = $3 AND (lease_until IS NULL OR lease_until <= $4))
             RETURNING *",
        )
        .bind(lease.node)
        .bind(lease.until.as_micros())
        .bind(id.as_str())
        .bind(now.as_micros())
        .fetch_optional(write.connection())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let slice = slice(&row)?;
        let rows = sqlx::query(
            "SELECT line FROM batch_result WHERE batch_id = $1 AND line >= $2 AND line < $3",
        )
        .bind(id.as_str())
        .bind(i64::from(slice.first_line))
        .bind(i64::from(slice.first_line) + i64::from(slice.line_count))
        .fetch_all(write.connection())
        .await?;
        write.commit().await?;
        let answered = rows.iter().map(|row| small(row, "line")).collect::<Result<_, _>>()?;
        Ok(Some(TakenSlice { slice, answered }))
    }

    /// Renews a node's slices, those that it still has.
    pub async fn batch_slice_renew(
        &self,
        scope: &Scope,
        id: &BatchId,
        lease: Lease<'_>,
    ) -> Result<Standing, StoreError> {
        let mut write = self.write().await?;
        let batch = self.lock_batch(&mut write, scope, id).await?;
        let rows = sqlx::query(
            "UPDATE batch_slice SET lease_until = $1 WHERE batch_id = $2 AND node = $3
             RETURNING number",
        )
        .bind(lease.until.as_micros())
        .bind(id.as_str())
        .bind(lease.node)
        .fetch_all(write.connection())
        .await?;
        write.commit().await?;
        let slices = rows.iter().map(|row| small(row, "number")).collect::<Result<_, _>>()?;
        Ok(Standing { status: batch.word("status")?, slices })
    }

    /// Gives a node's slices back, for other nodes or a later start.
    pub async fn batch_slice_release(
        &self,
        scope: &Scope,
        id: &BatchId,
        node: &str,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        self.lock_batch(&mut write, scope, id).await?;
        sqlx::query(
            "UPDATE batch_slice SET node = NULL, lease_until = NULL
             WHERE batch_id = $1 AND node = $2",
        )
        .bind(id.as_str())
        .bind(node)
        .execute(write.connection())
        .await?;
        write.commit().await
    }

    /// Writes answers, and removes the slices that are done. Of answers to one line the first
    /// counts; those of slices that the node has no more change nothing. With the last slice of a
    /// batch its lines are all answered.
    pub async fn batch_result_insert(
        &self,
        scope: &Scope,
        id: &BatchId,
        node: &str,
        results: &[NewBatchResult],
        done: &[u32],
    ) -> Result<Standing, StoreError> {
        let sealer = self.sealer(one_project(scope, "a batch")?).await?;
        let mut sealed = Vec::with_capacity(results.len());
        for result in results {
            let place = place(id, result.line);
            sealed
                .push((result, sealer.seal_column("batch_result", "body", &place, &result.body)?));
        }
        let now = self.now();
        let mut write = self.write().await?;
        let batch = self.lock_batch(&mut write, scope, id).await?;
        let mut status: BatchStatus = batch.word("status")?;
        let mut ours = slices_of(&mut write, id, node).await?;
        sealed.retain(|(result, _)| ours.contains(&result.slice));
        let mut new = HashSet::with_capacity(sealed.len());
        for rows in sealed.chunks(CHUNK) {
            insert(&mut write, id, rows, &mut new).await?;
        }
        // Taken out, so that of two answers to one line only the first is counted.
        let fresh =
            sealed.iter().map(|(result, _)| *result).filter(|result| new.remove(&result.line));
        count(&mut write, id, fresh, now).await?;
        for number in done.iter().filter(|number| ours.contains(number)) {
            sqlx::query("DELETE FROM batch_slice WHERE batch_id = $1 AND number = $2")
                .bind(id.as_str())
                .bind(i64::from(*number))
                .execute(write.connection())
                .await?;
        }
        ours.retain(|number| !done.contains(number));
        if status == BatchStatus::InProgress && all_answered(&mut write, id, now).await? {
            status = BatchStatus::Finalizing;
        }
        write.commit().await?;
        Ok(Standing { status, slices: ours })
    }

    /// Answers in the order of their lines, from the first one behind `after`.
    pub async fn batch_results(
        &self,
        scope: &Scope,
        id: &BatchId,
        after: u32,
        limit: u32,
    ) -> Result<Vec<BatchResult>, StoreError> {
        let sealer = self.sealer(one_project(scope, "a batch")?).await?;
        let rows = sqlx::query(
            "SELECT r.line, r.failed, r.body FROM batch_result r JOIN batch b ON b.id = r.batch_id
             WHERE r.batch_id = $1 AND b.organization_id = $2
               AND ($3 IS NULL OR b.project_id = $3) AND r.line > $4
             ORDER BY r.line LIMIT $5",
        )
        .bind(id.as_str())
        .bind(scope.organization.as_str())
        .bind(crate::scope::project_of(scope))
        .bind(i64::from(after))
        .bind(i64::from(limit))
        .fetch_all(&mut *self.read().await?)
        .await?;
        let open = |row: &AnyRow| {
            let line = small(row, "line")?;
            let place = place(id, line);
            let body = sealer.open_column("batch_result", "body", &place, &row.bytes("body")?)?;
            Ok(BatchResult { line, failed: row.truth("failed")?, body: body.to_vec() })
        };
        rows.iter().map(open).collect()
    }

    /// Removes some of the answers of a batch whose files are there. Returns how many.
    pub async fn batch_result_remove(
        &self,
        scope: &Scope,
        id: &BatchId,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let mut write = self.write().await?;
        let batch = self.lock_batch(&mut write, scope, id).await?;
        if batch.time_or_null("written_at")?.is_none() {
            return Err(StoreError::conflict("batch", id.as_str(), "has no files yet"));
        }
        let removed = sqlx::query(
            "DELETE FROM batch_result WHERE batch_id = $1 AND line IN (
                 SELECT line FROM batch_result WHERE batch_id = $1 ORDER BY line LIMIT $2)",
        )
        .bind(id.as_str())
        .bind(i64::from(limit))
        .execute(write.connection())
        .await?;
        write.commit().await?;
        Ok(removed.rows_affected())
    }
}

/// The numbers of the slices that a node has.
async fn slices_of(
    write: &mut Write<'_>,
    id: &BatchId,
    node: &str,
) -> Result<HashSet<u32>, StoreError> {
    sqlx::query("SELECT number FROM batch_slice WHERE batch_id = $1 AND node = $2")
        .bind(id.as_str())
        .bind(node)
        .fetch_all(write.connection())
        .await?
        .iter()
        .map(|row| small(row, "number"))
        .collect()
}

/// Writes answers to lines that have none, and tells which these were.
async fn insert(
    write: &mut Write<'_>,
    id: &BatchId,
    rows: &[(&NewBatchResult, Vec<u8>)],
    new: &mut HashSet<u32>,
) -> Result<(), StoreError> {
    let values: Vec<_> =
        (0..rows.len()).map(|row| format!("($1, {})", places(2 + row * 3, 3))).collect();
    let sql = format!(
        "INSERT INTO batch_result (batch_id, line, failed, body) VALUES {}
         ON CONFLICT (batch_id, line) DO NOTHING RETURNING line",
        values.join(", ")
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(id.as_str());
    let query = rows.iter().fold(query, |query, (result, body)| {
        query.bind(i64::from(result.line)).bind(i64::from(result.failed)).bind(body.as_slice())
    });
    for row in query.fetch_all(write.connection()).await? {
        new.insert(small(&row, "line")?);
    }
    Ok(())
}

/// Counts answers that were written.
async fn count(
    write: &mut Write<'_>,
    id: &BatchId,
    results: impl Iterator<Item = &NewBatchResult>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (mut completed, mut failed, mut expired) = (0_i64, 0_i64, false);
    let mut tokens = [0_i64; 4];
    for NewBatchResult { failed: wrong, expired: late, usage, .. } in results {
        completed += i64::from(!wrong);
        failed += i64::from(*wrong);
        expired |= late;
        let used = [usage.input, usage.input_cached, usage.output, usage.output_reasoning];
        for (sum, used) in tokens.iter_mut().zip(used) {
            *sum = sum.saturating_add(to_number(used.min(MOST_TOKENS)));
        }
    }
    let [input, cached, output, reasoning] = tokens;
    sqlx::query(
        "UPDATE batch SET completed = completed + $1, failed = failed + $2,
             input_tokens = input_tokens + $3, input_cached_tokens = input_cached_tokens + $4,
             output_tokens = output_tokens + $5,
             output_reasoning_tokens = output_reasoning_tokens + $6,
             expired_at = COALESCE(expired_at, $7)
         WHERE id = $8",
    )
    .bind(completed)
    .bind(failed)
    .bind(input)
    .bind(cached)
    .bind(output)
    .bind(reasoning)
    .bind(expired.then(|| now.as_micros()))
    .bind(id.as_str())
    .execute(write.connection())
    .await?;
    Ok(())
}

/// Whether nothing is left to do of a batch; then it says so from now on.
async fn all_answered(
    write: &mut Write<'_>,
    id: &BatchId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let finalizing = sqlx::query(
        "UPDATE batch SET status = 'finalizing', finalizing_at = $1
         WHERE id = $2 AND NOT EXISTS (SELECT 1 FROM batch_slice WHERE batch_id = $2)",
    )
    .bind(now.as_micros())
    .bind(id.as_str())
    .execute(write.connection())
    .await?;
    Ok(finalizing.rows_affected() == 1)
}

/// A result's row, as its content is sealed for it.
fn place(id: &BatchId, line: u32) -> String {
    format!("{id}/{line}")
}

fn slice(row: &AnyRow) -> Result<Slice, StoreError> {
    Ok(Slice {
        number: small(row, "number")?,
        first_line: small(row, "first_line")?,
        line_count: small(row, "line_count")?,
        byte_offset: row.count("byte_offset")?,
        byte_length: row.count("byte_length")?,
    })
}

fn small(row: &AnyRow, column: &str) -> Result<u32, StoreError> {
    u32::try_from(row.number(column)?).map_err(|_| unreadable(column, "it is out of range"))
}
