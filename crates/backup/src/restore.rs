//! A backup into an empty place: all of it, or nothing.
//!
//! Files are written into a folder of their own within the data directory, rows in one transaction.
//! Only when the backup was read to its end and all of it is as it says, the transaction is committed
//! and the files are moved to their places.

use std::fs::{self, DirBuilder, File};
use std::io::{BufRead, ErrorKind, Read};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use files::{BlobConfig, Blobs};
use kernel::{SharedClock, SharedRng};
use store::{Loader, StoreConfig};
use vault::MasterKeys;

use crate::archive::{Entry, Reader};
use crate::contents::{Digest, End, Manifest};
use crate::tally::Tally;
use crate::verify::{master_keys, vault};
use crate::{BackupError, BackupKey, folder};

/// Where files are until all is there.
const STAGING: &str = ".restoring";
/// The file in that folder by which a later restore knows it as a restore's own.
const MARKER: &str = ".kijun-restore";
/// What may be in a data directory that counts as empty.
const HARMLESS: &[&str] = &["node.lock", "lost+found"];

/// Where a backup is restored to.
pub struct Target {
    /// The data directory; it is there, and empty.
    pub data_dir: PathBuf,
    /// The database; `None`: the SQLite file of this name in the data directory.
    pub database: Option<StoreConfig>,
    /// The name of that file.
    pub database_file: &'static str,
    /// The name of the file with the master keys.
    pub master_key_file: &'static str,
    /// Where the bytes of files go; `None`: into the folder `blobs` of the data directory.
    pub blobs: Option<BlobConfig>,
    /// The master keys, for a backup that has none.
    pub master_keys: Option<MasterKeys>,
    /// The time.
    pub clock: SharedClock,
    /// Randomness.
    pub rng: SharedRng,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What the backup held.
    pub manifest: Manifest,
    /// How much of it.
    pub end: End,
    /// How many files and uploads were left out, since their bytes were deleted while the backup ran.
    pub left_out: u64,
}

/// Restores a backup.
///
/// # Errors
/// When the target is not empty, or the backup is not whole. Nothing is left of it then, but blobs
/// in a bucket that no row points to.
pub async fn restore(
    input: impl BufRead,
    key: &BackupKey,
    target: Target,
) -> Result<Restored, BackupError> {
    let (_, mut reader) = Reader::open(input, key)?;
    let staging = Staging::make(&target.data_dir)?;
    let mut work = Work::begin(&target, &staging.path).await?;
    while let Some(entry) = reader.entry()? {
        work.at(entry, &mut reader).await?;
    }
    let Work { tally, mut loader, vault, .. } = work;
    let (manifest, end) = tally.finish()?;
    let left_out = loader.remove_files_of(&end.deleted_meanwhile).await?;
    loader.finish(vault.as_deref()).await?;
    staging.put(&target.data_dir)?;
    Ok(Restored { manifest, end, left_out })
}

struct Work<'a> {
    target: &'a Target,
    staging: &'a Path,
    tally: Tally,
    loader: Loader,
    blobs: Blobs,
    vault: Option<std::sync::Arc<vault::Vault>>,
}

impl<'a> Work<'a> {
    async fn begin(target: &'a Target, staging: &'a Path) -> Result<Self, BackupError> {
        let database = target.database.clone().unwrap_or_else(|| StoreConfig {
            url: format!("sqlite://{}", staging.join(target.database_file).display()),
            max_connections: 1,
        });
        let loader = Loader::begin(&database, target.clock.now()).await?;
        let blobs = target.blobs.clone();
        let blobs = blobs.unwrap_or_else(|| BlobConfig::Folder(staging.join("blobs")));
        let keys = target.master_keys.as_ref();
        Ok(Self {
            target,
            staging,
            tally: Tally::default(),
            loader,
            blobs: Blobs::open(blobs)?,
            vault: keys.map(|keys| vault(keys, &target.rng)).transpose()?,
        })
    }

    async fn at(
        &mut self,
        entry: Entry,
        reader: &mut Reader<impl Read>,
    ) -> Result<(), BackupError> {
        match entry {
            Entry::Manifest => self.tally.manifest(reader)?,
            Entry::MasterKeys => {
                let keys = master_keys(reader)?;
                let path = self.staging.join(self.target.master_key_file);
                keys.save_new(&path, self.target.rng.as_ref())?;
                self.vault = Some(vault(&keys, &self.target.rng)?);
            }
            Entry::File { folder, name } => {
                folder::put(reader, self.staging, &folder, &name)?;
                self.tally.file(&folder);
            }
            Entry::Database => {
                let mut digest = Digest::new();
                while let Some(piece) = reader.piece()? {
                    digest.feed(&piece);
                    self.loader.feed(&piece).await?;
                }
                self.tally.database(self.loader.summary().clone(), digest);
            }
            Entry::Blob { blob, bytes, .. } => {
                let mut carried = self.blobs.write_sealed(&blob).await?;
                let mut sealed = 0;
                while let Some(piece) = reader.piece()? {
                    sealed += piece.len() as u64;
                    carried.write(piece.into()).await?;
                }
                if self.tally.blob(&blob, bytes, sealed) {
                    carried.finish().await?;
                }
            }
            Entry::End => self.tally.end(reader)?,
        }
        Ok(())
    }
}

/// The folder in which files wait for the end; it goes when it is dropped.
struct Staging {
    path: PathBuf,
}

impl Staging {
    fn make(data_dir: &Path) -> Result<Self, BackupError> {
        let path = data_dir.join(STAGING);
        let is_ours = is_ours(&path);
        let looking = || BackupError::io(format!("look into {}", data_dir.display()));
        for entry in fs::read_dir(data_dir).map_err(looking())? {
            let name = entry.map_err(looking())?.file_name();
            if HARMLESS.iter().any(|harmless| name == *harmless) || is_ours && name == STAGING {
                continue;
            }
            let place = data_dir.display().to_string();
            return Err(match is_ours {
                true => BackupError::HalfRestored { place },
                false => BackupError::NotEmpty { place },
            });
        }
        let making = || BackupError::io(format!("make {}", path.display()));
        if is_ours {
            tracing::info!(path = %path.display(), "a restore was cut off here; it begins anew");
            fs::remove_dir_all(&path).map_err(making())?;
        }
        DirBuilder::new().mode(0o700).create(&path).map_err(making())?;
        File::create_new(path.join(MARKER)).map_err(making())?;
        Ok(Self { path })
    }

    /// Moves everything to its place.
    fn put(&self, data_dir: &Path) -> Result<(), BackupError> {
        let put = || {
            for entry in fs::read_dir(&self.path)? {
                let entry = entry?;
                if entry.file_name() == MARKER {
                    continue;
                }
                fs::rename(entry.path(), data_dir.join(entry.file_name()))?;
            }
            File::open(data_dir)?.sync_all()
        };
        put().map_err(BackupError::io(format!("move the files into {}", data_dir.display())))
    }
}

/// Whether a restore made this folder that was cut off since: it has the marker, or nothing yet.
fn is_ours(path: &Path) -> bool {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    is_folder
        && (path.join(MARKER).is_file()
            || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none()))
}

impl Drop for Staging {
    fn drop(&mut self) {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let path = self.path.display();
                tracing::warn!(%error, %path, "what was begun to restore could not be removed");
            }
            _ => {}
        }
    }
}
