//! The data directory of a node, with something of everything in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backup::{BackupError, BackupKey, End, Restored, Source, Target, Verified};
use files::{BlobConfig, Blobs, Files, FilesConfig, NewFile, Owner};
use kernel::{Actor, Retention, Scope, SystemClock, SystemRng};
use store::{FilePurpose, FileRow, Store, StoreConfig};
use vault::{MasterKeys, PassphraseCost, Vault};

pub(crate) const PASSPHRASE: &str = "correct horse battery staple";
const CHEAP: PassphraseCost = PassphraseCost { memory_kib: 64, passes: 1 };

pub(crate) struct Bench {
    pub(crate) store: Store,
    pub(crate) files: Files,
    pub(crate) owner: Owner,
    pub(crate) folder: tempfile::TempDir,
}

impl Bench {
    /// A new node.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, files) = open(folder.path()).await;
        let organization = store.organization_create("Acme").await.unwrap();
        let scope = Scope::organization(organization.id.clone());
        let project = store.project_create(&scope, "Main").await.unwrap();
        let owner = Owner {
            organization: organization.id,
            project: project.id,
            key: "key_1".into(),
            retention: Retention::default(),
        };
        for (name, file) in [
            ("journal", "00000000000000000007.journal"),
            ("journal", "cursor"),
            ("audit", "installation.jsonl"),
            ("audit", "signing.key"),
        ] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join(file), format!("{name} {file}\n")).unwrap();
        }
        Self { store, files, owner, folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the project's.
    pub(crate) async fn write(&self, data: &[u8]) -> FileRow {
        let mut incoming = self.files.writer(&self.owner).await.unwrap();
        incoming.write(data).await.unwrap();
        let (filename, purpose) = ("notes.txt".into(), FilePurpose::UserData);
        incoming.finish(NewFile { filename, purpose, expires_after: None }).await.unwrap()
    }

    pub(crate) fn source(&self) -> Source {
        let keys = self.path().join("master.key");
        Source {
            database: config(self.path()),
            master_keys: Some(Box::new(move || Ok(MasterKeys::load(&keys)?))),
            blobs: Some(blobs(self.path())),
            folders: ["journal", "audit"].map(|name| (name, self.path().join(name))).into(),
            clock: Arc::new(SystemClock),
            rng: Arc::new(SystemRng),
        }
    }

    /// A backup of all of it.
    pub(crate) async fn back_up(&self) -> (Vec<u8>, End) {
        create(self.source()).await
    }
}

pub(crate) fn key() -> BackupKey {
    BackupKey::parse(&PASSPHRASE.to_owned().into()).unwrap()
}

pub(crate) async fn create(source: Source) -> (Vec<u8>, End) {
    let mut bytes = Vec::new();
    let end = backup::create(source, &key(), CHEAP, &mut bytes).await.unwrap();
    (bytes, end)
}

pub(crate) async fn create_into(
    source: Source,
    out: &mut impl std::io::Write,
) -> Result<End, BackupError> {
    backup::create(source, &key(), CHEAP, out).await
}

pub(crate) fn verify(bytes: &[u8]) -> Result<Verified, BackupError> {
    backup::verify(bytes, &key(), None, Arc::new(SystemRng))
}

pub(crate) fn target(data_dir: &Path) -> Target {
    Target {
        data_dir: data_dir.to_owned(),
        database: None,
        database_file: "kijun.db",
        master_key_file: "master.key",
        blobs: None,
        master_keys: None,
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
    }
}

pub(crate) async fn restore(bytes: &[u8], data_dir: &Path) -> Result<Restored, BackupError> {
    backup::restore(bytes, &key(), target(data_dir)).await
}

/// What a node that starts on this data directory has.
pub(crate) async fn open(data_dir: &Path) -> (Store, Files) {
    let keys = MasterKeys::load_or_create(&data_dir.join("master.key"), &SystemRng).unwrap();
    let vault = Arc::new(Vault::with_keys(&keys, Arc::new(SystemRng)).unwrap());
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
    let store = Store::open(config(data_dir), vault, clock.clone(), rng.clone()).await.unwrap();
    let store = store.by(&Actor::system("tests"));
    let limits = FilesConfig { max_file_bytes: 1 << 30 };
    let files = Files::new(limits, store.clone(), blobs(data_dir), clock, rng);
    (store, files)
}

/// All bytes of a file.
pub(crate) async fn read(files: &Files, scope: &Scope, row: &FileRow) -> Vec<u8> {
    let reader = files.open(scope, &row.id).await.unwrap();
    reader.read_range(0, reader.size()).await.unwrap().to_vec()
}

pub(crate) fn config(data_dir: &Path) -> StoreConfig {
    let url = format!("sqlite://{}", data_dir.join("kijun.db").display());
    StoreConfig { url, max_connections: 4 }
}

fn blobs(data_dir: &Path) -> Blobs {
    Blobs::open(BlobConfig::Folder(data_dir.join("blobs"))).unwrap()
}

/// The names of what is in a folder.
pub(crate) fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A new, empty data directory.
pub(crate) fn elsewhere() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    (folder, path)
}
