//! Where the master keys come from, and the look whether they changed while a node runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kernel::Rng;
use secrecy::ExposeSecret as _;
use store::{Store, StoreError};
use vault::{KeyId, MasterKeys};

use crate::cli::Failed;
use crate::config::Environment;
use crate::data_dir::DataDir;

/// The newest key, or several in a row.
const KEY: &str = "KIJUN_MASTER_KEY";
/// The keys before it.
const PREVIOUS: &str = "KIJUN_MASTER_KEY_PREVIOUS";
/// How often a node looks whether its keys changed, and says which it has.
const LOOK: Duration = Duration::from_secs(5);

/// Where this process has its master keys from.
#[derive(Debug, Clone)]
pub(crate) enum KeySource {
    /// From the environment, or files that it names.
    Environment(Environment),
    /// From the file in the data directory.
    File(PathBuf),
}

impl KeySource {
    /// The environment if it names a key, or else the data directory's file.
    pub(crate) fn of(environment: &Environment, data_dir: &DataDir) -> Self {
        Self::in_data_dir(environment, data_dir.path())
    }

    /// The same, of a data directory that may not be there.
    pub(crate) fn in_data_dir(environment: &Environment, data_dir: &Path) -> Self {
        let named = [KEY.to_owned(), format!("{KEY}_FILE")];
        match named.iter().any(|name| environment.get(name).is_some()) {
            true => Self::Environment(environment.clone()),
            false => Self::File(DataDir::master_key_in(data_dir)),
        }
    }

    /// The keys; a first one is made where there is no file yet.
    pub(crate) fn load_or_create(&self, rng: &dyn Rng) -> Result<MasterKeys, Failed> {
        match self {
            Self::Environment(environment) => of_environment(environment),
            Self::File(path) => Ok(MasterKeys::load_or_create(path, rng)?),
        }
    }

    /// The keys as they are now. A variable stays as it was when the process began; what a file has,
    /// the data directory's or one that a variable names, is read anew.
    pub(crate) fn load(&self) -> Result<MasterKeys, Failed> {
        match self {
            Self::Environment(environment) => of_environment(environment),
            Self::File(path) => Ok(MasterKeys::load(path)?),
        }
    }

    /// The file that commands may change.
    pub(crate) fn file(&self) -> Result<&PathBuf, Failed> {
        match self {
            Self::File(path) => Ok(path),
            Self::Environment(_) => Err(Failed::new(format!(
                "the master keys come from {KEY} or {KEY}_FILE, which this command cannot change; \
                 change them where they are set: the new key (`openssl rand -base64 32`) into {KEY}, \
                 those before it into {PREVIOUS} (or all of them into the file, the newest first), \
                 on every node; then run `kijun master-key rewrap`"
            ))),
        }
    }
}

fn of_environment(environment: &Environment) -> Result<MasterKeys, Failed> {
    let newest = environment.secret(KEY)?.ok_or_else(|| Failed::new(format!("{KEY} is empty")))?;
    let keys = MasterKeys::parse(newest.expose_secret())?;
    match environment.secret(PREVIOUS)? {
        Some(text) => Ok(keys.followed_by(MasterKeys::parse(text.expose_secret())?)?),
        None => Ok(keys),
    }
}

/// Keeps a node's keys as its source has them, and tells the others which it has.
#[derive(Clone)]
pub(crate) struct KeyWatch {
    source: KeySource,
    store: Store,
    /// The node's name.
    node: String,
}

impl KeyWatch {
    /// A watch for the node of this name.
    pub(crate) const fn new(source: KeySource, store: Store, node: String) -> Self {
        Self { source, store, node }
    }

    /// Looks again and again. Runs for ever; drop it to stop.
    pub(crate) async fn run(self) {
        let (mut trouble, mut sealing) = (None, None);
        loop {
            let looked = self.look().await;
            if let Ok(key) = &looked
                && sealing != Some(*key)
            {
                tracing::info!(master_key = %key, "this node seals with its master key");
                sealing = Some(*key);
            }
            let now = looked.err();
            // Said once, and again when it is another.
            if let Some(found) = now.as_ref().filter(|_| now != trouble) {
                found.tell();
            } else if now.is_none() && trouble.is_some() {
                tracing::info!("the master keys of this node are in order again");
            }
            trouble = now;
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn look(&self) -> Result<KeyId, Trouble> {
        // A file that cannot be read now must not keep the node from following the others.
        let loaded =
            self.source.load().and_then(|keys| Ok(self.store.master_keys_replace(&keys)?));
        let sealing = self.store.master_key_follow(&self.node).await.map_err(Trouble::of)?;
        loaded.map(|()| sealing).map_err(|failed| Trouble::Keys(failed.to_string()))
    }
}

/// Why a node does not know its keys to be in order.
#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    /// They are not what they should be.
    Keys(String),
    /// The database that says so could not be asked.
    Database(String),
}

impl Trouble {
    fn of(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => Self::Database(error.to_string()),
            error => Self::Keys(error.to_string()),
        }
    }

    fn tell(&self) {
        match self {
            Self::Keys(error) => tracing::error!(
                error,
                "the master keys of this node are not what they should be; it serves on with \
                 those that it has"
            ),
            Self::Database(error) => tracing::warn!(
                error,
                "the database could not be asked which master key seals; this node serves on with \
                 the keys that it has"
            ),
        }
    }
}
