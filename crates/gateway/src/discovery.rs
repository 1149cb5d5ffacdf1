//! Finds out which models providers have, and whether they answer at all: one question serves
//! both. Each provider is asked at the start, when it is new, and from then on every few seconds;
//! what one of them answers is shown at once, however long the others take.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use kernel::catalog::ProviderSpec;
use providers::UpstreamModel;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::Gateway;
use crate::snapshot::NamedProvider;
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

/// What providers were asked and answered.
#[derive(Debug, Default)]
pub struct Discovery {
    found: RwLock<Found>,
    /// Who was asked, and as what: a provider that was replaced is a new one.
    asked: Mutex<HashMap<Arc<str>, Arc<ProviderSpec>>>,
    /// There may be new providers.
    pub(crate) look: Notify,
    /// Whether everyone who was there at the start has answered, or had the time to.
    first_round: watch::Sender<bool>,
}

impl Gateway {
    /// Waits until every provider that was there at the start was asked for its models.
    pub async fn discovered(&self) {
        // It fails when the sender is gone, and that is in `self`.
        let _ = self.discovery.first_round.subscribe().wait_for(|over| *over).await;
    }

    /// Asks providers for ever.
    pub(crate) async fn keep_probing(&self) {
        let period = match self.config.probe_secs {
            0 => None,
            secs => Some(Duration::from_secs(secs)),
        };
        let mut asking = FuturesUnordered::new();
        let mut due = Instant::now();
        asking.extend(self.questions(Whom::All));
        loop {
            if asking.is_empty() {
                self.discovery.first_round.send_replace(true);
            }
            tokio::select! {
                Some(()) = asking.next() => {}
                () = self.discovery.look.notified() => {
                    asking.extend(self.questions(Whom::New));
                }
                () = next_round(&mut due, period) => {
                    asking.extend(self.questions(Whom::All));
                }
            }
        }
    }

    fn questions(&self, whom: Whom) -> Vec<impl Future<Output = ()>> {
        let snapshot = self.snapshot();
        let news = snapshot.providers.iter().map(|(name, named)| {
            let new = self.discovery.mark(name, named);
            (new || whom == Whom::All).then(|| self.ask(Arc::clone(name), named.clone()))
        });
        news.flatten().collect()
    }

    /// Asks one provider, and shows what is new in its answer.
    async fn ask(&self, name: Arc<str>, named: NamedProvider) {
        let Some(models) = answer(&name, &named, &self.wards).await else { return };
        let snapshot = self.snapshot();
        // It may have been replaced meanwhile; its successor is asked, too.
        let current = snapshot.providers.get(&name);
        let current = current.is_some_and(|current| Arc::ptr_eq(&current.spec, &named.spec));
        if current
            && named.spec.discover
            && self.discovery.remember(&name, models)
            && let Err(error) = self.refresh().await
        {
            tracing::warn!(%error, "newly found models wait until the database answers");
            self.look_now();
        }
    }
}

/// Who is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whom {
    All,
    New,
}

/// Waits for the next round; `due` moves only once it is there, so that giving up loses nothing.
async fn next_round(due: &mut Instant, period: Option<Duration>) {
    match period {
        Some(period) => {
            sleep_until(*due + period).await;
            *due = Instant::now();
        }
        None => std::future::pending().await,
    }
}

/// What a provider lists. One that does not answer keeps its models; its targets are tried last.
async fn answer(
    name: &Arc<str>,
    named: &NamedProvider,
    wards: &Wards,
) -> Option<Vec<UpstreamModel>> {
    match timeout(PATIENCE, named.provider.models()).await {
        Ok(Ok(models)) => {
            wards.probed(name, true);
            Some(models)
        }
        Ok(Err(failure)) => {
            // A server that answers, though not this question, is not unwell.
            wards.probed(name, !failure.class.counts_against_target());
            tracing::debug!(provider = %name, %failure, "a provider did not list its models");
            None
        }
        Err(_) => {
            wards.probed(name, false);
            tracing::warn!(provider = %name, "a provider did not answer its health probe");
            None
        }
    }
}

impl Discovery {
    /// What was found so far.
    pub fn found(&self) -> Found {
        self.found.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the list is another than before.
    fn remember(&self, provider: &str, models: Vec<UpstreamModel>) -> bool {
        let mut found = self.found.write().unwrap_or_else(PoisonError::into_inner);
        let changed = found.models(provider).as_ref() != models.as_slice();
        found.0.insert(provider.to_owned(), models.into());
        changed
    }

    /// Notes that this provider is asked. Returns whether it was not yet.
    fn mark(&self, name: &Arc<str>, named: &NamedProvider) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = asked.insert(Arc::clone(name), Arc::clone(&named.spec));
        before.is_none_or(|before| !Arc::ptr_eq(&before, &named.spec))
    }
}
