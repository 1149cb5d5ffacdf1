//! How much was sent, and how much was let go.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// What OpenTelemetry has one protocol each for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

/// How much of one signal there was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) exported: u64,
    pub(crate) dropped: u64,
}

/// How much of every signal was sent or let go. A signal that is not sent has no counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    traces: OnceLock<Counting>,
    metrics: OnceLock<Counting>,
    logs: OnceLock<Counting>,
}

#[derive(Debug, Default)]
struct Counting {
    exported: AtomicU64,
    dropped: AtomicU64,
}

impl Tally {
    /// The signal is sent from now on.
    pub(crate) fn begin(&self, signal: Signal) {
        self.of(signal).get_or_init(Counting::default);
    }

    pub(crate) fn exported(&self, signal: Signal, items: u64) {
        let counting = self.of(signal).get_or_init(Counting::default);
        counting.exported.fetch_add(items, Ordering::Relaxed);
    }

    pub(crate) fn dropped(&self, signal: Signal, items: u64) {
        let counting = self.of(signal).get_or_init(Counting::default);
        counting.dropped.fetch_add(items, Ordering::Relaxed);
    }

    /// The counts of the signals that are sent.
    pub(crate) fn read(&self) -> Vec<(Signal, Counts)> {
        let read = |signal| {
            let counting = self.of(signal).get()?;
            let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
            let (exported, dropped) = (load(&counting.exported), load(&counting.dropped));
            Some((signal, Counts { exported, dropped }))
        };
        [Signal::Traces, Signal::Metrics, Signal::Logs].into_iter().filter_map(read).collect()
    }

    const fn of(&self, signal: Signal) -> &OnceLock<Counting> {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
        }
    }
}
