//! Keeps the snapshot true: every node looks at the store's generation a few times a second and
//! reads everything anew when it moved. A revoked key stops working within that time on every
//! node, whoever revoked it: API, shell, or another node. With the database away, the last
//! snapshot serves.

use std::sync::Arc;
use std::time::Duration;

use admission::{ModelLists, Rules};
use identity::Directory;
use providers::Rack;
use store::{Store, StoreError};

use crate::Gateway;
use crate::catalog::Catalog;
use crate::discovery::Found;
use crate::journal::Mover;
use crate::snapshot::{self, Snapshot};
use crate::target::Wards;

impl Gateway {
    /// Everything a node does beside answering calls: refreshing, probing, carrying the journal.
    /// Runs for ever; drop it to stop.
    pub async fn background(self: &Arc<Self>) {
        let mover = Mover::new(Arc::clone(&self.journal), self.store.clone());
        tokio::join!(mover.run(), self.keep_fresh(), self.keep_probing());
    }

    /// Something changed through this node: the next look is now.
    pub fn look_now(&self) {
        self.changed.notify_one();
    }

    /// Reads the state of the world anew, now.
    ///
    /// # Errors
    /// When the store cannot be read; the old snapshot stays.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let old = self.snapshot();
        let reading = Reading {
            store: &self.store,
            catalog: &self.catalog,
            rack: &self.rack,
            wards: &self.wards,
            found: &self.discovery.found(),
        };
        let fresh = reading.read(Some(&old)).await?;
        self.snapshot.store(Arc::new(fresh));
        drop(old);
        self.wards.sweep();
        Ok(())
    }

    /// Asks all providers for their models once.
    pub async fn discover(&self) {
        let snapshot = self.snapshot();
        if self.discovery.ask(&snapshot, &self.wards).await
            && let Err(error) = self.refresh().await
        {
            tracing::warn!(%error, "newly found models wait until the database answers");
        }
    }

    async fn keep_fresh(&self) {
        let period = Duration::from_millis(self.config.refresh_ms.max(10));
        let mut told = false;
        loop {
            tokio::select! {
                () = tokio::time::sleep(period) => {}
                () = self.changed.notified() => {}
            }
            let looked = match self.store.generation().await {
                Ok(generation) if generation == self.snapshot.load().generation => Ok(()),
                Ok(_) => self.refresh().await,
                Err(error) => Err(error),
            };
            match looked {
                Ok(()) => told = false,
                Err(error) if !told => {
                    told = true;
                    tracing::warn!(%error, "keys, limits and models stay as they were until the database answers");
                }
                Err(_) => {}
            }
        }
    }

    async fn keep_probing(&self) {
        if self.config.probe_secs == 0 {
            return;
        }
        loop {
            tokio::time::sleep(Duration::from_secs(self.config.probe_secs)).await;
            self.discover().await;
        }
    }
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
        let specs = self.catalog.providers_with(self.store.provider_list().await?);
        let models = self.catalog.models_with(self.store.model_list().await?);
        let providers = snapshot::build_providers(&specs, self.rack, old);
        let routes = snapshot::build_routes(&models, &specs, &providers, self.found, self.wards);
        let limits = self.catalog.limits_with(&directory, self.store.limit_list_all().await?);
        let prices = self.catalog.prices_with(self.store.price_list().await?);
        Ok(Snapshot {
            rules: Rules::new(limits),
            directory: Directory::new(&directory),
            models: ModelLists::new(&directory.projects),
            routes,
            prices,
            providers,
            generation,
        })
    }
}
