//! The data directory: made if absent, closed to others, used by one node at a time.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use kernel::id::time_ordered;
use kernel::{Rng, Timestamp};

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    /// It cannot be made or written.
    #[error(
        "the data directory {} cannot be used: {source}; choose another with --data-dir, or let \
         this user write there", path.display()
    )]
    Unusable {
        /// Which directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another node is using it.
    #[error(
        "another kijun is running on the data directory {}; stop it, or choose another with \
         --data-dir", path.display()
    )]
    InUse {
        /// Which directory.
        path: PathBuf,
    },
}

/// A data directory.
#[derive(Debug, Clone)]
pub(crate) struct DataDir(PathBuf);

/// The right to be the node of a data directory; given back when dropped.
#[derive(Debug)]
pub(crate) struct NodeLock {
    _file: File,
}

impl DataDir {
    /// The file of the SQLite database.
    pub(crate) const DATABASE: &str = "kijun.db";
    /// The file with the master keys.
    pub(crate) const MASTER_KEY: &str = "master.key";

    /// Opens the directory, making it if absent.
    pub(crate) fn open(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |source| DataDirError::Unusable { path: path.to_owned(), source };
        if !path.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        }
        let path = fs::canonicalize(path).map_err(unusable)?;
        // Tried now, so that the error speaks of the directory and not of some file in it.
        let probe = path.join(".kijun-can-write");
        File::create(&probe).and_then(|_| fs::remove_file(&probe)).map_err(unusable)?;
        Ok(Self(path))
    }

    /// Becomes this directory's node.
    pub(crate) fn lock(&self) -> Result<NodeLock, DataDirError> {
        let unusable = |source| DataDirError::Unusable { path: self.0.clone(), source };
        let mut options = File::options();
        options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(self.0.join("node.lock")).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(NodeLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path: self.0.clone() }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// The name of this directory's node: made at its first start, and the same ever after, unless
    /// [another node has it](crate::node_name).
    pub(crate) fn node_name(&self, now: Timestamp, rng: &dyn Rng) -> Result<String, DataDirError> {
        let unusable = |source| DataDirError::Unusable { path: self.0.clone(), source };
        let path = self.0.join("node.id");
        match fs::read_to_string(&path) {
            Ok(name) if !name.trim().is_empty() => Ok(name.trim().to_owned()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(error)),
            // A crash may have left it empty.
            _ => self.rename_node(now, rng),
        }
    }

    /// Gives this directory's node a new name.
    pub(crate) fn rename_node(
        &self,
        now: Timestamp,
        rng: &dyn Rng,
    ) -> Result<String, DataDirError> {
        let name = time_ordered("node_", now, rng);
        let written = fs::write(self.0.join("node.id"), format!("{name}\n"));
        written.map_err(|source| DataDirError::Unusable { path: self.0.clone(), source })?;
        Ok(name)
    }

    /// Where the master key is.
    pub(crate) fn master_key(&self) -> PathBuf {
        Self::master_key_in(&self.0)
    }

    /// Where the master key is in a data directory, made or not.
    pub(crate) fn master_key_in(path: &Path) -> PathBuf {
        path.join(Self::MASTER_KEY)
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the journal is.
    pub(crate) fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    /// Where blobs are, unless they are in a bucket.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.0.join("blobs")
    }

    /// Where the audit log's checkpoints are in a data directory, unless they are elsewhere.
    pub(crate) fn audit_in(path: &Path) -> PathBuf {
        path.join("audit")
    }

    /// The SQLite database's URL.
    pub(crate) fn database_url(&self) -> String {
        format!("sqlite://{}", Self::database_in(&self.0).display())
    }

    /// Where the SQLite database is in a data directory, made or not.
    pub(crate) fn database_in(path: &Path) -> PathBuf {
        path.join(Self::DATABASE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_node_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(&folder.path().join("new")).unwrap();
        let lock = data_dir.lock().unwrap();
        assert!(matches!(data_dir.lock(), Err(DataDirError::InUse { .. })));
        drop(lock);
        assert!(data_dir.lock().is_ok());
    }

    #[test]
    fn a_node_keeps_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let name = |folder| {
            DataDir::open(folder)
                .unwrap()
                .node_name(Timestamp::from_secs(1), &kernel::SystemRng)
                .unwrap()
        };
        let first = name(folder.path());
        assert_eq!(name(folder.path()), first);
        assert_ne!(name(tempfile::tempdir().unwrap().path()), first);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = DataDir::open(&file.join("below")).unwrap_err().to_string();
        assert!(error.contains("--data-dir"), "{error}");
    }
}
