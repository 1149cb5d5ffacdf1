//! Uploads: files on their way in, part by part.
//!
//! The parts' blobs become the file's when the upload is completed, so nothing is copied. What a
//! caller may still do with an upload is decided on its locked row: of two that complete or cancel
//! it at once, one does.

use std::collections::HashSet;
use std::time::Duration;

use kernel::{ApiKeyId, FileId, ProjectId, Scope, Timestamp, UploadId, UploadPartId};
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::columns::{Columns, to_number};
use crate::file::{self, FilePurpose, NewFile, row_of, sealed_name};
use crate::redact::debug_only;
use crate::scope::{one_project, project_of};
use crate::{BlobRow, FileRow, Sealer, Store, StoreError};

/// How far an upload has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadStatus {
    /// It takes parts, until its time is over.
    Pending,
    /// Its parts are a file.
    Completed,
    /// Its owner gave it up.
    Cancelled,
}

impl UploadStatus {
    /// The name that the database and the API use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// An upload to be begun.
#[derive(Clone, PartialEq, Eq)]
pub struct NewUpload {
    /// Its id.
    pub id: UploadId,
    /// The key that began it.
    pub api_key: ApiKeyId,
    /// What its owner calls the file. Content.
    pub filename: String,
    /// What the file is for.
    pub purpose: FilePurpose,
    /// How many bytes the file will have.
    pub bytes: u64,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it takes no more parts.
    pub expires_at: Timestamp,
    /// How long the file is to live once it is made; `None`: nothing was said.
    pub file_expires_after: Option<Duration>,
}

debug_only!(NewUpload: id, purpose, bytes, created_at, expires_at);

/// An upload.
#[derive(Clone, PartialEq, Eq)]
pub struct UploadRow {
    /// Its id.
    pub id: UploadId,
    /// In which project.
    pub project: ProjectId,
    /// The key that began it.
    pub api_key: ApiKeyId,
    /// What its owner calls the file. Content.
    pub filename: String,
    /// What the file is for.
    pub purpose: FilePurpose,
    /// How many bytes the file will have.
    pub bytes: u64,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it takes no more parts.
    pub expires_at: Timestamp,
    /// How long the file is to live once it is made; `None`: nothing was said.
    pub file_expires_after: Option<Duration>,
    /// How far it has come.
    pub status: UploadStatus,
    /// The file that it became.
    pub file: Option<FileId>,
}

debug_only!(UploadRow: id, project, purpose, bytes, created_at, expires_at, status, file);

/// A part of an upload whose blob is whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartRow {
    /// Its id.
    pub id: UploadPartId,
    /// Its bytes.
    pub blob: BlobRow,
    /// When it was made.
    pub created_at: Timestamp,
}

const TABLE: &str = "upload";

impl Store {
    /// Begins an upload in the scope's project.
    pub async fn upload_insert(
        &self,
        scope: &Scope,
        new: NewUpload,
    ) -> Result<UploadRow, StoreError> {
        let project = one_project(scope, "an upload")?;
        let name = self.sealer(project).await?.seal_column(
            TABLE,
            "filename",
            new.id.as_str(),
            new.filename.as_bytes(),
        )?;
        let status = UploadStatus::Pending;
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO upload (id, organization_id, project_id, api_key_id, filename, purpose,
                                 bytes, created_at, expires_at, file_expires_after, status)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(new.id.as_str())
        .bind(scope.organization.as_str())
        .bind(project.as_str())
        .bind(new.api_key.as_str())
        .bind(name)
        .bind(new.purpose.as_str())
        .bind(to_number(new.bytes))
        .bind(new.created_at.as_micros())
        .bind(new.expires_at.as_micros())
        .bind(new.file_expires_after.map(|after| to_number(after.as_secs())))
        .bind(status.as_str())
        .execute(write.connection())
        .await?;
        write.commit().await?;
        Ok(UploadRow {
            id: new.id,
            project: project.clone(),
            api_key: new.api_key,
            filename: new.filename,
            purpose: new.purpose,
            bytes: new.bytes,
            created_at: new.created_at,
            expires_at: new.expires_at,
            file_expires_after: new.file_expires_after,
            status,
            file: None,
        })
    }

    /// One upload in the scope.
    pub async fn upload_get(&self, scope: &Scope, id: &UploadId) -> Result<UploadRow, StoreError> {
        let row = sqlx::query(
            "SELECT * FROM upload
             WHERE id = $1 AND organization_id = $2 AND ($3 IS NULL OR project_id = $3)",
        )
        .bind(id.as_str())
        .bind(scope.organization.as_str())
        .bind(project_of(scope))
        .fetch_optional(&mut *self.read().await?)
        .await?
        .ok_or_else(|| not_found(id))?;
        upload(&row, &self.sealer(&row.text("project_id")?.into()).await?)
    }

    /// Adds a part to a pending upload.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the upload takes no more parts.
    pub async fn upload_part_insert(
        &self,
        scope: &Scope,
        upload: &UploadId,
        part: &PartRow,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        lock(write.connection(), scope, upload, self.now()).await?;
        sqlx::query(
            "INSERT INTO upload_part (id, upload_id, blob, bytes, created_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(part.id.as_str())
        .bind(upload.as_str())
        .bind(part.blob.blob.as_str())
        .bind(to_number(part.blob.bytes))
        .bind(part.created_at.as_micros())
        .execute(write.connection())
        .await?;
        write.commit().await
    }

    /// The parts of an upload in the scope, in the order in which they came.
    pub async fn upload_parts(
        &self,
        scope: &Scope,
        upload: &UploadId,
    ) -> Result<Vec<PartRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT upload_part.* FROM upload_part JOIN upload ON upload.id = upload_part.upload_id
             WHERE upload.id = $1 AND organization_id = $2 AND ($3 IS NULL OR project_id = $3)
             ORDER BY upload_part.id",
        )
        .bind(upload.as_str())
        .bind(scope.organization.as_str())
        .bind(project_of(scope))
        .fetch_all(&mut *self.read().await?)
        .await?;
        rows.iter().map(part).collect()
    }

    /// Makes a file of a pending upload's parts: `new.blobs` are theirs, in the file's order.
    /// Returns the file and the blobs that nothing points to any more.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the upload is not pending any more, or a blob is none of its
    /// parts'.
    pub async fn upload_complete(
        &self,
        scope: &Scope,
        id: &UploadId,
        new: &NewFile,
    ) -> Result<(FileRow, Vec<BlobRow>), StoreError> {
        let project = one_project(scope, "an upload")?;
        let name = sealed_name(&self.sealer(project).await?, new)?;
        let mut write = self.write().await?;
        lock(write.connection(), scope, id, self.now()).await?;
        let parts = take_parts(write.connection(), id).await?;
        let own: HashSet<&str> = parts.iter().map(|blob| blob.blob.as_str()).collect();
        if new.blobs.iter().any(|blob| !own.contains(blob.blob.as_str())) {
            let reason = "has no such parts any more; add them again";
            return Err(StoreError::conflict("upload", id.as_str(), reason));
        }
        file::insert(write.connection(), scope, project, new, name).await?;
        sqlx::query("UPDATE upload SET status = $1, file_id = $2 WHERE id = $3")
            .bind(UploadStatus::Completed.as_str())
            .bind(new.id.as_str())
            .bind(id.as_str())
            .execute(write.connection())
            .await?;
        write.commit().await?;
        let used: HashSet<&str> = new.blobs.iter().map(|blob| blob.blob.as_str()).collect();
        let mut unused = parts;
        unused.retain(|blob| !used.contains(blob.blob.as_str()));
        Ok((row_of(project, new), unused))
    }

    /// Gives a pending upload up. Returns the blobs that nothing points to any more.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the upload is not pending any more.
    pub async fn upload_cancel(
        &self,
        scope: &Scope,
        id: &UploadId,
    ) -> Result<Vec<BlobRow>, StoreError> {
        let mut write = self.write().await?;
        lock(write.connection(), scope, id, self.now()).await?;
        let blobs = take_parts(write.connection(), id).await?;
        sqlx::query("UPDATE upload SET status = $1 WHERE id = $2")
            .bind(UploadStatus::Cancelled.as_str())
            .bind(id.as_str())
            .execute(write.connection())
            .await?;
        write.commit().await?;
        Ok(blobs)
    }
}

/// Locks a pending upload's row until the transaction ends.
async fn lock(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: &UploadId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = sqlx::query(
        "UPDATE upload SET status = status
         WHERE id = $1 AND organization_id = $2 AND ($3 IS NULL OR project_id = $3)
         RETURNING status, expires_at",
    )
    .bind(id.as_str())
    .bind(scope.organization.as_str())
    .bind(project_of(scope))
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| not_found(id))?;
    let status: UploadStatus = row.word("status")?;
    let reason = match status {
        UploadStatus::Pending if row.time("expires_at")? > now => return Ok(()),
        UploadStatus::Pending => "is expired",
        UploadStatus::Completed => "is completed",
        UploadStatus::Cancelled => "is cancelled",
    };
    let reason = format!("{reason}; begin another one");
    Err(StoreError::conflict("upload", id.as_str(), reason))
}

/// Deletes an upload's parts. Returns their blobs.
async fn take_parts(
    connection: &mut AnyConnection,
    id: &UploadId,
) -> Result<Vec<BlobRow>, StoreError> {
    let rows = sqlx::query("DELETE FROM upload_part WHERE upload_id = $1 RETURNING *")
        .bind(id.as_str())
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok(part(row)?.blob)).collect()
}

fn not_found(id: &UploadId) -> StoreError {
    StoreError::not_found("upload", id.as_str())
}

fn part(row: &AnyRow) -> Result<PartRow, StoreError> {
    Ok(PartRow {
        id: row.text("id")?.into(),
        blob: BlobRow { blob: row.text("blob")?, bytes: row.count("bytes")? },
        created_at: row.time("created_at")?,
    })
}

fn upload(row: &AnyRow, sealer: &Sealer) -> Result<UploadRow, StoreError> {
    let id = row.text("id")?;
    let filename = sealer.open_column(TABLE, "filename", &id, &row.bytes("filename")?)?;
    let lives = row.number_or_null("file_expires_after")?;
    Ok(UploadRow {
        project: row.text("project_id")?.into(),
        api_key: row.text("api_key_id")?.into(),
        filename: file::text("filename", &filename)?,
        purpose: row.word("purpose")?,
        bytes: row.count("bytes")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        file_expires_after: lives
            .map(|secs| Duration::from_secs(u64::try_from(secs).unwrap_or_default())),
        status: row.word("status")?,
        file: row.text_or_null("file_id")?.map(Into::into),
        id: id.into(),
    })
}
