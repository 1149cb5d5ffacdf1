//! A file on its way in.

use kernel::FileId;
use store::{BlobRow, FileRow};

use crate::files::{check_life, check_name};
use crate::sealed::SealedWriter;
use crate::{Files, FilesError, NewFile, Owner};

/// A file on its way in. It exists when it is finished; dropped before, it leaves nothing.
#[derive(Debug)]
pub struct Incoming {
    files: Files,
    owner: Owner,
    writer: SealedWriter,
}

impl Incoming {
    pub(crate) const fn new(files: Files, owner: Owner, writer: SealedWriter) -> Self {
        Self { files, owner, writer }
    }

    /// Appends bytes. They are sealed before they leave this process.
    ///
    /// # Errors
    /// [`FilesError::TooLarge`] when the file would become larger than files may be.
    pub async fn write(&mut self, data: &[u8]) -> Result<(), FilesError> {
        let limit = self.files.max_file_bytes();
        if self.bytes().saturating_add(data.len() as u64) > limit {
            return Err(FilesError::TooLarge { limit });
        }
        self.writer.write(data).await
    }

    /// How many bytes have come so far.
    pub const fn bytes(&self) -> u64 {
        self.writer.bytes()
    }

    /// Makes the file exist.
    ///
    /// # Errors
    /// [`FilesError::Invalid`] when it may not be called so or live so long.
    pub async fn finish(self, new: NewFile) -> Result<FileRow, FilesError> {
        self.insert(None, new).await
    }

    /// As [`Incoming::finish`], under an id that was chosen before: who tries again after a crash
    /// finds the file there, and does not make another one.
    ///
    /// # Errors
    /// As [`Incoming::finish`].
    pub async fn finish_as(self, id: FileId, new: NewFile) -> Result<FileRow, FilesError> {
        self.insert(Some(id), new).await
    }

    async fn insert(self, id: Option<FileId>, new: NewFile) -> Result<FileRow, FilesError> {
        check_name(&new.filename)?;
        check_life(new.expires_after)?;
        let (blob, bytes) = self.writer.finish().await?;
        let mut file = self.files.file_of(&self.owner, new, vec![BlobRow { blob, bytes }]);
        if let Some(id) = id {
            file.id = id;
        }
        Ok(self.files.store().file_insert(&self.owner.scope(), &file).await?)
    }
}
