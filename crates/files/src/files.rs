//! The files of all projects: made, found, listed, deleted.

use std::sync::Arc;
use std::time::Duration;

use kernel::{
    ApiKeyId, FileId, OrganizationId, ProjectId, Retention, Scope, SharedClock, SharedRng,
    Timestamp,
};
use store::{BlobRow, FilePurpose, FileRow, ItemPage, Paged, Store};

use crate::blob::new_name;
use crate::sealed::SealedWriter;
use crate::{Blobs, FilesError, Incoming, Reader};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the files of batches live where nothing else was said, as at OpenAI.
const BATCH_LIFE: Duration = DAY.saturating_mul(30);
/// What `expires_after` may say.
const SHORTEST_LIFE: Duration = Duration::from_secs(60 * 60);
const LONGEST_LIFE: Duration = DAY.saturating_mul(30);
/// Characters of a file's name at most.
const LONGEST_NAME: usize = 512;

/// What may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilesConfig {
    /// Bytes of the largest file.
    pub max_file_bytes: u64,
}

/// Who brings a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The organisation.
    pub organization: OrganizationId,
    /// The project, whose the file will be.
    pub project: ProjectId,
    /// The key.
    pub key: ApiKeyId,
    /// How long the project's content may be kept.
    pub retention: Retention,
}

impl Owner {
    /// The rows that it may reach.
    pub fn scope(&self) -> Scope {
        Scope { organization: self.organization.clone(), project: Some(self.project.clone()) }
    }
}

/// What is said of a file whose bytes have come.
#[derive(Clone, PartialEq, Eq)]
pub struct NewFile {
    /// What its owner calls it. Content.
    pub filename: String,
    /// What it is for.
    pub purpose: FilePurpose,
    /// How long it is to live, from its making; `None`: nothing was said.
    pub expires_after: Option<Duration>,
}

impl std::fmt::Debug for NewFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewFile")
            .field("purpose", &self.purpose)
            .field("expires_after", &self.expires_after)
            .finish_non_exhaustive()
    }
}

/// The files. Clones share one blob store.
#[derive(Debug, Clone)]
pub struct Files(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    config: FilesConfig,
    store: Store,
    blobs: Blobs,
    clock: SharedClock,
    rng: SharedRng,
}

impl Files {
    /// The files whose rows are in `store` and whose bytes are in `blobs`.
    pub fn new(
        config: FilesConfig,
        store: Store,
        blobs: Blobs,
        clock: SharedClock,
        rng: SharedRng,
    ) -> Self {
        Self(Arc::new(Parts { config, store, blobs, clock, rng }))
    }

    /// Begins a file. What it is called and for may be said when its bytes have come.
    ///
    /// # Errors
    /// [`FilesError::ZeroRetention`] where the project may keep nothing.
    pub async fn writer(&self, owner: &Owner) -> Result<Incoming, FilesError> {
        let writer = self.begin_blob(owner).await?;
        Ok(Incoming::new(self.clone(), owner.clone(), writer))
    }

    /// One file in the scope.
    ///
    /// # Errors
    /// [`store::StoreError::NotFound`] when there is none, or its time is over.
    pub async fn get(&self, scope: &Scope, id: &FileId) -> Result<FileRow, FilesError> {
        Ok(self.store().file_get(scope, id).await?)
    }

    /// One page of the files in the scope, all or those of one purpose.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn list(
        &self,
        scope: &Scope,
        purpose: Option<FilePurpose>,
        page: &ItemPage,
    ) -> Result<Paged<FileRow>, FilesError> {
        Ok(self.store().file_list(scope, purpose, page).await?)
    }

    /// Opens a file of the scope to read it.
    ///
    /// # Errors
    /// As [`Files::get`].
    pub async fn open(&self, scope: &Scope, id: &FileId) -> Result<Reader, FilesError> {
        let (file, blobs) = self.store().file_open(scope, id).await?;
        let key = self.store().content_key(&file.project).await?;
        Ok(Reader::new(self.blobs().clone(), key, file, blobs))
    }

    /// Deletes a file with its bytes.
    ///
    /// # Errors
    /// As [`Files::get`].
    pub async fn delete(&self, scope: &Scope, id: &FileId) -> Result<(), FilesError> {
        let blobs = self.store().file_delete(scope, id).await?;
        self.drop_blobs(blobs).await;
        Ok(())
    }

    /// Where the bytes are.
    pub fn blobs(&self) -> &Blobs {
        &self.0.blobs
    }

    /// Bytes of the largest file.
    pub fn max_file_bytes(&self) -> u64 {
        self.0.config.max_file_bytes
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(crate) fn rng(&self) -> &dyn kernel::Rng {
        self.0.rng.as_ref()
    }

    /// Begins a blob under the project's key.
    pub(crate) async fn begin_blob(&self, owner: &Owner) -> Result<SealedWriter, FilesError> {
        keeps_content(owner)?;
        let key = self.store().content_key(&owner.project).await?;
        SealedWriter::begin(self.blobs(), &key, new_name(self.rng())).await
    }

    /// A file of these blobs, ready for its row.
    pub(crate) fn file_of(
        &self,
        owner: &Owner,
        new: NewFile,
        blobs: Vec<BlobRow>,
    ) -> store::NewFile {
        let created_at = self.now();
        let expires_at = Some(end_of_life(created_at, owner, new.purpose, new.expires_after));
        store::NewFile {
            id: FileId::new(created_at, self.rng()),
            api_key: owner.key.clone(),
            filename: new.filename,
            purpose: new.purpose,
            created_at,
            expires_at,
            blobs,
        }
    }

    /// Deletes blobs that nothing points to any more, also when the caller has gone meanwhile. What
    /// cannot be deleted now is found by a sweep.
    pub(crate) async fn drop_blobs(&self, blobs: Vec<BlobRow>) {
        let place = self.blobs().clone();
        let work = tokio::spawn(async move {
            for BlobRow { blob, .. } in blobs {
                if let Err(error) = place.delete(&blob).await {
                    tracing::warn!(blob, %error, "a deleted file's bytes are still there, sealed; a sweep deletes them");
                }
            }
        });
        let _ = work.await;
    }
}

/// The purpose of a file that a client brings.
///
/// # Errors
/// [`FilesError::Invalid`] when files of this purpose are not brought by clients.
pub fn uploaded_purpose(word: &str) -> Result<FilePurpose, FilesError> {
    use FilePurpose::{Assistants, Batch, Evals, FineTune, UserData, Vision};
    let known = [Assistants, Batch, FineTune, Vision, UserData, Evals];
    known.into_iter().find(|purpose| purpose.as_str() == word).ok_or_else(|| {
        let names = known.map(|purpose| format!("'{}'", purpose.as_str())).join(", ");
        let word: String = word.chars().take(50).collect();
        FilesError::invalid("purpose", format!("'{word}' is not one of [{names}] - 'purpose'"))
    })
}

/// Refuses what would have to be kept where nothing may be.
pub(crate) fn keeps_content(owner: &Owner) -> Result<(), FilesError> {
    if owner.retention.zero { Err(FilesError::ZeroRetention) } else { Ok(()) }
}

pub(crate) fn check_name(name: &str) -> Result<(), FilesError> {
    let reason = if name.is_empty() {
        "the file has no name; give it a filename".to_owned()
    } else if name.chars().count() > LONGEST_NAME {
        format!("the file's name is longer than {LONGEST_NAME} characters; give it a shorter one")
    } else {
        return Ok(());
    };
    Err(FilesError::invalid("filename", reason))
}

pub(crate) fn check_life(expires_after: Option<Duration>) -> Result<(), FilesError> {
    match expires_after {
        Some(life) if !(SHORTEST_LIFE..=LONGEST_LIFE).contains(&life) => {
            let (shortest, longest) = (SHORTEST_LIFE.as_secs(), LONGEST_LIFE.as_secs());
            let reason = format!("expires_after.seconds must be from {shortest} to {longest}");
            Err(FilesError::invalid("expires_after", reason))
        }
        _ => Ok(()),
    }
}

/// The earlier of what the owner asked for and what the project's retention allows.
fn end_of_life(
    created_at: Timestamp,
    owner: &Owner,
    purpose: FilePurpose,
    expires_after: Option<Duration>,
) -> Timestamp {
    let of_batch = matches!(purpose, FilePurpose::Batch | FilePurpose::BatchOutput);
    let asked = expires_after.or(of_batch.then_some(BATCH_LIFE));
    let kept = DAY.saturating_mul(owner.retention.days);
    created_at.plus(asked.map_or(kept, |asked| asked.min(kept)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(days: u32) -> Owner {
        Owner {
            organization: "org-1".into(),
            project: "proj_1".into(),
            key: "key_1".into(),
            retention: Retention { zero: false, days },
        }
    }

    #[test]
    fn a_file_ends_when_the_first_of_its_ends_comes() {
        let end = |days, purpose, asked| {
            end_of_life(Timestamp::default(), &owner(days), purpose, asked).as_secs() / 3_600
        };
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3_600));
        assert_eq!(end(30, FilePurpose::UserData, None), 30 * 24);
        assert_eq!(end(30, FilePurpose::UserData, hours(1)), 1);
        assert_eq!(end(1, FilePurpose::UserData, hours(48)), 24);
        assert_eq!(end(365, FilePurpose::UserData, None), 365 * 24);
        assert_eq!(end(365, FilePurpose::Batch, None), 30 * 24);
        assert_eq!(end(365, FilePurpose::BatchOutput, hours(2)), 2);
    }

    #[test]
    fn outputs_are_not_brought_by_clients() {
        assert_eq!(uploaded_purpose("fine-tune").unwrap(), FilePurpose::FineTune);
        for word in ["", "batch_output", "fine_tune", "BATCH"] {
            let error = uploaded_purpose(word).unwrap_err();
            assert!(error.to_string().contains("'user_data'"), "{error}");
        }
    }
}
