//! Files of two projects.

use std::path::PathBuf;
use std::sync::Arc;

use files::{BlobConfig, Blobs, Files, FilesConfig, NewFile, Owner};
use kernel::{Retention, Scope, SystemRng, Timestamp};
use store::{FilePurpose, FileRow, Store};
use testkit::FakeClock;

pub(crate) const MAX_FILE: u64 = 200 * 1024 * 1024;

pub(crate) struct Bench {
    pub(crate) files: Files,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) owner: Owner,
    pub(crate) stranger: Owner,
    pub(crate) folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Blobs have the disk's time, so the clock begins at the true one.
        #[expect(clippy::disallowed_methods, reason = "files on a disk are dated by the system")]
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let clock = Arc::new(FakeClock::at(Timestamp::default().plus(now)));
        let store = Store::in_memory(clock.clone(), Arc::new(SystemRng)).await.unwrap();
        let (owner, stranger) = (owner(&store, "Home").await, owner(&store, "Elsewhere").await);
        let files = open(&folder, &store, &clock);
        Self { files, clock, owner, stranger, folder }
    }

    /// Writes a file in pieces.
    pub(crate) async fn write(&self, data: &[u8]) -> FileRow {
        let mut incoming = self.files.writer(&self.owner).await.unwrap();
        for piece in data.chunks(70_001) {
            incoming.write(piece).await.unwrap();
        }
        incoming.finish(new_file("notes.txt")).await.unwrap()
    }

    /// The paths of all blobs.
    pub(crate) fn blobs(&self) -> Vec<PathBuf> {
        let shards = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap());
        let shards = shards.filter(|entry| entry.file_name().len() == 2);
        let inside = |shard: std::fs::DirEntry| std::fs::read_dir(shard.path()).unwrap();
        shards.flat_map(inside).map(|entry| entry.unwrap().path()).collect()
    }

    pub(crate) fn drafts(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("drafts")).unwrap().count()
    }
}

pub(crate) fn open(folder: &tempfile::TempDir, store: &Store, clock: &Arc<FakeClock>) -> Files {
    let blobs = Blobs::open(BlobConfig::Folder(folder.path().into())).unwrap();
    let config = FilesConfig { max_file_bytes: MAX_FILE };
    Files::new(config, store.clone(), blobs, clock.clone(), Arc::new(SystemRng))
}

pub(crate) fn new_file(name: &str) -> NewFile {
    NewFile { filename: name.into(), purpose: FilePurpose::UserData, expires_after: None }
}

/// Bytes that repeat nowhere near a chunk's length.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 ^ (at / 65_537) as u8).collect()
}

async fn owner(store: &Store, name: &str) -> Owner {
    let organization = store.organization_create(name).await.unwrap();
    let scope = Scope::organization(organization.id.clone());
    let project = store.project_create(&scope, name).await.unwrap();
    Owner {
        organization: organization.id,
        project: project.id,
        key: "key_1".into(),
        retention: Retention::default(),
    }
}
