//! How it stands with the place of shared counters: whether it answers, and how many nodes use it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kernel::{SharedClock, Timestamp};
use tokio::sync::Notify;

use super::terms::Terms;
use crate::limiter::lock;
use crate::shared::{Answer, Ask, Hold, Shared, SharedError, SharedKey, SharedSecret};

/// What a limiter shares its counters with.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// The place.
    pub place: Arc<dyn Shared>,
    /// What the names of counters are made with; the same on all nodes.
    pub secret: SharedSecret,
    /// How.
    pub config: SharingConfig,
}

/// How counters are shared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SharingConfig {
    /// How long a call waits for the place at most; one that takes longer is lost.
    pub patience: Duration,
    /// How often a node says that it lives.
    pub heartbeat: Duration,
    /// How much of its part of a limit, the limit divided by the nodes, a node uses while the place
    /// is lost, in percent.
    pub share_when_lost_percent: u64,
    /// How many nodes there are at least; counts where more were never heard of.
    pub expected_nodes: u64,
}

/// How it stands with the shared counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SharedState {
    /// This node counts alone.
    NotShared,
    /// The place answers.
    Answering {
        /// How many nodes use it.
        nodes: u64,
    },
    /// The place does not answer, and this node uses its own share of every limit.
    Lost {
        /// How many nodes were known, which the limits are divided by.
        nodes: u64,
        /// Since when.
        since: Timestamp,
    },
}

/// The link of this node to the place.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) sharing: Sharing,
    pub(super) clock: SharedClock,
    /// What nodes hold one of to say that they live.
    nodes_key: SharedKey,
    nodes: AtomicU64,
    lost_since: Mutex<Option<Timestamp>>,
    /// Wakes who looks for a place that was just lost.
    pub(super) lost: Notify,
}

impl Link {
    pub(super) fn new(sharing: Sharing, clock: SharedClock) -> Self {
        Self {
            nodes_key: sharing.secret.key(["nodes"]),
            nodes: AtomicU64::new(sharing.config.expected_nodes.max(1)),
            sharing,
            clock,
            lost_since: Mutex::default(),
            lost: Notify::new(),
        }
    }

    pub(super) fn terms(&self) -> Terms {
        Terms {
            now: self.clock.now(),
            nodes: self.nodes(),
            percent: self.sharing.config.share_when_lost_percent,
            lost: self.is_lost(),
        }
    }

    pub(super) fn state(&self) -> SharedState {
        let nodes = self.nodes();
        match *lock(&self.lost_since) {
            Some(since) => SharedState::Lost { nodes, since },
            None => SharedState::Answering { nodes },
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        lock(&self.lost_since).is_some()
    }

    /// The question that says that this node lives.
    pub(super) fn heartbeat(&self) -> Ask {
        self.presence(1)
    }

    /// The question that says that this node is gone.
    pub(super) fn farewell(&self) -> Ask {
        self.presence(0)
    }

    /// Asks the place, and notes whether it answered.
    pub(super) async fn ask(&self, asks: &[Ask]) -> Result<Vec<Answer>, SharedError> {
        let answers = self.sharing.place.ask(asks).await.and_then(|answers| {
            let (asked, answered) = (asks.len(), answers.len());
            let reason = format!("{answered} answers to {asked} questions");
            if asked == answered { Ok(answers) } else { Err(SharedError::Unreadable { reason }) }
        });
        match &answers {
            Ok(answers) => self.count_nodes(asks, answers),
            Err(error) => self.lose(&error.to_string()),
        }
        answers
    }

    /// From here on this node uses its own share.
    pub(super) fn lose(&self, reason: &str) {
        let mut lost_since = lock(&self.lost_since);
        if lost_since.is_none() {
            *lost_since = Some(self.clock.now());
            let nodes = self.nodes();
            tracing::warn!(
                reason,
                nodes,
                "shared counters lost; this node uses its own share of every limit"
            );
            self.lost.notify_one();
        }
    }

    /// The place is back.
    pub(super) fn find(&self) {
        if let Some(since) = lock(&self.lost_since).take() {
            let secs = self.clock.now().since(since).as_secs();
            tracing::info!(secs, nodes = self.nodes(), "shared counters are back");
        }
    }

    fn presence(&self, held: u64) -> Ask {
        Ask::Hold(Hold { key: self.nodes_key, amount: u64::MAX, held, want: 0, at_least: 0 })
    }

    fn nodes(&self) -> u64 {
        self.nodes.load(Ordering::Acquire)
    }

    fn count_nodes(&self, asks: &[Ask], answers: &[Answer]) {
        for (ask, answer) in asks.iter().zip(answers) {
            if let (Ask::Hold(hold), Answer::Held(held)) = (ask, answer)
                && hold.key == self.nodes_key
            {
                let nodes = held.holders.max(self.sharing.config.expected_nodes).max(1);
                self.nodes.store(nodes, Ordering::Release);
            }
        }
    }
}
