//! The node's part in all batches: it looks for work in the database, takes what it may, and keeps
//! its leases.

use std::sync::Arc;
use std::time::Duration;

use kernel::BatchId;
use store::{Batch, BatchStatus, StoreError};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::Batches;
use crate::batches::{Shared, owner};
use crate::job::Job;

/// How often the database is asked for work that other nodes made or left.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long the lines of a cancelled batch that are under way may still take.
const CANCEL_GRACE: Duration = Duration::from_secs(10);
/// Batches that a node checks or finalises at once.
const MOST_WHOLE: usize = 2;
/// Batches whose lines a node answers at once. Each has at most a few slices in memory.
const MOST_JOBS: usize = 32;

impl Batches {
    /// Works on batches until [`Batches::stop`].
    pub async fn run(&self) {
        self.at_work.send_replace(true);
        let whole = Arc::new(Semaphore::new(MOST_WHOLE));
        let mut stopping = self.stop.subscribe();
        let mut work = JoinSet::new();
        while stopping.borrow_and_update().is_none() {
            if let Err(error) = self.take_work(&whole, &mut work).await {
                tracing::warn!(%error, "cannot look for batches; trying again");
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = sleep(LOOK_EVERY) => {}
                Some(_) = work.join_next() => {}
                _ = stopping.changed() => {}
            }
        }
        let ended = async { while work.join_next().await.is_some() {} };
        let by = stopping.borrow().unwrap_or_else(Instant::now);
        if timeout_at(by + Duration::from_secs(1), ended).await.is_err() {
            tracing::warn!("some work on batches did not end in time; other nodes will take it");
        }
        self.at_work.send_replace(false);
    }

    /// Begins nothing more, and waits until what is under way has ended, but no longer than this.
    /// What is left is another node's at once, or this one's at its next start.
    pub async fn stop(&self, grace: Duration) {
        self.end_all(Instant::now() + grace);
        let _ = self.at_work.subscribe().wait_for(|at_work| !at_work).await;
    }

    /// Takes what there is to do and this node has room for.
    async fn take_work(
        &self,
        whole: &Arc<Semaphore>,
        work: &mut JoinSet<()>,
    ) -> Result<(), StoreError> {
        while let Ok(place) = Arc::clone(whole).try_acquire_owned() {
            let claimed = self.store.batch_claim(self.lease(), self.clock.now()).await?;
            let Some(batch) = claimed else { break };
            let batches = self.clone();
            work.spawn(async move {
                batches.whole(&batch).await;
                drop(place);
            });
        }
        let busy = self.under_way();
        let room = MOST_JOBS.saturating_sub(busy);
        if room == 0 {
            return Ok(());
        }
        // Those that this node has already are among the answers.
        let most = u32::try_from(busy + room).unwrap_or(u32::MAX);
        for batch in self.store.batch_waiting(self.clock.now(), most).await? {
            if self.cancel_if_forbidden(&batch).await {
                continue;
            }
            let Some((running, orders)) = self.begin(&batch.id) else { continue };
            let job = Job::new(self.clone(), batch, orders);
            work.spawn(async move {
                job.run().await;
                drop(running);
            });
        }
        Ok(())
    }

    /// Checks or finalises a batch while its lease lasts. When that fails, the lease is left to run
    /// out: then somebody tries again, and not at once.
    async fn whole(&self, batch: &Batch) {
        let work = async {
            match batch.status {
                BatchStatus::Validating => self.check(batch).await,
                _ => self.finalize(batch).await,
            }
        };
        tokio::select! {
            done = work => match done {
                // Its next step may be anybody's.
                Ok(()) => self.look_again(),
                Err(error) => tracing::warn!(id = %batch.id, %error, "work on a batch failed and is tried again"),
            },
            () = self.keep_lease(batch) => {
                tracing::warn!(id = %batch.id, "the lease of a batch was lost");
            }
        }
    }

    /// Renews a batch's lease; returns when it is lost.
    async fn keep_lease(&self, batch: &Batch) {
        let mut until = self.lease().until;
        loop {
            sleep(self.config.renewal()).await;
            let lease = self.lease();
            match self.store.batch_renew(&batch.scope(), &batch.id, lease).await {
                Ok(true) => until = lease.until,
                Ok(false) => return,
                Err(_) if self.clock.now() < until => {}
                Err(_) => return,
            }
        }
    }
}

impl Shared {
    /// Cancels a batch whose project may keep no content any more. Returns whether it is one.
    pub(crate) async fn cancel_if_forbidden(&self, batch: &Batch) -> bool {
        let forbidden = self.gateway.retention(&owner(batch)).zero;
        if forbidden
            && let Err(error) = self.store.batch_cancel(&batch.scope(), &batch.id).await
            && !matches!(error, StoreError::Conflict { .. })
        {
            tracing::warn!(id = %batch.id, %error, "a batch of a project without retention cannot be cancelled; trying again");
        }
        forbidden
    }

    /// A batch was cancelled: no more of its lines are begun here.
    pub(crate) fn stand_down(&self, id: &BatchId) {
        self.end(id, Instant::now() + CANCEL_GRACE);
    }
}
