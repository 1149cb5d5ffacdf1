//! Parts of the node, besides the gateway, that are asked how they are when somebody reads the
//! metrics.

use std::fmt;
use std::time::Duration;

use kernel::Timestamp;

/// What a node knows of itself. Every answer must come at once, from memory. `None`: this node has
/// no such part, or it does not know; then the metric is not there.
pub trait Sources: fmt::Debug + Send + Sync {
    /// The pool of connections to the database.
    fn database(&self) -> Option<PoolState> {
        None
    }

    /// Webhooks and e-mails on their way out.
    fn notices(&self) -> Option<NoticesState> {
        None
    }

    /// When the audit log was last checkpointed outside the database.
    fn audit_checkpoint(&self) -> Option<Timestamp> {
        None
    }

    /// When the server's certificate expires.
    fn certificate_expiry(&self) -> Option<Timestamp> {
        None
    }

    /// Connections of clients that are open.
    fn connections(&self) -> Option<u64> {
        None
    }
}

/// Nothing but the gateway is asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSources;

impl Sources for NoSources {}

/// How a pool of connections is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolState {
    /// Connections in use.
    pub busy: u64,
    /// Connections at rest.
    pub idle: u64,
    /// Connections at most.
    pub most: u64,
}

/// How the outbox is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoticesState {
    /// How many wait.
    pub waiting: u64,
    /// Age of the oldest that waits; zero if none does.
    pub oldest: Duration,
    /// How many were given up, since the start.
    pub failed: u64,
}
