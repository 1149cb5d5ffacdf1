//! The keys under which projects' content is sealed: one per project, wrapped by the vault.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use kernel::{ProjectId, SharedRng};
use sqlx::any::AnyRow;
use vault::{Aad, ContentKey};
use zeroize::Zeroizing;

use crate::columns::{Columns, unreadable};
use crate::store::sealed_error;
use crate::{Store, StoreError};

/// The table in whose name values are sealed that lie in no column of ours.
const OPAQUE: &str = "opaque";

impl Store {
    /// The key of a project's content, for blobs. It is made when it is first asked for; of several
    /// nodes that ask at once, one makes it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such project.
    pub async fn content_key(&self, project: &ProjectId) -> Result<Arc<ContentKey>, StoreError> {
        if let Some(key) = self.project_keys().get(project) {
            return Ok(key);
        }
        let row = sqlx::query("SELECT wrapped FROM project_key WHERE project_id = $1")
            .bind(project.as_str())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        let wrapped = match row {
            Some(row) => row.bytes("wrapped")?,
            None => self.make_content_key(project).await?,
        };
        let bytes = self.unseal("project_key", "wrapped", project.as_str(), &wrapped)?;
        let key = ContentKey::from_bytes(&bytes)
            .map_err(|source| sealed_error("project_key", "wrapped", project.as_str(), source))?;
        Ok(self.project_keys().keep(project, key))
    }

    /// A handle that seals and opens a project's content without asking the database again.
    ///
    /// # Errors
    /// As [`Store::content_key`].
    pub async fn sealer(&self, project: &ProjectId) -> Result<Sealer, StoreError> {
        let key = self.content_key(project).await?;
        Ok(Sealer { key, project: project.clone(), rng: self.shared_rng() })
    }

    /// Seals a value that leaves this house and is to come back unread, such as what a client keeps
    /// for us. It opens for the same project and purpose alone.
    ///
    /// # Errors
    /// As [`Store::content_key`].
    pub async fn seal_opaque(
        &self,
        project: &ProjectId,
        purpose: &str,
        value: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        self.sealer(project).await?.seal(purpose, value)
    }

    /// Opens what was sealed for this project and purpose.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when it was not.
    pub async fn open_opaque(
        &self,
        project: &ProjectId,
        purpose: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.sealer(project).await?.open(purpose, sealed)
    }

    /// Seals a project's content for one column of one row. Never call it inside a transaction: it
    /// may need one of its own.
    pub(crate) async fn seal_for(
        &self,
        project: &ProjectId,
        table: &str,
        column: &str,
        row: &str,
        value: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        self.sealer(project).await?.seal_column(table, column, row, value)
    }

    async fn make_content_key(&self, project: &ProjectId) -> Result<Vec<u8>, StoreError> {
        let key = ContentKey::generate(self.rng());
        let wrapped =
            self.seal("project_key", "wrapped", project.as_str(), key.to_bytes().as_slice())?;
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO project_key (project_id, wrapped, created_at)
             SELECT id, $2, $3 FROM project WHERE id = $1
             ON CONFLICT (project_id) DO NOTHING",
        )
        .bind(project.as_str())
        .bind(wrapped)
        .bind(self.now().as_micros())
        .execute(write.connection())
        .await?;
        // Another node may have been first; then its key is the one.
        let row = sqlx::query("SELECT wrapped FROM project_key WHERE project_id = $1")
            .bind(project.as_str())
            .fetch_optional(write.connection())
            .await?
            .ok_or_else(|| StoreError::not_found("project", project.as_str()))?;
        write.commit().await?;
        row.bytes("wrapped")
    }
}

/// Seals and opens the content of one project. Clones share the key.
#[derive(Clone)]
pub struct Sealer {
    key: Arc<ContentKey>,
    project: ProjectId,
    rng: SharedRng,
}

impl Sealer {
    /// As [`Store::seal_opaque`].
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when the value is too long.
    pub fn seal(&self, purpose: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.seal_column(OPAQUE, purpose, self.project.as_str(), value)
    }

    /// As [`Store::open_opaque`].
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when it was not sealed for this project and purpose.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.open_column(OPAQUE, purpose, self.project.as_str(), sealed)
    }

    pub(crate) fn seal_column(
        &self,
        table: &str,
        column: &str,
        row: &str,
        value: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        self.key
            .seal(&Aad::new(table, column, row), value, self.rng.as_ref())
            .map_err(|source| sealed_error(table, column, row, source))
    }

    pub(crate) fn open_column(
        &self,
        table: &str,
        column: &str,
        row: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.key
            .open(&Aad::new(table, column, row), sealed)
            .map_err(|source| sealed_error(table, column, row, source))
    }
}

impl Sealer {
    /// What a sealed column of a row holds; `id` is the row as it was sealed for.
    pub(crate) fn content(
        &self,
        row: &AnyRow,
        table: &str,
        column: &str,
        id: &str,
    ) -> Result<Vec<u8>, StoreError> {
        let mut opened = self.open_column(table, column, id, &row.bytes(column)?)?;
        Ok(std::mem::take(&mut *opened))
    }

    /// As [`Sealer::content`], for a column that may be null.
    pub(crate) fn content_or_null(
        &self,
        row: &AnyRow,
        table: &str,
        column: &str,
        id: &str,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        match row.bytes_or_null(column)? {
            Some(_) => self.content(row, table, column, id).map(Some),
            None => Ok(None),
        }
    }

    /// As [`Sealer::content`], for a column that holds text.
    pub(crate) fn text(
        &self,
        row: &AnyRow,
        table: &str,
        column: &str,
        id: &str,
    ) -> Result<String, StoreError> {
        let bytes = self.content(row, table, column, id)?;
        String::from_utf8(bytes).map_err(|_| unreadable(column, "it is not UTF-8"))
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("project", &self.project).finish_non_exhaustive()
    }
}

/// The keys that this node has opened. A project's key never changes, so they stay true.
#[derive(Default)]
pub(crate) struct ProjectKeys(RwLock<HashMap<ProjectId, Arc<ContentKey>>>);

impl ProjectKeys {
    fn get(&self, project: &ProjectId) -> Option<Arc<ContentKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(project).cloned()
    }

    fn keep(&self, project: &ProjectId, key: ContentKey) -> Arc<ContentKey> {
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(keys.entry(project.clone()).or_insert_with(|| Arc::new(key)))
    }
}

impl fmt::Debug for ProjectKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProjectKeys(..)")
    }
}
