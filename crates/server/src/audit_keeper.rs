//! What keeps watch over the audit log while the node runs: it signs the end of every chain that
//! moved, soon after it moved, and tells the log of it, which is a second witness where logs are
//! shipped to another machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use kernel::{SharedClock, Timestamp};
use store::{Store, StoreError};

use crate::checkpoints::Checkpoints;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(10);

/// Signs checkpoints.
#[derive(Clone, Debug)]
pub(crate) struct AuditKeeper {
    store: Store,
    checkpoints: Checkpoints,
    clock: SharedClock,
    /// When it last signed, or found nothing to sign; 0: never.
    kept_at: Arc<AtomicI64>,
}

impl AuditKeeper {
    /// Of what this store's audit log says, in this folder.
    pub(crate) fn new(store: Store, checkpoints: Checkpoints, clock: SharedClock) -> Self {
        Self { store, checkpoints, clock, kept_at: Arc::default() }
    }

    /// Signs now, at the start, and every few seconds. Runs for ever.
    pub(crate) async fn run(&self) {
        tracing::info!(public_key = %self.checkpoints.public_key(), "the audit log is signed");
        loop {
            self.keep().await;
            tokio::time::sleep(EVERY).await;
        }
    }

    /// When every chain was last known to be signed to its end.
    pub(crate) fn last_kept(&self) -> Option<Timestamp> {
        let micros = self.kept_at.load(Ordering::Relaxed);
        (micros != 0).then_some(Timestamp::from_micros(micros))
    }

    /// Signs what moved since it was last signed; a node does so once more when it stops.
    pub(crate) async fn keep(&self) {
        if let Err(error) = self.sign().await {
            tracing::warn!(%error, "the audit log is not signed for now");
        }
    }

    /// The same at the end of a command of the shell, which then lets go of the database, so that
    /// all it did is in the database's own file.
    pub(crate) async fn close(&self) {
        self.keep().await;
        self.store.close().await;
    }

    async fn sign(&self) -> Result<(), StoreError> {
        let heads = self.store.audit_heads().await?;
        let (checkpoints, now) = (self.checkpoints.clone(), self.clock.now());
        // It waits for disks, and for other processes.
        let signed = tokio::task::spawn_blocking(move || checkpoints.sign(&heads, now)).await;
        let signed = signed.unwrap_or_default();
        if signed.iter().all(Result::is_ok) {
            self.kept_at.store(now.as_micros(), Ordering::Relaxed);
        }
        for signed in signed {
            match signed {
                Ok(checkpoint) => {
                    let audit::Checkpoint { chain, sequence, hash, .. } = checkpoint;
                    tracing::info!(%chain, sequence, %hash, "the end of the audit log");
                }
                Err(error) => tracing::error!(%error, "the audit log is not signed"),
            }
        }
        Ok(())
    }
}
