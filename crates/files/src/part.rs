//! A part of an upload on its way in.

use kernel::{UploadId, UploadPartId};
use store::{BlobRow, PartRow};

use crate::sealed::SealedWriter;
use crate::uploads::PART_BYTES;
use crate::{Files, FilesError, Owner};

/// A part on its way in. It exists when it is finished; dropped before, it leaves nothing.
#[derive(Debug)]
pub struct IncomingPart {
    files: Files,
    owner: Owner,
    upload: UploadId,
    writer: SealedWriter,
    /// Bytes that the upload still lacks.
    left: u64,
}

impl IncomingPart {
    pub(crate) const fn new(
        files: Files,
        owner: Owner,
        upload: UploadId,
        writer: SealedWriter,
        left: u64,
    ) -> Self {
        Self { files, owner, upload, writer, left }
    }

    /// Appends bytes. They are sealed before they leave this process.
    ///
    /// # Errors
    /// [`FilesError::PartTooLarge`] when the part would become larger than parts may be.
    pub async fn write(&mut self, data: &[u8]) -> Result<(), FilesError> {
        let limit = PART_BYTES.min(self.left);
        if self.writer.bytes().saturating_add(data.len() as u64) > limit {
            return Err(FilesError::PartTooLarge { limit });
        }
        self.writer.write(data).await
    }

    /// Makes the part exist.
    ///
    /// # Errors
    /// When the upload takes no more parts.
    pub async fn finish(self) -> Result<PartRow, FilesError> {
        let (blob, bytes) = self.writer.finish().await?;
        let blob = BlobRow { blob, bytes };
        let created_at = self.files.now();
        let id = UploadPartId::new(created_at, self.files.rng());
        let part = PartRow { id, blob, created_at };
        let store = self.files.store();
        let added = store.upload_part_insert(&self.owner.scope(), &self.upload, &part).await;
        if let Err(error) = added {
            self.files.drop_blobs(vec![part.blob]).await;
            return Err(error.into());
        }
        Ok(part)
    }
}
