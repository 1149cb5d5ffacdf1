//! What the administering commands share: the store of the node, running or not. A running node
//! sees every change within a quarter of a second.

use std::net::{Ipv4Addr, SocketAddr};

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

/// Opens the node's store, and makes the first organisation and project if nobody has yet.
pub(super) async fn open(config: Config, environment: Environment) -> Result<Session, Failed> {
    let effects = Effects::of_system();
    let data_dir = DataDir::open(&config.server.data_dir)?;
    let store = app::open_store(&config, &environment, &data_dir, &effects).await?;
    let (clock, rng) = (effects.clock.clone(), effects.rng.clone());
    let administration = Administration::new(store.clone(), clock, rng);
    let organization = administration.first_organization().await?;
    let rack = app::rack(&effects);
    // Servers on this machine are the running node's to find.
    let catalog = config.catalog(&environment, Vec::new())?;
    Ok(Session { store, catalog, rack, administration, organization, clock: effects.clock })
}

/// No address of ours: nothing is served.
pub(super) const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
