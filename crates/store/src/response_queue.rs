//! Responses on their way: which node works on which, and what becomes of a dead node's.
//!
//! These methods are for the nodes' own work and reach every tenant's rows; each row says whose it
//! is.

use kernel::{ResponseId, Timestamp};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use crate::columns::{Columns, places};
use crate::database::Engine;
use crate::response::response;
use crate::{ResponseRow, Store, StoreError};

/// Ids per statement.
const CHUNK: usize = 500;

impl Store {
    /// Takes a queued response into work, with the object that says so. Returns false when it is no
    /// longer queued, or another node has its lease.
    pub async fn response_start(
        &self,
        id: &ResponseId,
        node: &str,
        until: Timestamp,
        body: &[u8],
    ) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT project_id FROM response WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        let Some(row) = row else { return Ok(false) };
        let project = row.text("project_id")?.into();
        let body = self.seal_for(&project, "response", "body", id.as_str(), body).await?;
        let now = self.now();
        let mut write = self.write().await?;
        let started = sqlx::query(
            "UPDATE response SET status = 'in_progress', node = $1, lease_until = $2, body = $3
             WHERE id = $4 AND status = 'queued'
               AND (node IS NULL OR node = $1 OR lease_until <= $5)",
        )
        .bind(node)
        .bind(until.as_micros())
        .bind(body)
        .bind(id.as_str())
        .bind(now.as_micros())
        .execute(write.connection())
        .await?;
        write.commit().await?;
        Ok(started.rows_affected() == 1)
    }

    /// Leases the oldest queued responses that no living node has, and returns them, the oldest
    /// first. Of several nodes that ask at once, each gets others.
    pub async fn response_claim(
        &self,
        node: &str,
        until: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<ResponseRow>, StoreError> {
        let skip = match self.database().engine() {
            Engine::Sqlite => "",
            Engine::Postgres => "FOR UPDATE SKIP LOCKED",
        };
        let mut write = self.write().await?;
        let rows = sqlx::query(AssertSqlSafe(format!(
            "UPDATE response SET node = $1, lease_until = $2 WHERE id IN (
                 SELECT id FROM response
                 WHERE status = 'queued' AND (lease_until IS NULL OR lease_until <= $3)
                 ORDER BY created_at LIMIT $4 {skip}
             ) RETURNING *"
        )))
        .bind(node)
        .bind(until.as_micros())
        .bind(now.as_micros())
        .bind(i64::from(limit))
        .fetch_all(write.connection())
        .await?;
        write.commit().await?;
        let mut claimed = self.readable(rows).await?;
        claimed.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        Ok(claimed)
    }

    /// Renews a node's leases, and returns the responses that are still its own and not over. Work
    /// on the others is to be dropped.
    pub async fn response_renew(
        &self,
        node: &str,
        ids: &[ResponseId],
        until: Timestamp,
    ) -> Result<Vec<ResponseId>, StoreError> {
        let mut ours = Vec::with_capacity(ids.len());
        let mut write = self.write().await?;
        for ids in ids.chunks(CHUNK) {
            let sql = format!(
                "UPDATE response SET lease_until = $1
                 WHERE node = $2 AND status IN ('queued', 'in_progress') AND id IN ({})
                 RETURNING id",
                places(3, ids.len())
            );
            let query = sqlx::query(AssertSqlSafe(sql)).bind(until.as_micros()).bind(node);
            let query = ids.iter().fold(query, |query, id| query.bind(id.as_str()));
            for row in query.fetch_all(write.connection()).await? {
                ours.push(row.text("id")?.into());
            }
        }
        write.commit().await?;
        Ok(ours)
    }

    /// Gives back what a node holds and has not begun: it waits for another node again.
    pub async fn response_release(&self, node: &str, ids: &[ResponseId]) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        for ids in ids.chunks(CHUNK) {
            let sql = format!(
                "UPDATE response SET status = 'queued', node = NULL, lease_until = NULL
                 WHERE node = $1 AND status IN ('queued', 'in_progress') AND id IN ({})",
                places(2, ids.len())
            );
            let query = sqlx::query(AssertSqlSafe(sql)).bind(node);
            let query = ids.iter().fold(query, |query, id| query.bind(id.as_str()));
            query.execute(write.connection()).await?;
        }
        write.commit().await
    }

    /// Responses in progress whose node has let their lease run out. Reading them decides nothing:
    /// of several nodes that see the same one, [`Store::response_finish`] lets one end it.
    pub async fn response_orphans(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<ResponseRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM response WHERE status = 'in_progress' AND lease_until <= $1
             ORDER BY lease_until LIMIT $2",
        )
        .bind(now.as_micros())
        .bind(i64::from(limit))
        .fetch_all(&mut *self.read().await?)
        .await?;
        self.readable(rows).await
    }

    /// The rows that can be opened. One that was damaged must not hold up the queue; it is told of
    /// in the log.
    async fn readable(&self, rows: Vec<AnyRow>) -> Result<Vec<ResponseRow>, StoreError> {
        let mut readable = Vec::with_capacity(rows.len());
        for row in rows {
            let sealer = self.sealer(&row.text("project_id")?.into()).await?;
            match response(&row, &sealer) {
                Ok(row) => readable.push(row),
                Err(error) => tracing::error!(%error, "a response cannot be read and is left"),
            }
        }
        Ok(readable)
    }
}
