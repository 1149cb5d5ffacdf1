//! Keeps the snapshot true: every node looks at the store's generation a few times a second and
//! reads everything anew when it moved. A revoked key stops working within that time on every
//! node, whoever revoked it: API, shell, or another node. With the database away, the last
//! snapshot serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use admission::{Budgets, ModelLists, Rules};
use identity::Directory;
use providers::Rack;
use store::{Store, StoreError};
use tokio::sync::{Mutex, Notify};
use tokio::time::timeout;

use crate::Gateway;
use crate::catalog::Catalog;
use crate::discovery::Found;
use crate::journal::Mover;
use crate::snapshot::{self, Catalogue, Retentions, Snapshot};
use crate::target::Wards;

/// How long the database may take to say whether something changed.
const LOOK_PATIENCE: Duration = Duration::from_secs(1);
/// Between two removals of usage by minutes that is old.
const TRIM: Duration = Duration::from_secs(3_600);
/// How long it may take to say what.
const READ_PATIENCE: Duration = Duration::from_secs(10);

/// What keeps the snapshot true.
#[derive(Debug, Default)]
pub(crate) struct Freshness {
    /// Something changed on this node: look now.
    changed: Notify,
    /// Whose turn it is to read: an older reading must never replace a newer one.
    turn: Mutex<()>,
    /// Whether the last look found no database.
    away: AtomicBool,
    /// Whether a reading is owed: one was begun and did not succeed.
    behind: AtomicBool,
}

impl Gateway {
    /// Everything a node does beside answering calls: refreshing, probing, carrying the journal.
    /// Runs for ever; drop it to stop.
    pub async fn background(self: &Arc<Self>) {
        let spending = &self.gate.spending;
        let mover = Mover::new(Arc::clone(&self.journal), self.store.clone(), spending.clone());
        tokio::join!(
            mover.run(),
            self.keep_fresh(),
            self.keep_probing(),
            self.queue.watch_lag(),
            self.gate.limiter.keep(),
            spending.run(),
            self.keep_trimming()
        );
    }

    /// Something changed through this node: the next look is now.
    pub fn look_now(&self) {
        self.freshness.changed.notify_one();
    }

    /// Whether the database answered when this node last looked, a moment ago.
    pub fn database_answers(&self) -> bool {
        !self.freshness.away.load(Ordering::Relaxed)
    }

    /// Reads the state of the world anew, now.
    ///
    /// # Errors
    /// When the store cannot be read; the old snapshot stays.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        self.freshness.behind.store(true, Ordering::Release);
        let _turn = self.freshness.turn.lock().await;
        let old = self.snapshot();
        let reading = Reading {
            store: &self.store,
            catalog: &self.catalog,
            rack: &self.rack,
            wards: &self.wards,
            found: &self.discovery.found(),
        };
        let fresh = within(READ_PATIENCE, reading.read(Some(&old))).await?;
        self.snapshot.store(Arc::new(fresh));
        drop(old);
        self.wards.sweep();
        self.discovery.look.notify_one();
        self.freshness.behind.store(false, Ordering::Release);
        Ok(())
    }

    /// Usage is kept by minutes for a few days only.
    async fn keep_trimming(&self) {
        loop {
            if let Err(error) = self.store.rollup_trim(self.clock.now()).await {
                tracing::debug!(%error, "old minutes of usage are removed later");
            }
            tokio::time::sleep(TRIM).await;
        }
    }

    async fn keep_fresh(&self) {
        let period = Duration::from_millis(self.config.refresh_ms.max(10));
        loop {
            tokio::select! {
                () = tokio::time::sleep(period) => {}
                () = self.freshness.changed.notified() => {}
            }
            let looked = self.look().await;
            let was_away = self.freshness.away.swap(looked.is_err(), Ordering::Relaxed);
            match looked {
                Ok(()) => self.note_admin_uses().await,
                Err(error) if !was_away => {
                    tracing::warn!(%error, "keys, limits and models stay as they were until the database answers");
                }
                Err(_) => {}
            }
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        let generation = within(LOOK_PATIENCE, self.store.generation()).await?;
        let same = generation == self.snapshot.load().generation;
        if same && !self.freshness.behind.load(Ordering::Acquire) {
            return Ok(());
        }
        self.refresh().await
    }

    /// Writes down which admin keys were used. What cannot be written is tried again.
    async fn note_admin_uses(&self) {
        let uses = self.admin_uses.due(self.clock.now());
        if uses.is_empty() {
            return;
        }
        match within(LOOK_PATIENCE, self.store.admin_key_touch(&uses)).await {
            Ok(()) => self.admin_uses.written(&uses),
            Err(error) => tracing::debug!(%error, "the use of admin keys is written down later"),
        }
    }
}

/// A database that has hung answers nothing, not even an error.
async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(patience, answer).await.unwrap_or_else(|_| {
        let reason = format!("it did not answer within {} s", patience.as_secs());
        Err(StoreError::Unavailable { reason })
    })
}

/// Where a snapshot is read from.
pub(crate) struct Reading<'a> {
    pub(crate) store: &'a Store,
    pub(crate) catalog: &'a Catalog,
    pub(crate) rack: &'a Rack,
    pub(crate) wards: &'a Wards,
    pub(crate) found: &'a Found,
}

impl Reading<'_> {
    pub(crate) async fn read(&self, old: Option<&Snapshot>) -> Result<Snapshot, StoreError> {
        // The generation first: what changes while we read is read again.
        let generation = self.store.generation().await?;
        let directory = self.store.directory_load().await?;
        let catalogue = match (self.catalogue(&directory, old).await, old) {
            (Err(error), Some(old)) if !matches!(error, StoreError::Unavailable { .. }) => {
                // A row that cannot be read must not keep revoked keys working.
                tracing::error!(%error, "providers, models, limits and prices stay as they were");
                old.catalogue.clone()
            }
            (read, _) => Arc::new(read?),
        };
        Ok(Snapshot {
            directory: Directory::new(&directory),
            models: ModelLists::new(&directory.projects),
            retention: Retentions::new(self.store.retention_list().await?),
            services: snapshot::services(self.store.project_service_list_all().await?),
            budgets: Budgets::new(
                self.store.budget_list_all().await?.into_iter().map(|row| row.budget),
            ),
            catalogue,
            generation,
        })
    }

    async fn catalogue(
        &self,
        directory: &store::Directory,
        old: Option<&Snapshot>,
    ) -> Result<Catalogue, StoreError> {
        let specs = self.catalog.providers_with(self.store.provider_list().await?);
        let models = self.catalog.models_with(self.store.model_list().await?);
        let providers = snapshot::build_providers(&specs, self.rack, old);
        let routes = snapshot::build_routes(&models, &specs, &providers, self.found, self.wards);
        let limits = self.catalog.limits_with(directory, self.store.limit_list_all().await?);
        let prices = self.catalog.prices_with(self.store.price_list().await?);
        Ok(Catalogue { rules: Rules::new(limits), routes, prices, providers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_database_that_hangs_is_one_that_is_away() {
        let hung = within::<()>(LOOK_PATIENCE, std::future::pending()).await;
        assert!(matches!(hung, Err(StoreError::Unavailable { .. })), "{hung:?}");
        assert!(within(LOOK_PATIENCE, std::future::ready(Ok(1))).await.is_ok());
    }
}
