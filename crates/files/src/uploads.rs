//! Uploads: a file in parts, which may come in any order and at once.
//!
//! Completing an upload copies nothing: the parts' blobs, in the order asked for, are the file.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use kernel::{FileId, Timestamp, UploadId};
use md5::{Digest as _, Md5};
use store::{BlobRow, FilePurpose, FileRow, PartRow, StoreError, UploadRow};
use tokio::task::spawn_blocking;

use crate::files::{check_life, check_name, keeps_content};
use crate::{Files, FilesError, IncomingPart, NewFile, Owner, Reader};

/// Bytes of the largest part, as at OpenAI.
pub const PART_BYTES: u64 = 64 * 1024 * 1024;
/// A part whose answer was lost is sent again: so many times the file's bytes may come.
const TRIES: u64 = 3;

/// How long an upload takes parts.
const LIFE: Duration = Duration::from_secs(60 * 60);

/// An upload to be begun.
#[derive(Clone, PartialEq, Eq)]
pub struct NewUpload {
    /// What its owner calls the file. Content.
    pub filename: String,
    /// What the file is for.
    pub purpose: FilePurpose,
    /// How many bytes the file will have.
    pub bytes: u64,
    /// How long the file is to live, from its making; `None`: nothing was said.
    pub expires_after: Option<Duration>,
}

impl std::fmt::Debug for NewUpload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUpload")
            .field("purpose", &self.purpose)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// How far an upload has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UploadStatus {
    /// It takes parts.
    Pending,
    /// Its parts are a file.
    Completed,
    /// Its owner gave it up.
    Cancelled,
    /// Its time was over before it was completed.
    Expired,
}

impl UploadStatus {
    /// OpenAI's name for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    fn of(row: &UploadRow, now: Timestamp) -> Self {
        match row.status {
            store::UploadStatus::Pending if row.expires_at <= now => Self::Expired,
            store::UploadStatus::Pending => Self::Pending,
            store::UploadStatus::Completed => Self::Completed,
            store::UploadStatus::Cancelled => Self::Cancelled,
        }
    }
}

/// An upload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upload {
    /// What is known of it.
    pub row: UploadRow,
    /// How far it has come.
    pub status: UploadStatus,
    /// The file that it became.
    pub file: Option<FileRow>,
}

impl Files {
    /// Begins an upload.
    ///
    /// # Errors
    /// [`FilesError::ZeroRetention`] where the project may keep nothing, [`FilesError::TooLarge`]
    /// and [`FilesError::Invalid`] when there can be no such file.
    pub async fn upload_create(&self, owner: &Owner, new: NewUpload) -> Result<Upload, FilesError> {
        keeps_content(owner)?;
        check_name(&new.filename)?;
        check_life(new.expires_after)?;
        let limit = self.max_file_bytes();
        if new.bytes > limit {
            return Err(FilesError::TooLarge { limit });
        }
        let created_at = self.now();
        let upload = store::NewUpload {
            id: UploadId::new(created_at, self.rng()),
            api_key: owner.key.clone(),
            filename: new.filename,
            purpose: new.purpose,
            bytes: new.bytes,
            created_at,
            expires_at: created_at.plus(LIFE),
            file_expires_after: new.expires_after,
        };
        let row = self.store().upload_insert(&owner.scope(), upload).await?;
        Ok(Upload { row, status: UploadStatus::Pending, file: None })
    }

    /// Begins a part of an upload.
    ///
    /// # Errors
    /// [`FilesError::UploadOver`] when the upload takes no more parts.
    pub async fn upload_part(
        &self,
        owner: &Owner,
        upload: &UploadId,
    ) -> Result<IncomingPart, FilesError> {
        let row = self.store().upload_get(&owner.scope(), upload).await?;
        must_be_pending(&row, self.now())?;
        let there = self.store().upload_parts(&owner.scope(), upload).await?;
        let there: u64 = there.iter().map(|part| part.blob.bytes).sum();
        let left = row.bytes.saturating_mul(TRIES).saturating_sub(there);
        if left == 0 {
            let reason = format!(
                "the parts of this upload have {there} bytes already, and its file {}; complete it, \
                 or begin another one",
                row.bytes
            );
            return Err(FilesError::invalid("data", reason));
        }
        let writer = self.begin_blob(owner).await?;
        Ok(IncomingPart::new(self.clone(), owner.clone(), upload.clone(), writer, left))
    }

    /// Makes a file of these parts, in this order, after a look at its size and, where one is given,
    /// its checksum. Completing again what was completed gives the same file: a client that did not
    /// hear the answer may ask once more.
    ///
    /// # Errors
    /// [`FilesError::Invalid`] when the parts are not the upload's or do not make up its file;
    /// the upload is still pending then.
    pub async fn upload_complete(
        &self,
        owner: &Owner,
        id: &UploadId,
        parts: &[String],
        md5: Option<&str>,
    ) -> Result<Upload, FilesError> {
        let scope = owner.scope();
        let row = self.store().upload_get(&scope, id).await?;
        if row.file.is_some() {
            return self.completed(owner, row).await;
        }
        must_be_pending(&row, self.now())?;
        keeps_content(owner)?;
        let blobs = in_order(id, parts, self.store().upload_parts(&scope, id).await?)?;
        check_size(&row, &blobs)?;
        if let Some(md5) = md5 {
            self.check_md5(owner, &row, &blobs, md5).await?;
        }
        let new = NewFile {
            filename: row.filename.clone(),
            purpose: row.purpose,
            expires_after: row.file_expires_after,
        };
        let file = self.file_of(owner, new, blobs);
        let (file, unused) = match self.store().upload_complete(&scope, id, &file).await {
            Ok(completed) => completed,
            Err(error @ StoreError::Conflict { .. }) => {
                // Another request may have completed it meanwhile.
                let row = self.store().upload_get(&scope, id).await?;
                return match row.file {
                    Some(_) => self.completed(owner, row).await,
                    None => Err(error.into()),
                };
            }
            Err(error) => return Err(error.into()),
        };
        self.drop_blobs(unused).await;
        Ok(Upload { row, status: UploadStatus::Completed, file: Some(file) })
    }

    /// Gives an upload up, with the parts that have come.
    ///
    /// # Errors
    /// [`FilesError::UploadOver`] when it is completed or expired. Cancelling twice is none.
    pub async fn upload_cancel(&self, owner: &Owner, id: &UploadId) -> Result<Upload, FilesError> {
        let scope = owner.scope();
        let row = self.store().upload_get(&scope, id).await?;
        let status = UploadStatus::Cancelled;
        if UploadStatus::of(&row, self.now()) != status {
            must_be_pending(&row, self.now())?;
            self.drop_blobs(self.store().upload_cancel(&scope, id).await?).await;
        }
        Ok(Upload { row, status, file: None })
    }

    /// An upload that is completed already, with its file.
    async fn completed(&self, owner: &Owner, row: UploadRow) -> Result<Upload, FilesError> {
        let file = match &row.file {
            Some(file) => Some(self.get(&owner.scope(), file).await?),
            None => None,
        };
        Ok(Upload { row, status: UploadStatus::Completed, file })
    }

    async fn check_md5(
        &self,
        owner: &Owner,
        row: &UploadRow,
        blobs: &[BlobRow],
        said: &str,
    ) -> Result<(), FilesError> {
        if said.len() != 32 || !said.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let reason = "md5 is no MD5 checksum; write its 32 hexadecimal digits";
            return Err(FilesError::invalid("md5", reason));
        }
        let key = self.store().content_key(&owner.project).await?;
        // Not a file yet, but read like one.
        let like = FileRow {
            id: FileId::from(row.id.as_str()),
            project: row.project.clone(),
            api_key: row.api_key.clone(),
            filename: String::new(),
            purpose: row.purpose,
            bytes: row.bytes,
            created_at: row.created_at,
            expires_at: None,
        };
        let reader = Reader::new(self.blobs().clone(), key, like, blobs.to_vec());
        let mut pieces = std::pin::pin!(reader.stream(0..row.bytes));
        let mut hash = Md5::new();
        while let Some(piece) = pieces.try_next().await? {
            // A megabyte takes milliseconds, which other calls would wait.
            let hashed = spawn_blocking(move || hash.chain_update(&piece)).await;
            hash = hashed.map_err(|stopped| FilesError::Unavailable {
                doing: "read a blob",
                reason: stopped.to_string(),
            })?;
        }
        let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if found.eq_ignore_ascii_case(said) {
            return Ok(());
        }
        let reason = format!(
            "the parts' MD5 checksum is {found}, not {said}; check the order of part_ids, or send \
             the parts again"
        );
        Err(FilesError::invalid("md5", reason))
    }
}

fn must_be_pending(row: &UploadRow, now: Timestamp) -> Result<(), FilesError> {
    match UploadStatus::of(row, now) {
        UploadStatus::Pending => Ok(()),
        over => Err(FilesError::UploadOver { id: row.id.to_string(), status: over.as_str() }),
    }
}

/// The blobs of the parts that are named, in this order.
fn in_order(
    upload: &UploadId,
    names: &[String],
    parts: Vec<PartRow>,
) -> Result<Vec<BlobRow>, FilesError> {
    let mut there: HashMap<String, BlobRow> =
        parts.into_iter().map(|part| (part.id.to_string(), part.blob)).collect();
    let take = |name: &String| {
        there.remove(name).ok_or_else(|| {
            let name: String = name.chars().take(100).collect();
            let reason = format!(
                "upload {upload} has no part '{name}', or it is named twice; name each part that \
                 was added once"
            );
            FilesError::invalid("part_ids", reason)
        })
    };
    names.iter().map(take).collect()
}

fn check_size(row: &UploadRow, blobs: &[BlobRow]) -> Result<(), FilesError> {
    let have: u64 = blobs.iter().map(|blob| blob.bytes).sum();
    if have == row.bytes {
        return Ok(());
    }
    let reason = format!(
        "the parts have {have} bytes together, but the upload was begun for {}; name all of its \
         parts, or begin another one",
        row.bytes
    );
    Err(FilesError::invalid("part_ids", reason))
}
