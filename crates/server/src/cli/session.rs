//! What the administering commands share: the store of the node, running or not. A running node
//! sees every change within `refresh_ms`.

use alerts::Alerts;
use gateway::catalog::Catalog;
use identity::Administration;
use kernel::{Actor, OrganizationId, Scope, SharedClock};
use providers::Rack;
use store::Store;

use super::Failed;
use crate::app::{self, Effects};
use crate::audit_keeper::AuditKeeper;
use crate::checkpoints::Checkpoints;
use crate::config::{Config, Environment};
use crate::data_dir::DataDir;

/// An open store, and what the configuration file says.
pub(super) struct Session {
    pub(super) store: Store,
    pub(super) catalog: Catalog,
    pub(super) rack: Rack,
    pub(super) administration: Administration,
    pub(super) alerts: Alerts,
    pub(super) clock: SharedClock,
    pub(super) organization: OrganizationId,
    keeper: AuditKeeper,
}

impl Session {
    /// Everything of the organisation.
    pub(super) fn scope(&self) -> Scope {
        Scope::organization(self.organization.clone())
    }

    /// What signs the audit log when the command is done.
    pub(super) fn keeper(&self) -> AuditKeeper {
        self.keeper.clone()
    }
}

/// The store of an installation that exists, in the name of who is at the shell.
pub(super) async fn store(config: &Config, environment: &Environment) -> Result<Store, Failed> {
    app::installation(config)?;
    let data_dir = DataDir::open(&config.server.data_dir)?;
    let store = app::open_store(config, environment, &data_dir, &Effects::of_system()).await?;
    Ok(store.by(&Actor::shell(environment.user())))
}

/// Opens the store of an installation that exists, to administer this organisation or its first.
pub(super) async fn open(
    config: Config,
    environment: Environment,
    organization: Option<String>,
) -> Result<Session, Failed> {
    let effects = Effects::of_system();
    let store = store(&config, &environment).await?;
    let (clock, rng) = (effects.clock.clone(), effects.rng.clone());
    let administration = Administration::new(store.clone(), clock, rng);
    let organization = match organization {
        Some(id) => administration.organization_get(&id.into()).await?.id,
        None => administration.first_organization().await?,
    };
    let rack = app::rack(&config, &effects);
    // Servers on this machine are the running node's to find.
    let catalog = config.catalog(&environment, Vec::new())?;
    let alerts = Alerts::new(alerts::Parts {
        config: config.alerts.clone(),
        mail: config.mail(&environment)?,
        store: store.clone(),
        clock: effects.clock.clone(),
        rng: effects.rng.clone(),
    })?;
    let checkpoints = Checkpoints::open(&config.audit_folder(), &*effects.rng)?;
    let clock = effects.clock;
    let keeper = AuditKeeper::new(store.clone(), checkpoints, clock.clone());
    Ok(Session { store, catalog, rack, administration, alerts, organization, clock, keeper })
}
