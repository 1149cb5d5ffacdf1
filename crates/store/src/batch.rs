//! Batches: what was asked for, and how far it is.

use std::time::Duration;

use kernel::{
    ApiKeyId, BatchId, FileId, OrganizationId, ProjectId, Scope, ServiceAccountId, Timestamp, Usage,
};
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::columns::{Columns, to_number, unreadable};
use crate::database::Engine;
use crate::redact::debug_only;
use crate::scope::{one_project, project_of};
use crate::{Page, Paged, Sealer, Store, StoreError};

/// How far a batch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchStatus {
    /// Its input file is being checked, or waits for that.
    Validating,
    /// Its input file is wrong.
    Failed,
    /// Its lines are being answered.
    InProgress,
    /// Every line has its answer; the files are being written.
    Finalizing,
    /// Its files are there.
    Completed,
    /// Its files are there, but not every line was answered in time.
    Expired,
    /// It was cancelled; what is under way ends, and the files are written.
    Cancelling,
    /// It was cancelled, and its files hold what was answered before.
    Cancelled,
}

impl BatchStatus {
    /// The name that the database and the API use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::Failed => "failed",
            Self::InProgress => "in_progress",
            Self::Finalizing => "finalizing",
            Self::Completed => "completed",
            Self::Expired => "expired",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A batch as it was asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct NewBatch {
    /// The key that asked for it.
    pub api_key: ApiKeyId,
    /// Whose key, where a service account owns it.
    pub service_account: Option<ServiceAccountId>,
    /// The path that all its lines go to, such as `/v1/chat/completions`.
    pub endpoint: String,
    /// The time it may take, in the client's words.
    pub completion_window: String,
    /// When that time is over.
    pub expires_at: Timestamp,
    /// The file of its lines.
    pub input_file: FileId,
    /// How long its own files are kept; `None`: as long as the project keeps content.
    pub output_lifetime: Option<Duration>,
    /// What the client noted with it, a JSON object.
    pub metadata: Option<String>,
}

debug_only!(NewBatch: api_key, endpoint, expires_at, input_file);

/// A batch.
#[derive(Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// In which project.
    pub project: ProjectId,
    /// The key that asked for it.
    pub api_key: ApiKeyId,
    /// Whose key, where a service account owns it.
    pub service_account: Option<ServiceAccountId>,
    /// The path that all its lines go to, such as `/v1/chat/completions`.
    pub endpoint: String,
    /// The time it may take, in the client's words.
    pub completion_window: String,
    /// The file of its lines.
    pub input_file: FileId,
    /// The file of its answers.
    pub output_file: Option<FileId>,
    /// The file of the lines that failed.
    pub error_file: Option<FileId>,
    /// How long those files are kept; `None`: as long as the project keeps content.
    pub output_lifetime: Option<Duration>,
    /// The model that its first line asks for.
    pub model: Option<String>,
    /// How far it is.
    pub status: BatchStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the time that it may take is over.
    pub expires_at: Timestamp,
    /// When its lines began to be answered.
    pub in_progress_at: Option<Timestamp>,
    /// When its last line had its answer.
    pub finalizing_at: Option<Timestamp>,
    /// When its files were there; until then, results are kept apart.
    pub written_at: Option<Timestamp>,
    /// When it was completed.
    pub completed_at: Option<Timestamp>,
    /// When its input was found wrong.
    pub failed_at: Option<Timestamp>,
    /// When lines were first given up because the time was over.
    pub expired_at: Option<Timestamp>,
    /// When it was told to stop.
    pub cancelling_at: Option<Timestamp>,
    /// When it had stopped.
    pub cancelled_at: Option<Timestamp>,
    /// How many lines there are, and how many have their answer.
    pub counts: BatchCounts,
    /// The tokens of all answers so far.
    pub usage: Usage,
    /// What the client noted with it, a JSON object. Content.
    pub metadata: Option<String>,
    /// What is wrong with its input, a JSON array. Content: it may quote a line.
    pub errors: Option<String>,
}

debug_only!(Batch: id, project, endpoint, status, counts, created_at, input_file);

impl Batch {
    /// The rows that its key may reach.
    pub fn scope(&self) -> Scope {
        Scope { organization: self.organization.clone(), project: Some(self.project.clone()) }
    }
}

/// How many lines a batch has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BatchCounts {
    /// In all.
    pub total: u64,
    /// Answered.
    pub completed: u64,
    /// Answered with an error, or not in time.
    pub failed: u64,
}

impl Store {
    /// Makes a batch in the scope's project. It waits for a node to check its input.
    pub async fn batch_create(&self, scope: &Scope, new: &NewBatch) -> Result<Batch, StoreError> {
        let project = one_project(scope, "a batch")?;
        let now = self.now();
        let id = BatchId::new(now, self.rng());
        let sealer = self.sealer(project).await?;
        let seal =
            |text: &String| sealer.seal_column("batch", "metadata", id.as_str(), text.as_bytes());
        let metadata = new.metadata.as_ref().map(seal).transpose()?;
        let lifetime = new.output_lifetime.map(|lifetime| to_number(lifetime.as_secs()));
        let mut write = self.write().await?;
        let row = sqlx::query(
            "INSERT INTO batch (id, organization_id, project_id, api_key_id, service_account_id,
                 endpoint, completion_window, input_file_id, output_lifetime_secs, status,
                 created_at, expires_at, metadata, total, completed, failed, input_tokens,
                 input_cached_tokens, output_tokens, output_reasoning_tokens)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'validating', $10, $11, $12,
                 0, 0, 0, 0, 0, 0, 0)
             RETURNING *",
        )
        .bind(id.as_str())
        .bind(scope.organization.as_str())
        .bind(project.as_str())
        .bind(new.api_key.as_str())
        .bind(new.service_account.as_ref().map(ServiceAccountId::as_str))
        .bind(new.endpoint.as_str())
        .bind(new.completion_window.as_str())
        .bind(new.input_file.as_str())
        .bind(lifetime)
        .bind(now.as_micros())
        .bind(new.expires_at.as_micros())
        .bind(metadata)
        .fetch_one(write.connection())
        .await?;
        write.commit().await?;
        batch(&row, &sealer)
    }

    /// One batch in the scope.
    pub async fn batch_get(&self, scope: &Scope, id: &BatchId) -> Result<Batch, StoreError> {
        let row = find(&mut *self.read().await?, scope, id, "").await?;
        self.opened(row).await
    }

    /// The batches in the scope, the newest first; `page.after` is the last id of the page before.
    pub async fn batch_list(&self, scope: &Scope, page: &Page) -> Result<Paged<Batch>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM batch
             WHERE organization_id = $1 AND ($2 IS NULL OR project_id = $2)
               AND ($3 IS NULL OR id < $3)
             ORDER BY id DESC LIMIT $4",
        )
        .bind(scope.organization.as_str())
        .bind(project_of(scope))
        .bind(page.after.as_deref())
        .bind(page.fetch())
        .fetch_all(&mut *self.read().await?)
        .await?;
        let mut batches = Vec::with_capacity(rows.len());
        for row in rows {
            batches.push(self.opened(row).await?);
        }
        Ok(Paged::cut(batches, page))
    }

    /// Tells a batch to stop. What nodes have not begun stays undone; telling it again changes
    /// nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when its lines are all answered, or it is over.
    pub async fn batch_cancel(&self, scope: &Scope, id: &BatchId) -> Result<Batch, StoreError> {
        let now = self.now();
        let mut write = self.write().await?;
        let row = find(write.connection(), scope, id, self.row_lock()).await?;
        let row = match row.word("status")? {
            BatchStatus::Cancelling | BatchStatus::Cancelled => row,
            BatchStatus::Validating | BatchStatus::InProgress => {
                // What a node has under way it ends by itself, and keeps.
                sqlx::query(
                    "DELETE FROM batch_slice
                     WHERE batch_id = $1 AND (lease_until IS NULL OR lease_until <= $2)",
                )
                .bind(id.as_str())
                .bind(now.as_micros())
                .execute(write.connection())
                .await?;
                sqlx::query(
                    "UPDATE batch SET status = 'cancelling', cancelling_at = $1 WHERE id = $2
                     RETURNING *",
                )
                .bind(now.as_micros())
                .bind(id.as_str())
                .fetch_one(write.connection())
                .await?
            }
            over => {
                let reason = format!("has the status `{}` and cannot be cancelled", over.as_str());
                return Err(StoreError::conflict("batch", id.as_str(), reason));
            }
        };
        write.commit().await?;
        self.opened(row).await
    }

    /// What a `SELECT` ends with that holds its rows until the transaction is over. SQLite has one
    /// writer at a time anyway.
    pub(crate) fn row_lock(&self) -> &'static str {
        match self.database().engine() {
            Engine::Sqlite => "",
            Engine::Postgres => "FOR UPDATE",
        }
    }

    /// The row with its sealed columns opened.
    pub(crate) async fn opened(&self, row: AnyRow) -> Result<Batch, StoreError> {
        batch(&row, &self.sealer(&row.text("project_id")?.into()).await?)
    }
}

/// The batch's row, if it is in the scope.
pub(crate) async fn find(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: &BatchId,
    lock: &'static str,
) -> Result<AnyRow, StoreError> {
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT * FROM batch
         WHERE id = $1 AND organization_id = $2 AND ($3 IS NULL OR project_id = $3) {lock}"
    )))
    .bind(id.as_str())
    .bind(scope.organization.as_str())
    .bind(project_of(scope))
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| StoreError::not_found("batch", id.as_str()))
}

pub(crate) fn batch(row: &AnyRow, sealer: &Sealer) -> Result<Batch, StoreError> {
    let id: BatchId = row.text("id")?.into();
    let open = |column: &str| -> Result<Option<String>, StoreError> {
        let Some(sealed) = row.bytes_or_null(column)? else { return Ok(None) };
        let opened = sealer.open_column("batch", column, id.as_str(), &sealed)?;
        let text = std::str::from_utf8(&opened).map_err(|e| unreadable(column, e.to_string()))?;
        Ok(Some(text.to_owned()))
    };
    let lifetime = row.number_or_null("output_lifetime_secs")?;
    Ok(Batch {
        organization: row.text("organization_id")?.into(),
        project: row.text("project_id")?.into(),
        api_key: row.text("api_key_id")?.into(),
        service_account: row.text_or_null("service_account_id")?.map(Into::into),
        endpoint: row.text("endpoint")?,
        completion_window: row.text("completion_window")?,
        input_file: row.text("input_file_id")?.into(),
        output_file: row.text_or_null("output_file_id")?.map(Into::into),
        error_file: row.text_or_null("error_file_id")?.map(Into::into),
        output_lifetime: lifetime
            .map(|secs| Duration::from_secs(u64::try_from(secs).unwrap_or_default())),
        model: row.text_or_null("model")?,
        status: row.word("status")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        in_progress_at: row.time_or_null("in_progress_at")?,
        finalizing_at: row.time_or_null("finalizing_at")?,
        written_at: row.time_or_null("written_at")?,
        completed_at: row.time_or_null("completed_at")?,
        failed_at: row.time_or_null("failed_at")?,
        expired_at: row.time_or_null("expired_at")?,
        cancelling_at: row.time_or_null("cancelling_at")?,
        cancelled_at: row.time_or_null("cancelled_at")?,
        counts: BatchCounts {
            total: row.count("total")?,
            completed: row.count("completed")?,
            failed: row.count("failed")?,
        },
        usage: Usage {
            input: row.count("input_tokens")?,
            input_cached: row.count("input_cached_tokens")?,
            output: row.count("output_tokens")?,
            output_reasoning: row.count("output_reasoning_tokens")?,
            ..Usage::default()
        },
        metadata: open("metadata")?,
        errors: open("errors")?,
        id,
    })
}
