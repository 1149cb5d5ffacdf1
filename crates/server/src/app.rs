//! The one wiring place: from a configuration to everything that makes a node.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateway::catalog::Catalog;
use gateway::journal::Journal;
use gateway::spine::{Beside, Parts};
use gateway::{Gateway, Watch};
use kernel::{Rng, SharedClock, SharedRng, SystemClock, SystemRng};
use providers::{Rack, Transport, TransportConfig};
use secrecy::ExposeSecret as _;
use store::{Store, StoreConfig};
use vault::Vault;

use crate::cli::Failed;
use crate::config::{Config, Environment};
use crate::data_dir::DataDir;
use crate::local_servers;
use crate::master_keys::KeySource;

/// The effects that everything is given.
#[derive(Clone)]
pub(crate) struct Effects {
    pub(crate) clock: SharedClock,
    pub(crate) rng: SharedRng,
}

impl Effects {
    /// The operating system's.
    pub(crate) fn of_system() -> Self {
        Self { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) }
    }
}

/// Opens the store that the configuration names.
pub(crate) async fn open_store(
    config: &Config,
    environment: &Environment,
    data_dir: &DataDir,
    effects: &Effects,
) -> Result<Store, Failed> {
    let keys = KeySource::of(environment, data_dir).load_or_create(&*effects.rng)?;
    let vault = Arc::new(Vault::with_keys(&keys, Arc::clone(&effects.rng))?);
    let (clock, rng) = (Arc::clone(&effects.clock), Arc::clone(&effects.rng));
    Ok(Store::open(store_config(config, data_dir), vault, clock, rng).await?)
}

/// Where the database is.
pub(crate) fn store_config(config: &Config, data_dir: &DataDir) -> StoreConfig {
    let url = match config.store.url.expose_secret() {
        "" => data_dir.database_url(),
        url => url.to_owned(),
    };
    StoreConfig { url, max_connections: config.store.max_connections }
}

/// Says whether there is an installation. Made by a command, it would be another one than the one
/// that was meant.
pub(crate) fn installation(config: &Config) -> Result<(), Failed> {
    match database_file(config).filter(|file| !file.exists()) {
        None => Ok(()),
        Some(file) => Err(Failed::new(format!(
            "there is no installation here: {} does not exist; say where it is with --data-dir, \
             --config or KIJUN_STORE_URL (`kijun` alone makes a new one)",
            file.display()
        ))),
    }
}

/// What speaks to providers.
pub(crate) fn rack(config: &Config, effects: &Effects) -> Rack {
    let reach = config.outbound.clone();
    let transport = Transport::new(TransportConfig { reach, ..TransportConfig::default() });
    Rack::new(transport, Arc::clone(&effects.clock), Arc::clone(&effects.rng))
}

/// The file of a SQLite database; `None` where it is no file.
pub(crate) fn database_file(config: &Config) -> Option<PathBuf> {
    match config.store.url.expose_secret() {
        "" => Some(DataDir::database_in(&config.server.data_dir)),
        url => {
            let path = url.strip_prefix("sqlite:").filter(|path| *path != ":memory:")?;
            Some(path.strip_prefix("//").unwrap_or(path).into())
        }
    }
}

/// What the file, the environment and this machine's ports say, checked.
pub(crate) async fn catalog(
    config: &Config,
    environment: &Environment,
    own: SocketAddr,
    rack: &Rack,
) -> Result<Catalog, Failed> {
    let local = match config.discovery.local_servers {
        true => local_servers::look(own).await,
        false => Vec::new(),
    };
    let catalog = config.catalog(environment, local)?;
    catalog.check(rack)?;
    Ok(catalog)
}

/// What stands beside the gateway of the node with this name.
pub(crate) async fn beside(
    config: &Config,
    store: &Store,
    effects: &Effects,
    node: &str,
    watches: Vec<Arc<dyn Watch>>,
) -> Result<Beside, Failed> {
    let secret = counters_secret(store, &*effects.rng).await?;
    let sharing = counters::open(&config.counters, store, node, &secret)?;
    Ok(Beside { watches, sharing, node: node.to_owned() })
}

/// What nodes name their common counters with, so that no user's name stands there in the clear. The
/// first node to start draws it.
async fn counters_secret(store: &Store, rng: &dyn Rng) -> Result<[u8; 32], Failed> {
    const NAME: &str = "counters.secret";
    let mut drawn = [0; 32];
    rng.fill(&mut drawn);
    let text: String = drawn.iter().map(|byte| format!("{byte:02x}")).collect();
    if store.setting_claim(NAME, &text).await? {
        return Ok(drawn);
    }
    let text = store.setting_get(NAME).await?.unwrap_or_default();
    let mut kept = [0; 32];
    for (byte, digits) in kept.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        *byte = u8::from_str_radix(digits, 16)
            .map_err(|_| Failed::new(format!("the setting {NAME} in the database is damaged")))?;
    }
    Ok(kept)
}

/// The gateway, with its first snapshot read.
pub(crate) async fn gateway(
    config: &Config,
    catalog: Catalog,
    rack: Rack,
    store: Store,
    journal: &Path,
    effects: &Effects,
    beside: Beside,
) -> Result<Arc<Gateway>, Failed> {
    let journal = Journal::open(journal, config.journal).map_err(|error| {
        Failed::new(format!("the journal in {} cannot be opened: {error}", journal.display()))
    })?;
    let parts = Parts {
        config: config.gateway,
        catalog,
        store,
        journal: Arc::new(journal),
        rack,
        clock: Arc::clone(&effects.clock),
        rng: Arc::clone(&effects.rng),
        beside,
    };
    Ok(Gateway::open(parts).await?)
}
