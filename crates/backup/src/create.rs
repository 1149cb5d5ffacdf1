//! Making a backup beside a running node.
//!
//! The order makes it whole. The journal comes before the database: a record that leaves the journal
//! meanwhile is in the database then. The checkpoints of the audit log come before it too: what they
//! vouch for is there then. Blobs come after it: they are written before their rows, so every one
//! that a row points to is there, unless it was deleted meanwhile; its file is left out then.

use std::io::Write;
use std::path::PathBuf;

use files::{Blobs, FilesError};
use kernel::{SharedClock, SharedRng};
use store::{BlobEntry, Released, Snapshot, StoreConfig};
use vault::{MasterKeys, PassphraseCost};

use crate::archive::{Entry, Writer, to_json};
use crate::contents::{Digest, End, Manifest};
use crate::verify::vault;
use crate::{BackupError, BackupKey, folder};

/// Bytes of a blob that are read at once.
const PIECE: u64 = 1024 * 1024;

/// Reads the master keys as they are now.
pub type ReadKeys = Box<dyn Fn() -> Result<MasterKeys, BackupError>>;

/// What is backed up.
pub struct Source {
    /// The database.
    pub database: StoreConfig,
    /// Reads the master keys; `None`: they are not to be inside.
    pub master_keys: Option<ReadKeys>,
    /// The bytes of files; `None`: they are not to be inside.
    pub blobs: Option<Blobs>,
    /// Folders that are carried as they are, by the names that they have in the data directory.
    pub folders: Vec<(&'static str, PathBuf)>,
    /// The time.
    pub clock: SharedClock,
    /// Randomness.
    pub rng: SharedRng,
}

/// Writes a backup of everything that is committed when the database's turn comes, and returns what
/// it held.
///
/// # Errors
/// When something cannot be read or written; what was written is of no use then.
pub async fn create(
    source: Source,
    key: &BackupKey,
    cost: PassphraseCost,
    out: &mut impl Write,
) -> Result<End, BackupError> {
    let Source { database, master_keys, blobs, folders, clock, rng } = source;
    // A backup that nobody can open is known before a byte of it is written.
    if let Some(read) = &master_keys {
        check_keys(&database, read, &rng).await?;
    }
    let mut out = Writer::begin(out, key, cost, clock.now(), rng.as_ref())?;
    let mut end = End::default();
    let manifest = Manifest {
        master_keys: master_keys.is_some(),
        blobs: blobs.is_some(),
        folders: folders.iter().map(|(name, _)| (*name).to_owned()).collect(),
    };
    out.whole(&Entry::Manifest, &to_json(&manifest)?)?;
    // Read before and after the database's turn: with both, a rotation in between does no harm.
    let before = master_keys.as_ref().map(|read| read()).transpose()?;
    for (name, path) in &folders {
        end.files.insert((*name).to_owned(), folder::carry(&mut out, name, path)?);
    }

    let mut snapshot = Snapshot::open(&database).await?;
    if let (Some(before), Some(read)) = (before, master_keys) {
        let keys = read()?.followed_by(before)?;
        out.whole(&Entry::MasterKeys, keys.to_text().as_bytes())?;
    }
    out.entry(&Entry::Database)?;
    let mut digest = Digest::new();
    let dumped = snapshot.dump(|piece| {
        digest.feed(piece);
        out.piece(piece)
    });
    let summary = dumped.await?;
    out.end_entry()?;
    (end.schema_version, end.rows) = (summary.schema_version, summary.rows);
    end.database_sha256 = digest.finish();

    let entries = match &blobs {
        Some(_) => snapshot.blobs().await?,
        None => Vec::new(),
    };
    // Blobs take their time, and what is written meanwhile should not have to wait for it.
    let database = snapshot.release().await?;
    if let Some(blobs) = &blobs {
        let gone = carry_blobs(&mut out, blobs, &entries, &mut end).await?;
        sort_out(&database, gone, &mut end).await?;
    }
    database.close().await;
    out.whole(&Entry::End, &to_json(&end)?)?;
    out.finish()?;
    Ok(end)
}

/// Fails where the master keys do not open what the database keeps sealed.
async fn check_keys(
    database: &StoreConfig,
    read: &ReadKeys,
    rng: &SharedRng,
) -> Result<(), BackupError> {
    let before = read()?;
    let mut snapshot = Snapshot::open(database).await?;
    let keys = read()?.followed_by(before)?;
    let checked = snapshot.check_master_key(&*vault(&keys, rng)?).await;
    snapshot.release().await?.close().await;
    Ok(checked?)
}

/// Carries the blobs that are there, and returns the others.
async fn carry_blobs(
    out: &mut Writer<impl Write>,
    blobs: &Blobs,
    entries: &[BlobEntry],
    end: &mut End,
) -> Result<Vec<String>, BackupError> {
    let mut gone = Vec::new();
    for entry in entries {
        if carry_blob(out, blobs, entry).await? {
            end.blobs += 1;
            end.blob_bytes += entry.bytes;
        } else {
            gone.push(entry.blob.clone());
        }
    }
    Ok(gone)
}

/// Carries a blob, and returns whether it was there to its end. One that is deleted meanwhile leaves
/// an entry that is too short.
async fn carry_blob(
    out: &mut Writer<impl Write>,
    blobs: &Blobs,
    entry: &BlobEntry,
) -> Result<bool, BackupError> {
    let BlobEntry { blob, bytes, project } = entry;
    let length = Blobs::sealed_len(*bytes);
    let mut from = 0;
    while from < length {
        let to = length.min(from + PIECE);
        let piece = match blobs.read_sealed(blob, from..to).await {
            Err(FilesError::Missing { .. }) => break,
            piece => piece?,
        };
        if from == 0 {
            let (blob, project) = (blob.clone(), project.to_string());
            out.entry(&Entry::Blob { blob, project, bytes: *bytes })?;
        }
        out.piece(&piece)?;
        from = to;
    }
    if from > 0 {
        out.end_entry()?;
    }
    Ok(from == length)
}

/// Says of blobs that were not there whether they were deleted while the backup ran.
async fn sort_out(
    database: &Released,
    gone: Vec<String>,
    end: &mut End,
) -> Result<(), BackupError> {
    let there = database.still_there(&gone).await?;
    let (missing, deleted) = gone.into_iter().partition(|blob| there.contains(blob));
    end.missing = missing;
    end.deleted_meanwhile = deleted;
    for blob in &end.missing {
        tracing::error!(blob, "a blob is missing that a file needs; it is not in the backup");
    }
    Ok(())
}
