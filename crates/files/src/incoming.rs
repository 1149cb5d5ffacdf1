//! A file on its way in.

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
        check_name(&new.filename)?;
        check_life(new.expires_after)?;
        let (blob, bytes) = self.writer.finish().await?;
        let file = self.files.file_of(&self.owner, new, vec![BlobRow { blob, bytes }]);
        Ok(self.files.store().file_insert(&self.owner.scope(), &file).await?)
    }
}
