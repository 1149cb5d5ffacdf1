//! What crashes leave behind: drafts that nobody finishes, blobs that no row points to.
//!
//! Rows are the truth, so before a blob is deleted for want of one, it must be certain that these
//! are the rows it was made with: a node that is started with the wrong database must not empty the
//! blob store.

use std::time::Duration;

use kernel::id::time_ordered;

use crate::{Files, FilesError};

/// A blob without a row is younger than this while its row is on its way.
const GRACE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long until the next sweep, and until another try.
const PAUSE: Duration = Duration::from_secs(24 * 60 * 60);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(60 * 60);
/// The setting that says which blob store is the database's.
const OWNER: &str = "files.owner";

/// What a sweep removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Blobs that nobody would have finished.
    pub drafts: usize,
    /// Blobs that no row points to.
    pub orphans: usize,
}

impl Files {
    /// Sweeps now and every day, for as long as it is polled.
    pub async fn background(&self) {
        loop {
            let pause = match self.sweep().await {
                Ok(Swept { drafts: 0, orphans: 0 }) => PAUSE,
                Ok(Swept { drafts, orphans }) => {
                    tracing::info!(drafts, orphans, "removed what earlier crashes left of files");
                    PAUSE
                }
                Err(error) => {
                    tracing::error!(%error, "what crashes left of files could not be looked for");
                    PAUSE_AFTER_FAILURE
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Removes what crashes left behind.
    ///
    /// # Errors
    /// [`FilesError::ForeignBlobs`] when the blobs are not this database's; nothing is removed then.
    pub async fn sweep(&self) -> Result<Swept, FilesError> {
        self.own_blobs().await?;
        let mut swept = Swept { drafts: self.blobs().sweep_drafts().await?, orphans: 0 };
        for shard in 0..=u8::MAX {
            swept.orphans += self.sweep_shard(shard).await?;
        }
        Ok(swept)
    }

    async fn sweep_shard(&self, shard: u8) -> Result<usize, FilesError> {
        let now = self.now();
        let mut old: Vec<String> = self
            .blobs()
            .list(shard)
            .await?
            .into_iter()
            .filter(|listed| now.since(listed.written_at) > GRACE)
            .map(|listed| listed.blob)
            .collect();
        let in_use = self.store().blobs_in_use(&old).await?;
        old.retain(|blob| !in_use.contains(blob));
        for blob in &old {
            self.blobs().delete(blob).await?;
        }
        Ok(old.len())
    }

    /// Makes sure that database and blobs belong together; the first that ask are wedded.
    async fn own_blobs(&self) -> Result<(), FilesError> {
        let store = self.store();
        let own = match store.setting_get(OWNER).await? {
            Some(own) => own,
            None => {
                let new = time_ordered("", self.now(), self.rng());
                match store.setting_claim(OWNER, &new).await? {
                    true => new,
                    // Another node was first.
                    false => store.setting_get(OWNER).await?.unwrap_or(new),
                }
            }
        };
        if self.blobs().claim(&own).await? == own { Ok(()) } else { Err(FilesError::ForeignBlobs) }
    }
}
