//! Content whose time is over: which rows are due, their deletion, and the look whether they are
//! gone.
//!
//! These methods serve the retention job alone. They reach one project at a time and know nothing
//! but ids, so nothing is opened in order to be deleted.

use std::collections::HashMap;

use kernel::{ProjectId, Scope, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;

use crate::columns::{Columns, places};
use crate::scope::one_project;
use crate::{Store, StoreError};

/// A kind of content that is kept for a time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentKind {
    /// Responses with their event logs.
    Response,
    /// Conversations with their items.
    Conversation,
    /// Stored chat completions.
    ChatCompletion,
    /// Traces with their spans.
    Trace,
    /// Files.
    File,
    /// Uploads with their parts.
    Upload,
    /// Batches with their results.
    Batch,
}

impl ContentKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Response,
        Self::Conversation,
        Self::ChatCompletion,
        Self::Trace,
        Self::File,
        Self::Upload,
        Self::Batch,
    ];

    /// The name that the database and the API use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Conversation => "conversation",
            Self::ChatCompletion => "chat_completion",
            Self::Trace => "trace",
            Self::File => "file",
            Self::Upload => "upload",
            Self::Batch => "batch",
        }
    }

    const fn layout(self) -> Layout {
        match self {
            Self::Response => Layout {
                table: "response",
                since: "created_at",
                unfinished: &["queued", "in_progress"],
                expires: false,
                parts: &[EVENTS],
            },
            Self::Conversation => Layout::of("conversation", "updated_at", &[ITEMS]),
            Self::ChatCompletion => Layout::of("chat_completion", "created_at", &[]),
            Self::Trace => Layout::of("trace", "created_at", &[SPANS]),
            Self::File => {
                Layout { expires: true, ..Layout::of("file", "created_at", &[FILE_BLOBS]) }
            }
            Self::Upload => {
                Layout { expires: true, ..Layout::of("upload", "created_at", &[UPLOAD_PARTS]) }
            }
            Self::Batch => Layout {
                table: "batch",
                since: "created_at",
                unfinished: &["validating", "in_progress", "finalizing", "cancelling"],
                expires: false,
                parts: &[BATCH_SLICES, BATCH_RESULTS],
            },
        }
    }
}

/// Where a kind of content lies.
struct Layout {
    /// The table; it has columns `id` and `project_id`.
    table: &'static str,
    /// The column with the time from which a row's age counts.
    since: &'static str,
    /// The states in which a row is never due; where there are none, it has no state.
    unfinished: &'static [&'static str],
    /// Whether a row may have a time of its own.
    expires: bool,
    /// The tables of what belongs to a row.
    parts: &'static [Part],
}

impl Layout {
    const fn of(table: &'static str, since: &'static str, parts: &'static [Part]) -> Self {
        Self { table, since, unfinished: &[], expires: false, parts }
    }

    /// When a row is due: `$2` is the cutoff, `$4` is now.
    fn due(&self) -> String {
        let mut due = format!("{} < $2", self.since);
        if self.expires {
            due = format!("({due} OR expires_at <= $4)");
        }
        for status in self.unfinished {
            due += &format!(" AND status <> '{status}'");
        }
        due
    }
}

/// A table of what belongs to a row of another.
struct Part {
    table: &'static str,
    /// The column with the row's id.
    key: &'static str,
    /// Whether the row's id is unique in its project only; then the table has the project too.
    own_project: bool,
    /// Whether it names a blob.
    blobs: bool,
}

const EVENTS: Part = part("response_event", "response_id");
const ITEMS: Part = part("conversation_item", "conversation_id");
const SPANS: Part = Part { own_project: true, ..part("trace_span", "trace_id") };
const FILE_BLOBS: Part = Part { blobs: true, ..part("file_blob", "file_id") };
const UPLOAD_PARTS: Part = Part { blobs: true, ..part("upload_part", "upload_id") };
const BATCH_SLICES: Part = part("batch_slice", "batch_id");
const BATCH_RESULTS: Part = part("batch_result", "batch_id");

const fn part(table: &'static str, key: &'static str) -> Part {
    Part { table, key, own_project: false, blobs: false }
}

/// A row whose time is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpiredRow {
    /// Its id.
    pub id: String,
    /// The blobs that belong to it alone.
    pub blobs: Vec<String>,
    /// Bytes of these blobs, as their owner sent them.
    pub bytes: u64,
}

/// Ids per statement.
const CHUNK: usize = 500;

impl Store {
    /// Rows of a project's content that were made before `cutoff` (conversations: last changed), or
    /// whose own time is over; at most `limit`, the oldest first. What is not finished is never
    /// among them.
    pub async fn content_expired(
        &self,
        project: &ProjectId,
        kind: ContentKind,
        cutoff: Timestamp,
        limit: u32,
    ) -> Result<Vec<ExpiredRow>, StoreError> {
        let layout = kind.layout();
        let Layout { table, since, .. } = layout;
        let sql = format!(
            "SELECT id FROM {table} WHERE project_id = $1 AND {} ORDER BY {since} LIMIT $3",
            layout.due()
        );
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(project.as_str())
            .bind(cutoff.as_micros())
            .bind(i64::from(limit));
        if layout.expires {
            query = query.bind(self.now().as_micros());
        }
        let rows = query.fetch_all(&mut *self.read().await?).await?;
        let ids = rows.iter().map(|row| row.text("id")).collect::<Result<Vec<_>, _>>()?;
        let mut blobs = self.blobs_of(&layout, &ids).await?;
        let expired = |id: String| {
            let (blobs, bytes) = blobs.remove(&id).unwrap_or_default();
            ExpiredRow { id, blobs, bytes }
        };
        Ok(ids.into_iter().map(expired).collect())
    }

    /// Deletes rows of the scope's project with all that belongs to them but their blobs, and
    /// returns how many rows were there. All of it is one transaction.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] with a scope of no project.
    pub async fn content_delete(
        &self,
        scope: &Scope,
        kind: ContentKind,
        ids: &[String],
    ) -> Result<u64, StoreError> {
        let project = one_project(scope, "content")?;
        let layout = kind.layout();
        let mut deleted = 0;
        let mut write = self.write().await?;
        for ids in ids.chunks(CHUNK) {
            let ours = format!("project_id = $1 AND id IN ({})", places(2, ids.len()));
            // What belongs to another project's row stays: only rows that are ours are looked at.
            let parts = layout.parts.iter().map(|part| {
                let Part { table, key, own_project, .. } = part;
                let project = if *own_project { "project_id = $1 AND " } else { "" };
                format!(
                    "DELETE FROM {table} WHERE {project}{key} IN (SELECT id FROM {} WHERE {ours})",
                    layout.table
                )
            });
            let statements = parts.chain([format!("DELETE FROM {} WHERE {ours}", layout.table)]);
            let mut rows = 0;
            for sql in statements {
                let query = sqlx::query(AssertSqlSafe(sql)).bind(project.as_str());
                let query = ids.iter().fold(query, |query, id| query.bind(id.as_str()));
                rows = query.execute(write.connection()).await?.rows_affected();
            }
            deleted += rows;
        }
        write.commit().await?;
        Ok(deleted)
    }

    /// Which of these ids are still there, or have something left that belongs to them. The ids are
    /// those that [`Store::content_expired`] gave for the scope's project.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] with a scope of no project.
    pub async fn content_remaining(
        &self,
        scope: &Scope,
        kind: ContentKind,
        ids: &[String],
    ) -> Result<Vec<String>, StoreError> {
        let project = one_project(scope, "content")?;
        let layout = kind.layout();
        let mut remaining = Vec::new();
        for ids in ids.chunks(CHUNK) {
            let mut sql = format!(
                "SELECT id FROM {} WHERE project_id = $1 AND id IN ({})",
                layout.table,
                places(2, ids.len())
            );
            for Part { table, key, own_project, .. } in layout.parts {
                let project = if *own_project { "project_id = $1 AND " } else { "" };
                let ids = places(2, ids.len());
                sql += &format!(" UNION SELECT {key} FROM {table} WHERE {project}{key} IN ({ids})");
            }
            let query = sqlx::query(AssertSqlSafe(sql)).bind(project.as_str());
            let query = ids.iter().fold(query, |query, id| query.bind(id.as_str()));
            for row in query.fetch_all(&mut *self.read().await?).await? {
                remaining.push(row.text("id")?);
            }
        }
        Ok(remaining)
    }

    /// The blobs of each of these rows.
    async fn blobs_of(
        &self,
        layout: &Layout,
        ids: &[String],
    ) -> Result<HashMap<String, (Vec<String>, u64)>, StoreError> {
        let mut blobs: HashMap<_, (Vec<_>, u64)> = HashMap::new();
        for Part { table, key, .. } in layout.parts.iter().filter(|part| part.blobs) {
            for ids in ids.chunks(CHUNK) {
                let places = places(1, ids.len());
                let sql = format!(
                    "SELECT {key} AS id, blob, bytes FROM {table} WHERE {key} IN ({places})"
                );
                let query = sqlx::query(AssertSqlSafe(sql));
                let query = ids.iter().fold(query, |query, id| query.bind(id.as_str()));
                for row in query.fetch_all(&mut *self.read().await?).await? {
                    let (names, bytes) = blobs.entry(row.text("id")?).or_default();
                    names.push(row.text("blob")?);
                    *bytes += row.count("bytes")?;
                }
            }
        }
        Ok(blobs)
    }
}
