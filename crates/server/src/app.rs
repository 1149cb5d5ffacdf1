//! The one wiring place: from a configuration to everything that makes a node.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateway::Gateway;
use gateway::catalog::Catalog;
use gateway::journal::Journal;
use gateway::spine::Parts;
use kernel::{SharedClock, SharedRng, SystemClock, SystemRng};
use providers::{Rack, Transport, TransportConfig};
use secrecy::ExposeSecret as _;
use store::{Store, StoreConfig};
use vault::{MasterKey, Vault};

use crate::cli::Failed;
use crate::config::{Config, Environment};
use crate::data_dir::DataDir;
use crate::local_servers;

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
    let master = match environment.secret("KIJUN_MASTER_KEY")? {
        Some(text) => MasterKey::from_base64(text.expose_secret())?,
        None => MasterKey::load_or_create(&data_dir.master_key(), &*effects.rng)?,
    };
    let vault = Arc::new(Vault::new(&master, Arc::clone(&effects.rng))?);
    let url = match config.store.url.expose_secret() {
        "" => data_dir.database_url(),
        url => url.to_owned(),
    };
    let store_config = StoreConfig { url, max_connections: config.store.max_connections };
    let (clock, rng) = (Arc::clone(&effects.clock), Arc::clone(&effects.rng));
    Ok(Store::open(store_config, vault, clock, rng).await?)
}

/// What speaks to providers.
pub(crate) fn rack(effects: &Effects) -> Rack {
    let transport = Transport::new(TransportConfig::default());
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

/// The gateway, with its first snapshot read.
pub(crate) async fn gateway(
    config: &Config,
    catalog: Catalog,
    rack: Rack,
    store: Store,
    journal: &Path,
    effects: &Effects,
) -> Result<Arc<Gateway>, Failed> {
    let journal = Journal::open(journal).map_err(|error| {
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
    };
    Ok(Gateway::open(parts).await?)
}
