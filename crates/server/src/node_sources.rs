//! What a node knows of itself besides its gateway, for whoever reads its metrics.

use std::fmt;

use alerts::{Alerts, Backlog};
use kernel::Timestamp;
use store::{Connections, Store};
use telemetry::{NoticesState, PoolState, Sources};

use crate::audit_keeper::AuditKeeper;
use crate::listen::DoorState;

/// The parts of a node that are asked.
pub(crate) struct NodeSources {
    pub(crate) store: Store,
    pub(crate) alerts: Alerts,
    pub(crate) keeper: AuditKeeper,
    pub(crate) door: DoorState,
}

impl fmt::Debug for NodeSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeSources")
    }
}

impl Sources for NodeSources {
    fn database(&self) -> Option<PoolState> {
        let Connections { busy, idle, most } = self.store.connections();
        Some(PoolState { busy, idle, most })
    }

    fn notices(&self) -> Option<NoticesState> {
        let Backlog { waiting, oldest, given_up } = self.alerts.backlog()?;
        Some(NoticesState { waiting, oldest, failed: given_up })
    }

    fn audit_checkpoint(&self) -> Option<Timestamp> {
        self.keeper.last_kept()
    }

    fn certificate_expiry(&self) -> Option<Timestamp> {
        self.door.certificate_expiry()
    }

    fn connections(&self) -> Option<u64> {
        u64::try_from(self.door.connections()).ok()
    }
}
