//! What the administering commands share: the store of the node, running or not. A running node
//! sees every change within `refresh_ms`.

use gateway::catalog::Catalog;
use identity::Administration;
use kernel::{OrganizationId, Scope, SharedClock};
use providers::Rack;
use store::Store;

use super::Failed;
use crate::app::{self, Effects};
use crate::config::{Config, Environment};
use crate::data_dir::DataDir;

/// An open store, and what the configuration file says.
pub(super) struct Session {
    pub(super) store: Store,
    pub(super) catalog: Catalog,
    pub(super) rack: Rack,
    pub(super) administration: Administration,
    pub(super) clock: SharedClock,
    pub(super) organization: OrganizationId,
}

impl Session {
    /// Everything of the organisation.
    pub(super) fn scope(&self) -> Scope {
        Scope::organization(self.organization.clone())
    }
}

/// Opens the store of an installation that exists, to administer this organisation or its first.
pub(super) async fn open(
    config: Config,
    environment: Environment,
    organization: Option<String>,
) -> Result<Session, Failed> {
    // Made here, it would be another installation than the one that was meant.
    if let Some(file) = app::database_file(&config).filter(|file| !file.exists()) {
        return Err(Failed::new(format!(
            "there is no installation here: {} does not exist; start `kijun` once, or say where it \
             is with --data-dir or --config",
            file.display()
        )));
    }
    let effects = Effects::of_system();
    let data_dir = DataDir::open(&config.server.data_dir)?;
    let store = app::open_store(&config, &environment, &data_dir, &effects).await?;
    let (clock, rng) = (effects.clock.clone(), effects.rng.clone());
    let administration = Administration::new(store.clone(), clock, rng);
    let organization = match organization {
        Some(id) => administration.organization_get(&id.into()).await?.id,
        None => administration.first_organization().await?,
    };
    let rack = app::rack(&effects);
    // Servers on this machine are the running node's to find.
    let catalog = config.catalog(&environment, Vec::new())?;
    Ok(Session { store, catalog, rack, administration, organization, clock: effects.clock })
}
