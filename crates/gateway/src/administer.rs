//! Administration of the catalogue through a running node: a change is made, then this node sees
//! it at once; other nodes see it at their next look.

use std::time::Duration;

use kernel::catalog::{FailureClass, ModelSpec, ProviderSpec};
use kernel::limit::Limit;
use providers::{Failure, UpstreamModel};
use store::StoreError;

use crate::Gateway;
use crate::catalog::CatalogError;

/// How long a provider may take to answer when somebody asks how it is.
const PATIENCE: Duration = Duration::from_secs(10);

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

    /// Makes a provider, or replaces the one of its name.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing is written then.
    pub async fn provider_put(&self, spec: &ProviderSpec) -> Result<(), CatalogError> {
        self.catalog.provider_put(&self.store, &self.rack, spec).await?;
        self.see_change().await;
        Ok(())
    }

    /// Deletes a provider.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing is changed then.
    pub async fn provider_delete(&self, name: &str) -> Result<(), CatalogError> {
        self.catalog.provider_delete(&self.store, name).await?;
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
    pub async fn model_put(&self, spec: &ModelSpec) -> Result<(), CatalogError> {
        self.catalog.model_put(&self.store, spec).await?;
        self.see_change().await;
        Ok(())
    }

    /// Deletes a model.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing is changed then.
    pub async fn model_delete(&self, name: &str) -> Result<(), CatalogError> {
        self.catalog.model_delete(&self.store, name).await?;
        self.see_change().await;
        Ok(())
    }

    /// The limits of the configuration file, which hold in every organisation.
    pub fn file_limits(&self) -> &[Limit] {
        &self.catalog.limits
    }
}
