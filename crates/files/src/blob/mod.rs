//! Where blobs are: a folder, or a bucket that speaks S3's protocol.
//!
//! A blob appears whole or not at all, and never changes. Its name is 32 random hexadecimal digits;
//! the first two are its shard, so that no folder gets too many.

mod bucket;
mod folder;

use std::ops::Range;
use std::path::PathBuf;

use bytes::Bytes;
use kernel::{Rng, Timestamp};

use self::bucket::{Bucket, BucketDraft};
use self::folder::{Folder, FolderDraft};
use crate::FilesError;

pub use self::bucket::BucketConfig;

/// Where the blobs are to be.
#[derive(Debug, Clone)]
pub enum BlobConfig {
    /// In a folder. It is made if absent, readable by its owner alone.
    Folder(PathBuf),
    /// In a bucket.
    Bucket(BucketConfig),
}

/// The blobs. Clones share one store.
#[derive(Debug, Clone)]
pub struct Blobs(Place);

#[derive(Debug, Clone)]
enum Place {
    Folder(Folder),
    Bucket(Bucket),
}

/// A blob that was found in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub blob: String,
    /// When it was written.
    pub written_at: Timestamp,
}

/// A blob on its way in. Dropped before it is finished, it leaves nothing.
#[derive(Debug)]
pub(crate) enum Draft {
    Folder(FolderDraft),
    Bucket(BucketDraft),
}

impl Blobs {
    /// The blobs of this place.
    ///
    /// # Errors
    /// When the folder cannot be made, or the bucket's settings contradict each other.
    pub fn open(config: BlobConfig) -> Result<Self, FilesError> {
        Ok(Self(match config {
            BlobConfig::Folder(path) => Place::Folder(Folder::open(&path)?),
            BlobConfig::Bucket(bucket) => Place::Bucket(Bucket::open(&bucket)?),
        }))
    }

    /// Deletes a blob. One that is not there is as good as deleted.
    ///
    /// # Errors
    /// When it may still be there.
    pub async fn delete(&self, blob: &str) -> Result<(), FilesError> {
        match (&self.0, is_name(blob)) {
            // No blob has such a name.
            (_, false) => Ok(()),
            (Place::Folder(folder), true) => folder.delete(blob).await,
            (Place::Bucket(bucket), true) => bucket.delete(blob).await,
        }
    }

    /// Whether a blob is there.
    ///
    /// # Errors
    /// When the place does not say.
    pub async fn exists(&self, blob: &str) -> Result<bool, FilesError> {
        match (&self.0, is_name(blob)) {
            (_, false) => Ok(false),
            (Place::Folder(folder), true) => folder.exists(blob).await,
            (Place::Bucket(bucket), true) => bucket.exists(blob).await,
        }
    }

    /// Begins a blob under a name that none had before.
    pub(crate) async fn draft(&self, blob: &str) -> Result<Draft, FilesError> {
        Ok(match &self.0 {
            Place::Folder(folder) => Draft::Folder(folder.draft(blob).await?),
            Place::Bucket(bucket) => Draft::Bucket(bucket.draft(blob)),
        })
    }

    /// Exactly these bytes of a blob.
    pub(crate) async fn read(&self, blob: &str, range: Range<u64>) -> Result<Bytes, FilesError> {
        let missing = || FilesError::Missing { blob: blob.to_owned() };
        if !is_name(blob) {
            return Err(missing());
        }
        let read = match &self.0 {
            Place::Folder(folder) => folder.read(blob, range).await,
            Place::Bucket(bucket) => bucket.read(blob, range).await,
        };
        read?.ok_or_else(missing)
    }

    /// The blobs of one shard.
    pub(crate) async fn list(&self, shard: u8) -> Result<Vec<Listed>, FilesError> {
        match &self.0 {
            Place::Folder(folder) => folder.list(shard).await,
            Place::Bucket(bucket) => bucket.list(shard).await,
        }
    }

    /// Removes what writers left behind that are gone. Returns how many.
    pub(crate) async fn sweep_drafts(&self) -> Result<usize, FilesError> {
        match &self.0 {
            Place::Folder(folder) => folder.sweep_drafts().await,
            // S3 shows nothing of what is not finished; a rule of the bucket ends it.
            Place::Bucket(_) => Ok(0),
        }
    }

    /// Says whose blobs these are, unless it was said already. Returns what stands there.
    pub(crate) async fn claim(&self, owner: &str) -> Result<String, FilesError> {
        match &self.0 {
            Place::Folder(folder) => folder.claim(owner).await,
            Place::Bucket(bucket) => bucket.claim(owner).await,
        }
    }
}

impl Draft {
    /// Appends bytes. Pieces of a megabyte or so are best.
    pub(crate) async fn write(&mut self, data: Bytes) -> Result<(), FilesError> {
        match self {
            Self::Folder(draft) => draft.write(data).await,
            Self::Bucket(draft) => draft.write(data).await,
        }
    }

    /// Makes the blob appear. It is on the disk, or in the bucket, when this returns.
    pub(crate) async fn finish(self) -> Result<(), FilesError> {
        match self {
            Self::Folder(draft) => draft.finish().await,
            Self::Bucket(draft) => draft.finish().await,
        }
    }
}

/// A name for a new blob.
pub(crate) fn new_name(rng: &dyn Rng) -> String {
    let mut bytes = [0; 16];
    rng.fill(&mut bytes);
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// Whether a text can be a blob's name. Nothing else ever becomes part of a path.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Where a blob is below the root: its shard and its name.
fn below(blob: &str) -> String {
    format!("{}/{blob}", blob.get(..2).unwrap_or_default())
}

/// The file that says whose blobs these are.
const OWNER: &str = "owner";

#[cfg(test)]
mod tests {
    use kernel::SystemRng;

    use super::*;

    #[test]
    fn names_are_random_and_no_path() {
        let (one, two) = (new_name(&SystemRng), new_name(&SystemRng));
        assert_ne!(one, two);
        assert!(is_name(&one) && is_name(&two));
        for wrong in ["", "ab", "../../etc/passwd", &one[1..], &one.replace(&one[..1], "G")] {
            assert!(!is_name(wrong), "{wrong}");
        }
        assert_eq!(
            below("00ff0123456789abcdef0123456789ab"),
            "00/00ff0123456789abcdef0123456789ab"
        );
    }
}
