//! Finds out which models providers have, and whether they answer at all: one question serves
//! both.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use providers::UpstreamModel;

use crate::snapshot::Snapshot;
use crate::target::Wards;

/// How long a provider may take to list its models.
const PATIENCE: Duration = Duration::from_secs(10);

/// The models that providers listed when they were last asked.
#[derive(Debug, Default, Clone)]
pub struct Found(HashMap<String, Arc<[UpstreamModel]>>);

impl Found {
    /// What the provider of this name listed.
    pub fn models(&self, provider: &str) -> Arc<[UpstreamModel]> {
        self.0.get(provider).cloned().unwrap_or_default()
    }
}

/// Asks providers and remembers their answers.
#[derive(Debug, Default)]
pub struct Discovery {
    found: RwLock<Found>,
}

impl Discovery {
    /// What was found so far.
    pub fn found(&self) -> Found {
        self.found.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks every provider of the snapshot at once. Returns whether the list of models changed.
    /// A provider that does not answer keeps its models; its targets are tried last.
    pub async fn ask(&self, snapshot: &Snapshot, wards: &Wards) -> bool {
        let questions = snapshot.providers.iter().map(|(name, named)| async move {
            let answer = tokio::time::timeout(PATIENCE, named.provider.models()).await;
            (name, named, answer)
        });
        let mut changed = false;
        for (name, named, answer) in futures_util::future::join_all(questions).await {
            match answer {
                Ok(Ok(models)) => {
                    wards.probed(name, true);
                    changed |= named.spec.discover && self.remember(name, models);
                }
                Ok(Err(failure)) => {
                    // A server that answers, though not this question, is not unwell.
                    wards.probed(name, !failure.class.counts_against_target());
                    tracing::debug!(provider = %name, %failure, "a provider did not list its models");
                }
                Err(_) => {
                    wards.probed(name, false);
                    tracing::warn!(provider = %name, "a provider did not answer its health probe");
                }
            }
        }
        changed
    }

    fn remember(&self, provider: &str, models: Vec<UpstreamModel>) -> bool {
        let mut found = self.found.write().unwrap_or_else(PoisonError::into_inner);
        let changed = found.models(provider).as_ref() != models.as_slice();
        found.0.insert(provider.to_owned(), models.into());
        changed
    }
}
