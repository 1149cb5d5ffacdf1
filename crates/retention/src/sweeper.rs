//! When sweeps happen: at the start, every hour, and soon after somebody changed how long content
//! is kept, by whichever door.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use files::Blobs;
use kernel::{SharedClock, SharedRng, id};
use serde::Deserialize;
use store::{RetentionRow, Store};
use tokio::time::{Instant, sleep};

use crate::sweep::Swept;

/// How often a node looks whether the settings changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// When a sweep that did not do all of its work, or was another node's, is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(300);

/// How retention behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// Seconds between two sweeps.
    pub interval_secs: u64,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self { interval_secs: 3_600 }
    }
}

impl RetentionConfig {
    fn interval(self) -> Duration {
        Duration::from_secs(self.interval_secs.max(1))
    }
}

/// What a sweeper is made of.
pub struct Parts {
    /// How it behaves.
    pub config: RetentionConfig,
    /// Where the rows are.
    pub store: Store,
    /// Where the blobs are.
    pub blobs: Blobs,
    /// The time.
    pub clock: SharedClock,
    /// Randomness.
    pub rng: SharedRng,
}

/// Deletes what is past its time. Clones are the same sweeper.
#[derive(Clone)]
pub struct Sweeper(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    config: RetentionConfig,
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) clock: SharedClock,
    /// This sweeper, among those of all nodes.
    pub(crate) name: String,
}

impl Sweeper {
    /// A sweeper that sweeps when it is told to, or [runs](Sweeper::run).
    pub fn new(parts: Parts) -> Self {
        let Parts { config, store, blobs, clock, rng } = parts;
        let name = id::time_ordered("sweeper_", clock.now(), &*rng);
        Self(Arc::new(Inner { config, store, blobs, clock, name }))
    }

    /// Sweeps for ever; drop it to stop. What it is at then is taken up by the next sweep.
    pub async fn run(&self) {
        loop {
            // Read before the sweep: what changes meanwhile is seen as a change.
            let settings = self.settings().await;
            let swept = self.sweep().await;
            if let Err(error) = &swept {
                tracing::warn!(%error, "what is past its time is deleted later");
            }
            let done = matches!(swept, Ok(Some(Swept { unproven: 0, .. })));
            let interval = self.0.config.interval();
            let pause = if done { interval } else { interval.min(RETRY_AFTER) };
            self.wait(pause, settings).await;
        }
    }

    async fn wait(&self, pause: Duration, settings: Option<Vec<RetentionRow>>) {
        let end = Instant::now() + pause;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            sleep(left.min(LOOK_EVERY)).await;
            let changed = match self.settings().await {
                Some(now) => settings.as_ref() != Some(&now),
                None => false,
            };
            if changed || Instant::now() >= end {
                return;
            }
        }
    }

    /// What is set; `None` while the database does not answer.
    async fn settings(&self) -> Option<Vec<RetentionRow>> {
        self.0.store.retention_list().await.ok()
    }
}

impl fmt::Debug for Sweeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweeper").field("name", &self.0.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node runs it on any of its threads.
    #[test]
    fn it_can_be_moved_to_another_thread() {
        fn moved<T: Send>(_: impl Fn(&'static Sweeper) -> T) {}
        moved(Sweeper::run);
    }
}
