//! Files: what is known of them, and which blobs hold their bytes.
//!
//! A row appears when its blobs are whole and goes before they do, so no row ever points to nothing.
//! A file whose time is over is not found any more, whether or not its row was deleted yet.

use std::collections::HashSet;

use kernel::{ApiKeyId, FileId, ProjectId, Scope, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::columns::{Columns, places, to_micros, to_number, unreadable};
use crate::redact::debug_only;
use crate::scope::{one_project, project_of};
use crate::{ItemPage, Paged, Sealer, Store, StoreError};

/// What a file is for, by OpenAI's names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilePurpose {
    /// Read by assistants.
    Assistants,
    /// Written by assistants.
    AssistantsOutput,
    /// The lines of a batch.
    Batch,
    /// What became of a batch's lines.
    BatchOutput,
    /// Examples to train with.
    #[serde(rename = "fine-tune")]
    FineTune,
    /// What a training tells of itself.
    #[serde(rename = "fine-tune-results")]
    FineTuneResults,
    /// Images to train with.
    Vision,
    /// Anything.
    UserData,
    /// Data sets of evals.
    Evals,
}

impl FilePurpose {
    /// Every purpose.
    pub const ALL: [Self; 9] = [
        Self::Assistants,
        Self::AssistantsOutput,
        Self::Batch,
        Self::BatchOutput,
        Self::FineTune,
        Self::FineTuneResults,
        Self::Vision,
        Self::UserData,
        Self::Evals,
    ];

    /// The name that the database and the API use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Assistants => "assistants",
            Self::AssistantsOutput => "assistants_output",
            Self::Batch => "batch",
            Self::BatchOutput => "batch_output",
            Self::FineTune => "fine-tune",
            Self::FineTuneResults => "fine-tune-results",
            Self::Vision => "vision",
            Self::UserData => "user_data",
            Self::Evals => "evals",
        }
    }
}

/// A blob with a part of a file's bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlobRow {
    /// Its name in the blob store.
    pub blob: String,
    /// How many bytes of the file it holds.
    pub bytes: u64,
}

/// A file whose blobs are whole.
#[derive(Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Its id.
    pub id: FileId,
    /// The key that brought it.
    pub api_key: ApiKeyId,
    /// What its owner calls it. Content.
    pub filename: String,
    /// What it is for.
    pub purpose: FilePurpose,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it goes; `None`: when its project's retention says so.
    pub expires_at: Option<Timestamp>,
    /// Its bytes, in order.
    pub blobs: Vec<BlobRow>,
}

debug_only!(NewFile: id, purpose, created_at, expires_at, blobs);

/// A file.
#[derive(Clone, PartialEq, Eq)]
pub struct FileRow {
    /// Its id.
    pub id: FileId,
    /// In which project.
    pub project: ProjectId,
    /// The key that brought it.
    pub api_key: ApiKeyId,
    /// What its owner calls it. Content.
    pub filename: String,
    /// What it is for.
    pub purpose: FilePurpose,
    /// How many bytes it has.
    pub bytes: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it goes; `None`: when its project's retention says so.
    pub expires_at: Option<Timestamp>,
}

debug_only!(FileRow: id, project, purpose, bytes, created_at, expires_at);

const TABLE: &str = "file";

/// Names opened in one go, between which other calls get their turn.
const AT_ONCE: usize = 256;

impl Store {
    /// Adds a file to the scope's project.
    pub async fn file_insert(&self, scope: &Scope, new: &NewFile) -> Result<FileRow, StoreError> {
        let project = one_project(scope, "a file")?;
        let name = sealed_name(&self.sealer(project).await?, new)?;
        let mut write = self.write().await?;
        insert(write.connection(), scope, project, new, name).await?;
        write.commit().await?;
        Ok(row_of(project, new))
    }

    /// One file in the scope.
    pub async fn file_get(&self, scope: &Scope, id: &FileId) -> Result<FileRow, StoreError> {
        let row = find(&mut *self.read().await?, scope, id, self.now()).await?;
        file(&row, &self.sealer(&row.text("project_id")?.into()).await?)
    }

    /// One file in the scope, with the blobs that hold its bytes, in order.
    pub async fn file_open(
        &self,
        scope: &Scope,
        id: &FileId,
    ) -> Result<(FileRow, Vec<BlobRow>), StoreError> {
        let (row, blobs) = {
            let mut connection = self.read().await?;
            let row = find(&mut connection, scope, id, self.now()).await?;
            (row, blobs(&mut connection, id).await?)
        };
        Ok((file(&row, &self.sealer(&row.text("project_id")?.into()).await?)?, blobs))
    }

    /// One page of the files in the scope, all or those of one purpose.
    pub async fn file_list(
        &self,
        scope: &Scope,
        purpose: Option<FilePurpose>,
        page: &ItemPage,
    ) -> Result<Paged<FileRow>, StoreError> {
        let (than, order) = page.direction();
        let sql = format!(
            "SELECT * FROM file
             WHERE organization_id = $1 AND ($2 IS NULL OR project_id = $2)
               AND ($3 IS NULL OR purpose = $3) AND ($4 IS NULL OR id {than} $4)
               AND (expires_at IS NULL OR expires_at > $5)
             ORDER BY id {order} LIMIT $6"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(scope.organization.as_str())
            .bind(project_of(scope))
            .bind(purpose.map(FilePurpose::as_str))
            .bind(page.after.as_deref())
            .bind(self.now().as_micros())
            .bind(page.fetch())
            .fetch_all(&mut *self.read().await?)
            .await?;
        let mut files = Vec::with_capacity(rows.len());
        for some in rows.chunks(AT_ONCE) {
            for row in some {
                files.push(file(row, &self.sealer(&row.text("project_id")?.into()).await?)?);
            }
            tokio::task::yield_now().await;
        }
        Ok(Paged::cut_at(files, page.limit))
    }

    /// Deletes a file. Returns the blobs that nothing points to any more.
    pub async fn file_delete(
        &self,
        scope: &Scope,
        id: &FileId,
    ) -> Result<Vec<BlobRow>, StoreError> {
        let mut write = self.write().await?;
        find(write.connection(), scope, id, self.now()).await?;
        let blobs = blobs(write.connection(), id).await?;
        for statement in
            ["DELETE FROM file_blob WHERE file_id = $1", "DELETE FROM file WHERE id = $1"]
        {
            sqlx::query(statement).bind(id.as_str()).execute(write.connection()).await?;
        }
        write.commit().await?;
        Ok(blobs)
    }

    /// Which of these blobs some row points to. A blob's name tells nothing of whose it is, so this
    /// is asked for all tenants at once.
    pub async fn blobs_in_use(&self, blobs: &[String]) -> Result<HashSet<String>, StoreError> {
        let mut in_use = HashSet::new();
        for some in blobs.chunks(AT_ONCE) {
            let places = places(1, some.len());
            let sql = format!(
                "SELECT blob FROM file_blob WHERE blob IN ({places})
                 UNION ALL SELECT blob FROM upload_part WHERE blob IN ({places})"
            );
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for blob in some {
                query = query.bind(blob.as_str());
            }
            for row in query.fetch_all(&mut *self.read().await?).await? {
                in_use.insert(row.text("blob")?);
            }
        }
        Ok(in_use)
    }
}

/// The file's name, sealed for its row.
pub(crate) fn sealed_name(sealer: &Sealer, new: &NewFile) -> Result<Vec<u8>, StoreError> {
    sealer.seal_column(TABLE, "filename", new.id.as_str(), new.filename.as_bytes())
}

/// Adds a file with its blobs.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    scope: &Scope,
    project: &ProjectId,
    new: &NewFile,
    sealed_name: Vec<u8>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO file (id, organization_id, project_id, api_key_id, filename, purpose, bytes,
                           created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(new.id.as_str())
    .bind(scope.organization.as_str())
    .bind(project.as_str())
    .bind(new.api_key.as_str())
    .bind(sealed_name)
    .bind(new.purpose.as_str())
    .bind(to_number(size(&new.blobs)))
    .bind(new.created_at.as_micros())
    .bind(to_micros(new.expires_at))
    .execute(&mut *connection)
    .await?;
    for (position, blob) in (0i64..).zip(&new.blobs) {
        sqlx::query(
            "INSERT INTO file_blob (file_id, position, blob, bytes) VALUES ($1, $2, $3, $4)",
        )
        .bind(new.id.as_str())
        .bind(position)
        .bind(blob.blob.as_str())
        .bind(to_number(blob.bytes))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// A new file as it is read back.
pub(crate) fn row_of(project: &ProjectId, new: &NewFile) -> FileRow {
    FileRow {
        id: new.id.clone(),
        project: project.clone(),
        api_key: new.api_key.clone(),
        filename: new.filename.clone(),
        purpose: new.purpose,
        bytes: size(&new.blobs),
        created_at: new.created_at,
        expires_at: new.expires_at,
    }
}

fn size(blobs: &[BlobRow]) -> u64 {
    blobs.iter().map(|blob| blob.bytes).sum()
}

async fn find(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: &FileId,
    now: Timestamp,
) -> Result<AnyRow, StoreError> {
    sqlx::query(
        "SELECT * FROM file
         WHERE id = $1 AND organization_id = $2 AND ($3 IS NULL OR project_id = $3)
           AND (expires_at IS NULL OR expires_at > $4)",
    )
    .bind(id.as_str())
    .bind(scope.organization.as_str())
    .bind(project_of(scope))
    .bind(now.as_micros())
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| StoreError::not_found("file", id.as_str()))
}

async fn blobs(connection: &mut AnyConnection, id: &FileId) -> Result<Vec<BlobRow>, StoreError> {
    let rows =
        sqlx::query("SELECT blob, bytes FROM file_blob WHERE file_id = $1 ORDER BY position")
            .bind(id.as_str())
            .fetch_all(connection)
            .await?;
    rows.iter()
        .map(|row| Ok(BlobRow { blob: row.text("blob")?, bytes: row.count("bytes")? }))
        .collect()
}

fn file(row: &AnyRow, sealer: &Sealer) -> Result<FileRow, StoreError> {
    let id = row.text("id")?;
    let filename = sealer.open_column(TABLE, "filename", &id, &row.bytes("filename")?)?;
    Ok(FileRow {
        project: row.text("project_id")?.into(),
        api_key: row.text("api_key_id")?.into(),
        filename: text("filename", &filename)?,
        purpose: row.word("purpose")?,
        bytes: row.count("bytes")?,
        created_at: row.time("created_at")?,
        expires_at: row.time_or_null("expires_at")?,
        id: id.into(),
    })
}

/// A text that was sealed.
pub(crate) fn text(column: &str, opened: &[u8]) -> Result<String, StoreError> {
    String::from_utf8(opened.to_vec()).map_err(|_| unreadable(column, "it is no UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_has_one_name() {
        for purpose in FilePurpose::ALL {
            assert_eq!(serde_json::to_value(purpose).unwrap(), purpose.as_str());
        }
    }
}
