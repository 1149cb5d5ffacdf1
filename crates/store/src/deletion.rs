//! What was deleted because its time was over, and the proof that it is gone.

use kernel::{OrganizationId, ProjectId, Scope, Timestamp, id};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;

use crate::columns::{Columns, to_json, to_number};
use crate::page::{Page, Paged};
use crate::scope::{one_project, project_of};
use crate::{ContentKind, Store, StoreError};

/// A deletion that is about to begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewDeletion {
    /// What is deleted.
    pub kind: ContentKind,
    /// What was made before this moment had to go.
    pub cutoff: Timestamp,
    /// Bytes of the blobs, as their owner sent them.
    pub bytes: u64,
    /// The SHA-256 of the sorted ids, each with a newline behind it, in hexadecimal.
    pub digest: String,
    /// All that is to go.
    pub pending: Pending,
}

/// All that a deletion has to make gone.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Pending {
    /// The rows.
    pub ids: Vec<String>,
    /// The blobs that belong to them alone.
    pub blobs: Vec<String>,
}

/// A deletion, begun or proven.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deletion {
    /// Its id.
    pub id: String,
    /// Whose content it was.
    pub organization: OrganizationId,
    /// In which project.
    pub project: ProjectId,
    /// What it was.
    pub kind: ContentKind,
    /// What was made before this moment had to go.
    pub cutoff: Timestamp,
    /// When it began.
    pub started_at: Timestamp,
    /// When all of it was looked for and found gone; `None`: not yet.
    pub proven_at: Option<Timestamp>,
    /// How many rows.
    pub rows: u64,
    /// How many blobs.
    pub blobs: u64,
    /// Bytes of the blobs, as their owner sent them.
    pub bytes: u64,
    /// The SHA-256 of the sorted ids, each with a newline behind it, in hexadecimal.
    pub digest: String,
}

impl Store {
    /// Writes down what is about to be deleted from the scope's project. Nothing is deleted by it.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] with a scope of no project.
    pub async fn deletion_begin(
        &self,
        scope: &Scope,
        new: &NewDeletion,
    ) -> Result<Deletion, StoreError> {
        let now = self.now();
        let deletion = Deletion {
            id: id::time_ordered("deletion_", now, self.rng()),
            organization: scope.organization.clone(),
            project: one_project(scope, "a deletion")?.clone(),
            kind: new.kind,
            cutoff: new.cutoff,
            started_at: now,
            proven_at: None,
            rows: new.pending.ids.len() as u64,
            blobs: new.pending.blobs.len() as u64,
            bytes: new.bytes,
            digest: new.digest.clone(),
        };
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO deletion
             (id, organization_id, project_id, kind, cutoff, started_at, proven_at, row_count,
              blob_count, byte_count, digest, pending)
             VALUES ($1, $2, $3, $4, $5, $6, NULL, $7, $8, $9, $10, $11)",
        )
        .bind(&deletion.id)
        .bind(deletion.organization.as_str())
        .bind(deletion.project.as_str())
        .bind(deletion.kind.as_str())
        .bind(deletion.cutoff.as_micros())
        .bind(deletion.started_at.as_micros())
        .bind(to_number(deletion.rows))
        .bind(to_number(deletion.blobs))
        .bind(to_number(deletion.bytes))
        .bind(&deletion.digest)
        .bind(to_json("pending", &new.pending)?)
        .execute(write.connection())
        .await?;
        write.commit().await?;
        Ok(deletion)
    }

    /// All of a deletion was looked for and found gone, now. The ids are forgotten with it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]
    pub async fn deletion_prove(&self, scope: &Scope, id: &str) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let proven = sqlx::query(
            "UPDATE deletion SET proven_at = COALESCE(proven_at, $1), pending = NULL
             WHERE id = $2 AND organization_id = $3 AND ($4 IS NULL OR project_id = $4)",
        )
        .bind(self.now().as_micros())
        .bind(id)
        .bind(scope.organization.as_str())
        .bind(project_of(scope))
        .execute(write.connection())
        .await?;
        if proven.rows_affected() == 0 {
            return Err(StoreError::not_found("deletion", id));
        }
        write.commit().await
    }

    /// Deletions of all tenants that were begun and not proven, the oldest first, after this id.
    pub async fn deletion_unproven(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(Deletion, Pending)>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM deletion
             WHERE pending IS NOT NULL AND ($1 IS NULL OR id > $1) ORDER BY id LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.read().await?)
        .await?;
        rows.iter().map(|row| Ok((deletion(row)?, row.json("pending")?))).collect()
    }

    /// The scope's deletions, the newest first.
    pub async fn deletion_list(
        &self,
        scope: &Scope,
        page: &Page,
    ) -> Result<Paged<Deletion>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM deletion
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
        Ok(Paged::cut(rows.iter().map(deletion).collect::<Result<_, _>>()?, page))
    }
}

fn deletion(row: &AnyRow) -> Result<Deletion, StoreError> {
    Ok(Deletion {
        id: row.text("id")?,
        organization: row.text("organization_id")?.into(),
        project: row.text("project_id")?.into(),
        kind: row.word("kind")?,
        cutoff: row.time("cutoff")?,
        started_at: row.time("started_at")?,
        proven_at: row.time_or_null("proven_at")?,
        rows: row.count("row_count")?,
        blobs: row.count("blob_count")?,
        bytes: row.count("byte_count")?,
        digest: row.text("digest")?,
    })
}
