//! Blobs in a folder.
//!
//! A blob is written into `drafts/`, flushed to the disk, and moved to its place. Its writer holds a
//! lock on the draft, which the operating system takes away when the writer dies: a draft that can
//! be locked has nobody who would finish it. So several nodes may share one folder.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use kernel::Timestamp;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::{Listed, OWNER, below, is_name};
use crate::FilesError;

const DRAFTS: &str = "drafts";

/// A folder with blobs.
#[derive(Debug, Clone)]
pub(super) struct Folder(Arc<Path>);

impl Folder {
    /// Opens the folder, making it if absent.
    pub(super) fn open(root: &Path) -> Result<Self, FilesError> {
        let make = || {
            make_folder(&root.join(DRAFTS))?;
            fs::canonicalize(root)
        };
        let root = make().map_err(failed("use its folder"))?;
        Ok(Self(root.into()))
    }

    pub(super) async fn draft(&self, blob: &str) -> Result<FolderDraft, FilesError> {
        let draft = self.0.join(DRAFTS).join(blob);
        let place = self.0.join(below(blob));
        on_disk("begin a blob", move || {
            let file = create(&draft)?;
            let draft = FolderDraft { file: Arc::new(file), draft, place, finished: false };
            draft.file.try_lock().map_err(io::Error::from)?;
            Ok(draft)
        })
        .await
    }

    pub(super) async fn read(
        &self,
        blob: &str,
        range: Range<u64>,
    ) -> Result<Option<Bytes>, FilesError> {
        let path = self.0.join(below(blob));
        on_disk("read a blob", move || {
            let Some(file) = if_there(File::open(path))? else { return Ok(None) };
            let length =
                usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, range.start)?;
            Ok(Some(bytes.into()))
        })
        .await
    }

    pub(super) async fn delete(&self, blob: &str) -> Result<(), FilesError> {
        let path = self.0.join(below(blob));
        on_disk("delete a blob", move || {
            if if_there(fs::remove_file(&path))?.is_some() {
                sync_folder_of(&path)?;
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn exists(&self, blob: &str) -> Result<bool, FilesError> {
        let path = self.0.join(below(blob));
        on_disk("look for a blob", move || path.try_exists()).await
    }

    pub(super) async fn list(&self, shard: u8) -> Result<Vec<Listed>, FilesError> {
        let path = self.0.join(format!("{shard:02x}"));
        on_disk("list its blobs", move || {
            let mut found = Vec::new();
            for entry in if_there(fs::read_dir(path))?.into_iter().flatten() {
                let entry = entry?;
                let Some(blob) =
                    entry.file_name().to_str().filter(|name| is_name(name)).map(str::to_owned)
                else {
                    continue;
                };
                // It may be deleted in this moment.
                let Some(metadata) = if_there(entry.metadata())? else { continue };
                found.push(Listed { blob, written_at: written_at(&metadata)? });
            }
            Ok(found)
        })
        .await
    }

    pub(super) async fn sweep_drafts(&self) -> Result<usize, FilesError> {
        let drafts = self.0.join(DRAFTS);
        on_disk("look for abandoned blobs", move || {
            let mut swept = 0;
            for entry in fs::read_dir(drafts)? {
                let path = entry?.path();
                let Some(file) = if_there(File::open(&path))? else { continue };
                if file.try_lock().is_ok() && if_there(fs::remove_file(&path))?.is_some() {
                    swept += 1;
                }
            }
            Ok(swept)
        })
        .await
    }

    pub(super) async fn claim(&self, owner: &str) -> Result<String, FilesError> {
        let (path, owner) = (self.0.join(OWNER), owner.to_owned());
        on_disk("say whose it is", move || match create(&path) {
            Ok(mut file) => {
                file.write_all(owner.as_bytes())?;
                file.sync_all()?;
                sync_folder_of(&path)?;
                Ok(owner)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::read_to_string(&path),
            Err(error) => Err(error),
        })
        .await
    }
}

/// A blob on its way into a folder.
#[derive(Debug)]
pub(crate) struct FolderDraft {
    file: Arc<File>,
    draft: PathBuf,
    place: PathBuf,
    finished: bool,
}

impl FolderDraft {
    pub(super) async fn write(&mut self, data: Bytes) -> Result<(), FilesError> {
        let file = Arc::clone(&self.file);
        on_disk("write a blob", move || (&*file).write_all(&data)).await
    }

    pub(super) async fn finish(mut self) -> Result<(), FilesError> {
        let (file, draft, place) = (Arc::clone(&self.file), self.draft.clone(), self.place.clone());
        on_disk("finish a blob", move || {
            file.sync_all()?;
            let shard = place.parent().unwrap_or(&place);
            if !shard.is_dir() {
                make_folder(shard)?;
                sync_folder_of(shard)?;
            }
            fs::rename(&draft, &place)?;
            sync_folder_of(&place)
        })
        .await?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for FolderDraft {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let draft = std::mem::take(&mut self.draft);
        let remove = move || {
            if let Err(error) = if_there(fs::remove_file(draft)) {
                tracing::warn!(%error, "an abandoned blob could not be removed; the next sweep does it");
            }
        };
        // The disk may take its time over a long file, and callers wait for nobody's leavings.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

/// Works on the disk beside the workers, whose calls would wait for it.
async fn on_disk<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, FilesError> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|stopped| Err(io::Error::other(stopped))).map_err(failed(doing))
}

fn failed(doing: &'static str) -> impl FnOnce(io::Error) -> FilesError {
    move |error| FilesError::Unavailable { doing, reason: error.to_string() }
}

/// What is not there is no error.
fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn create(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a change of names in the folder above last through a power cut.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn written_at(metadata: &fs::Metadata) -> io::Result<Timestamp> {
    let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Timestamp::default().plus(since))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const BLOB: &str = "00ff0123456789abcdef0123456789ab";

    fn drafts(root: &Path) -> usize {
        fs::read_dir(root.join(DRAFTS)).unwrap().count()
    }

    #[tokio::test]
    async fn a_blob_appears_when_it_is_finished_and_is_its_owners_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(&root.path().join("blobs")).unwrap();
        let mut draft = folder.draft(BLOB).await.unwrap();
        draft.write("hello ".into()).await.unwrap();
        draft.write("world".into()).await.unwrap();
        assert!(!folder.exists(BLOB).await.unwrap());
        assert_eq!(folder.read(BLOB, 0..1).await.unwrap(), None);
        draft.finish().await.unwrap();
        assert!(folder.exists(BLOB).await.unwrap());
        assert_eq!(folder.read(BLOB, 4..8).await.unwrap().unwrap(), "o wo");
        assert!(folder.read(BLOB, 4..12).await.is_err(), "it has 11 bytes");
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.0.join(below(BLOB))), 0o600);
        for inside in ["", "drafts", "00"] {
            assert_eq!(mode(folder.0.join(inside)), 0o700, "{inside}");
        }
        assert_eq!(folder.list(0).await.unwrap()[0].blob, BLOB);
        assert_eq!(folder.list(1).await.unwrap(), []);
        folder.delete(BLOB).await.unwrap();
        folder.delete(BLOB).await.unwrap();
        assert!(!folder.exists(BLOB).await.unwrap());
    }

    #[tokio::test]
    async fn a_draft_that_is_dropped_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        let mut draft = folder.draft(BLOB).await.unwrap();
        draft.write("hello".into()).await.unwrap();
        assert_eq!(drafts(root.path()), 1);
        // Outside of a runtime it happens at once.
        std::thread::spawn(move || drop(draft)).join().unwrap();
        assert_eq!(drafts(root.path()), 0);
    }

    #[tokio::test]
    async fn a_sweep_takes_what_the_dead_left_and_nothing_of_the_living() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        let living = folder.draft(BLOB).await.unwrap();
        // A process that was killed: its lock is gone, its file is not.
        fs::write(root.path().join(DRAFTS).join("11ff0123456789abcdef0123456789ab"), "x").unwrap();
        assert_eq!(drafts(root.path()), 2);
        assert_eq!(folder.sweep_drafts().await.unwrap(), 1);
        living.finish().await.unwrap();
        assert!(folder.exists(BLOB).await.unwrap());
    }

    #[tokio::test]
    async fn the_first_to_claim_a_folder_has_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        assert_eq!(folder.claim("one").await.unwrap(), "one");
        assert_eq!(folder.claim("two").await.unwrap(), "one");
    }
}
