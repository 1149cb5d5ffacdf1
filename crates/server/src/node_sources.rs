//! What a node knows of itself besides its gateway, for whoever reads its metrics.

use std::fmt;

use kernel::Timestamp;
use telemetry::Sources;

use crate::audit_keeper::AuditKeeper;
use crate::listen::DoorState;

/// The parts of a node that are asked.
pub(crate) struct NodeSources {
    pub(crate) keeper: AuditKeeper,
    pub(crate) door: DoorState,
}

impl fmt::Debug for NodeSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeSources")
    }
}

impl Sources for NodeSources {
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
