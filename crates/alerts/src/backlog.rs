//! What waits in the outbox, as this node saw it last: for whoever reads its metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use store::{StoreError, Waiting};

use crate::Alerts;

/// How the outbox is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backlog {
    /// Notices that wait, of all nodes.
    pub waiting: u64,
    /// Age of the oldest that waits; zero if none does.
    pub oldest: Duration,
    /// Notices that this node gave up, since its start.
    pub given_up: u64,
}

/// What this node knows of the outbox.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    waiting: Mutex<Option<Waiting>>,
    given_up: AtomicU64,
}

impl Seen {
    pub(crate) fn gave_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }
}

impl Alerts {
    /// How the outbox was when this node looked last, at most a minute ago as long as the database
    /// is there; `None` before it has.
    pub fn backlog(&self) -> Option<Backlog> {
        let seen = self.seen();
        let waiting = *seen.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { notices, oldest } = waiting?;
        Some(Backlog {
            waiting: notices,
            oldest: oldest.map_or(Duration::ZERO, |oldest| self.now().since(oldest)),
            given_up: seen.given_up.load(Ordering::Relaxed),
        })
    }

    /// Looks what waits.
    pub(crate) async fn see(&self) -> Result<(), StoreError> {
        let waiting = self.store().notice_waiting(None).await?;
        *self.seen().waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(waiting);
        Ok(())
    }
}
