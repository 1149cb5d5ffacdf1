//! Administration of the catalogue through a running node: a change is made, then this node sees
//! it at once; other nodes see it at their next look. And who administers: when each admin key was
//! last used.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kernel::catalog::{FailureClass, ModelSpec, ProviderSpec};
use kernel::limit::Limit;
use kernel::{Actor, AdminKeyId, Timestamp};
use providers::{Failure, UpstreamModel};
use store::{Price, StoreError};

use crate::Gateway;
use crate::catalog::CatalogError;
use crate::price::WrittenPrice;

/// How long a provider may take to answer when somebody asks how it is.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the use of one admin key is written down at most.
const REPORT_EVERY: Duration = Duration::from_secs(60);

impl Gateway {
    /// Something changed: what this node keeps in memory is read anew before this returns. With
    /// the database away, the next look does it.
    pub async fn see_change(&self) {
        if let Err(error) = self.refresh().await {
            tracing::warn!(%error, "a change is made, and seen once the database answers");
            self.look_now();
        }
    }

    /// All providers, wherever they are written down.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn provider_list(&self) -> Result<Vec<ProviderSpec>, StoreError> {
        Ok(self.catalog.providers_with(self.store.provider_list().await?))
    }

    /// Makes a provider, or replaces the one of its name. It is asked for its models at once.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing is written then.
    pub async fn provider_put(
        &self,
        actor: &Actor,
        spec: &ProviderSpec,
    ) -> Result<(), CatalogError> {
        self.catalog.provider_put(&self.store.by(actor), &self.rack, spec).await?;
        self.see_change().await;
        Ok(())
    }

    /// Deletes a provider.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing is changed then.
    pub async fn provider_delete(&self, actor: &Actor, name: &str) -> Result<(), CatalogError> {
        self.catalog.provider_delete(&self.store.by(actor), name).await?;
        self.see_change().await;
        Ok(())
    }

    /// Asks a provider for its models. `None`: this node has no provider of that name.
    pub async fn provider_check(&self, name: &str) -> Option<Result<Vec<UpstreamModel>, Failure>> {
        let provider = self.snapshot().providers.get(name)?.provider.clone();
        let asked = tokio::time::timeout(PATIENCE, provider.models()).await;
        Some(asked.unwrap_or_else(|_| {
            let message = format!("the provider did not answer within {} s", PATIENCE.as_secs());
            Err(Failure::silent(FailureClass::Timeout, message))
        }))
    }

    /// All models that are written down; those that providers list are not among them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn model_list(&self) -> Result<Vec<ModelSpec>, StoreError> {
        Ok(self.catalog.models_with(self.store.model_list().await?))
    }

    /// Makes a model, or replaces the one of its name.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing is written then.
    pub async fn model_put(&self, actor: &Actor, spec: &ModelSpec) -> Result<(), CatalogError> {
        self.catalog.model_put(&self.store.by(actor), spec).await?;
        self.see_change().await;
        Ok(())
    }

    /// Deletes a model.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing is changed then.
    pub async fn model_delete(&self, actor: &Actor, name: &str) -> Result<(), CatalogError> {
        self.catalog.model_delete(&self.store.by(actor), name).await?;
        self.see_change().await;
        Ok(())
    }

    /// The prices that were added live, the earliest in force first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn price_list(&self) -> Result<Vec<Price>, StoreError> {
        self.store.price_list().await
    }

    /// Adds a price.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing is written then.
    pub async fn price_add(
        &self,
        actor: &Actor,
        written: WrittenPrice,
    ) -> Result<Price, CatalogError> {
        let price = self.catalog.price_add(&self.store.by(actor), written).await?;
        self.see_change().await;
        Ok(price)
    }

    /// An admin key was used now.
    pub fn admin_seen(&self, key: &AdminKeyId) {
        self.admin_uses.note(key, self.clock.now());
    }

    /// The limits of the configuration file, which hold in every organisation.
    pub fn file_limits(&self) -> &[Limit] {
        &self.catalog.limits
    }
}

/// When admin keys were last used, until it is written down: at most once a minute for each.
#[derive(Debug, Default)]
pub(crate) struct AdminUses(Mutex<HashMap<AdminKeyId, Use>>);

#[derive(Debug, Clone, Copy)]
struct Use {
    last: Timestamp,
    written: Option<Timestamp>,
}

impl AdminUses {
    fn note(&self, key: &AdminKeyId, now: Timestamp) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match uses.get_mut(key) {
            Some(seen) => seen.last = now,
            None => drop(uses.insert(key.clone(), Use { last: now, written: None })),
        }
    }

    /// What is to be written down now.
    pub(crate) fn due(&self, now: Timestamp) -> Vec<(AdminKeyId, Timestamp)> {
        let uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = |seen: &Use| match seen.written {
            Some(written) => seen.last > written && now.since(written) >= REPORT_EVERY,
            None => true,
        };
        uses.iter()
            .filter(|(_, seen)| due(seen))
            .map(|(key, seen)| (key.clone(), seen.last))
            .collect()
    }

    /// These are written down.
    pub(crate) fn written(&self, uses: &[(AdminKeyId, Timestamp)]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, at) in uses {
            if let Some(seen) = known.get_mut(key) {
                seen.written = Some(*at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_written_down_at_most_once_a_minute() {
        let (uses, key) = (AdminUses::default(), AdminKeyId::from("key_admin_1"));
        let at = Timestamp::from_secs;
        uses.note(&key, at(100));
        let due = uses.due(at(100));
        assert_eq!(due, [(key.clone(), at(100))]);
        assert_eq!(uses.due(at(101)), due, "until it is written, it is due");
        uses.written(&due);
        uses.note(&key, at(130));
        assert!(uses.due(at(159)).is_empty());
        assert_eq!(uses.due(at(160)), [(key.clone(), at(130))]);
        uses.written(&[(key, at(130))]);
        assert!(uses.due(at(900)).is_empty(), "it was not used again");
    }
}
