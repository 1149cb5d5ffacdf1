//! What is counted of the calls of one operation of one model at one provider.
//!
//! Everything that a call counts is in one place, found by one lookup, and is counted by atomic
//! additions: no call waits for another, or for whoever reads.

use std::array;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use kernel::{CallRecord, Operation, Outcome, ServiceTier, Usage};

use crate::convention::{self, Vendor};
use crate::histogram::{self, Histogram};

/// The classes of HTTP statuses, by their hundreds.
const STATUS_CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// How a call may have ended, in the order of [`outcome_index`].
const OUTCOMES: [Outcome; 7] = [
    Outcome::Completed,
    Outcome::ClientClosed,
    Outcome::UpstreamError,
    Outcome::UpstreamBroken,
    Outcome::TimedOut,
    Outcome::Stopped,
    Outcome::Shed,
];

/// The kinds of tokens that are a part of the input or the output, in the order of [`parts`].
const PARTS: [&str; 6] = [
    "input_cached",
    "input_cache_write",
    "input_audio",
    "input_image",
    "output_reasoning",
    "output_audio",
];

/// How many series of settled calls one combination of operation, model and provider may have.
pub(crate) const CALL_SERIES: usize =
    ServiceTier::ALL.len() * OUTCOMES.len() * STATUS_CLASSES.len();

/// How many series of durations it may have.
pub(crate) const DURATION_SERIES: usize = OUTCOMES.len();

/// How many more series a family may have.
#[derive(Debug)]
pub(crate) struct Room(AtomicUsize);

impl Room {
    pub(crate) fn for_series(count: usize) -> Self {
        Self(AtomicUsize::new(count))
    }

    /// Takes the place of one more series. Two threads that need the same one may take two, so
    /// there are never more than there should be.
    fn take(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// What is counted of the calls of one operation of one model at one provider.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) operation: Operation,
    pub(crate) model: Arc<str>,
    pub(crate) provider: Arc<str>,
    vendor: Arc<str>,
    calls: [[[AtomicU64; STATUS_CLASSES.len()]; OUTCOMES.len()]; ServiceTier::ALL.len()],
    parts: [AtomicU64; PARTS.len()],
    attempts: AtomicU64,
    cost_nanos: AtomicU64,
    unpriced: AtomicU64,
    estimated: AtomicU64,
    /// By outcome, made when the first call ends so.
    durations: [OnceLock<Histogram>; OUTCOMES.len()],
    input: Histogram,
    output: Histogram,
    first_token: Histogram,
    per_token: Histogram,
}

impl Series {
    pub(crate) fn new(
        operation: Operation,
        model: &str,
        provider: &str,
        vendor: &Vendor,
    ) -> Arc<Self> {
        Arc::new(Self {
            operation,
            model: model.into(),
            provider: provider.into(),
            vendor: Arc::clone(&vendor.name),
            calls: array::from_fn(|_| array::from_fn(|_| array::from_fn(|_| AtomicU64::new(0)))),
            parts: array::from_fn(|_| AtomicU64::new(0)),
            attempts: AtomicU64::new(0),
            cost_nanos: AtomicU64::new(0),
            unpriced: AtomicU64::new(0),
            estimated: AtomicU64::new(0),
            durations: array::from_fn(|_| OnceLock::new()),
            input: Histogram::new(&histogram::TOKENS),
            output: Histogram::new(&histogram::TOKENS),
            first_token: Histogram::new(&histogram::FIRST_TOKEN),
            per_token: Histogram::new(&histogram::PER_TOKEN),
        })
    }

    /// Counts that such a call was settled. `false`: it would be a new series, and there is no
    /// room for one.
    pub(crate) fn count_call(&self, record: &CallRecord, room: &Room) -> bool {
        let class = usize::from(record.status / 100);
        let class = if class < STATUS_CLASSES.len() { class } else { 0 };
        let count = self
            .calls
            .get(tier_index(record.service_tier))
            .and_then(|tier| tier.get(outcome_index(record.outcome))?.get(class));
        let Some(count) = count else { return false };
        if count.load(Ordering::Relaxed) == 0 && !room.take() {
            return false;
        }
        count.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Counts how long such a call took. `false` as above.
    pub(crate) fn count_duration(&self, record: &CallRecord, room: &Room) -> bool {
        let Some(slot) = self.durations.get(outcome_index(record.outcome)) else { return false };
        if slot.get().is_none() && !room.take() {
            return false;
        }
        slot.get_or_init(|| Histogram::new(&histogram::DURATION)).observe(record.duration_us);
        true
    }

    /// Counts everything else of a call.
    pub(crate) fn count(&self, record: &CallRecord) {
        let usage = &record.usage;
        add(&self.attempts, u64::from(record.attempts));
        for (count, tokens) in self.parts.iter().zip(parts(usage)) {
            add(count, tokens);
        }
        match record.cost {
            Some(cost) => add(&self.cost_nanos, u64::try_from(cost.as_nanos()).unwrap_or(0)),
            None if usage.total() > 0 => add(&self.unpriced, 1),
            None => {}
        }
        if usage.estimated {
            add(&self.estimated, 1);
        }
        if usage.total() > 0 {
            self.input.observe(usage.input);
            // What embeds writes nothing.
            if record.operation.streams() {
                self.output.observe(usage.output);
            }
        }
        if let Some(first_byte) = record.first_byte_us.filter(|_| record.stream) {
            self.first_token.observe(first_byte);
            if record.outcome == Outcome::Completed && usage.output > 1 {
                let rest = record.duration_us.saturating_sub(first_byte);
                self.per_token.observe(rest / (usage.output - 1));
            }
        }
    }

    /// The labels of a family that differs by operation, model and provider.
    pub(crate) fn labels(&self) -> [&str; 3] {
        [self.operation.as_str(), &self.model, &self.provider]
    }

    /// The labels that the conventions ask for.
    pub(crate) fn convention_labels(&self) -> [&str; 5] {
        let operation = convention::operation_name(self.operation);
        [operation, &self.vendor, &self.model, self.operation.as_str(), &self.provider]
    }

    /// The calls, each count with its service tier, outcome and class of status.
    pub(crate) fn calls(&self) -> impl Iterator<Item = ([&'static str; 3], u64)> {
        ServiceTier::ALL.iter().zip(&self.calls).flat_map(|(tier, outcomes)| {
            OUTCOMES.iter().zip(outcomes).flat_map(|(outcome, classes)| {
                STATUS_CLASSES.iter().zip(classes).filter_map(|(class, count)| {
                    let count = count.load(Ordering::Relaxed);
                    (count > 0).then_some(([tier.as_str(), outcome.as_str(), *class], count))
                })
            })
        })
    }

    /// The tokens by kind, where there were any. The whole ones are what the histograms add up to.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let whole = [("input", self.input.sum()), ("output", self.output.sum())];
        let read = self.parts.iter().map(|count| count.load(Ordering::Relaxed) as f64);
        whole.into_iter().chain(PARTS.into_iter().zip(read)).filter(|(_, count)| *count > 0.0)
    }

    /// The durations, each histogram with the type of its error; empty where there was none.
    pub(crate) fn durations(&self) -> impl Iterator<Item = (&'static str, &Histogram)> {
        OUTCOMES.iter().zip(&self.durations).filter_map(|(outcome, slot)| {
            let error = if *outcome == Outcome::Completed { "" } else { outcome.as_str() };
            Some((error, slot.get()?))
        })
    }

    pub(crate) fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed)
    }

    pub(crate) fn cost_dollars(&self) -> f64 {
        self.cost_nanos.load(Ordering::Relaxed) as f64 / 1e9
    }

    pub(crate) fn unpriced(&self) -> u64 {
        self.unpriced.load(Ordering::Relaxed)
    }

    pub(crate) fn estimated(&self) -> u64 {
        self.estimated.load(Ordering::Relaxed)
    }

    /// Input and output tokens of calls, by `gen_ai.token.type`.
    pub(crate) fn usage(&self) -> [(&'static str, &Histogram); 2] {
        [("input", &self.input), ("output", &self.output)]
    }

    pub(crate) fn first_token(&self) -> &Histogram {
        &self.first_token
    }

    pub(crate) fn per_token(&self) -> &Histogram {
        &self.per_token
    }
}

/// Most calls have none of most things.
fn add(count: &AtomicU64, more: u64) {
    if more > 0 {
        count.fetch_add(more, Ordering::Relaxed);
    }
}

fn parts(usage: &Usage) -> [u64; PARTS.len()] {
    [
        usage.input_cached,
        usage.input_cache_write,
        usage.input_audio,
        usage.input_image,
        usage.output_reasoning,
        usage.output_audio,
    ]
}

const fn tier_index(tier: ServiceTier) -> usize {
    match tier {
        ServiceTier::Priority => 0,
        ServiceTier::Default => 1,
        ServiceTier::Flex => 2,
    }
}

const fn outcome_index(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Completed => 0,
        Outcome::ClientClosed => 1,
        Outcome::UpstreamError => 2,
        Outcome::UpstreamBroken => 3,
        Outcome::TimedOut => 4,
        Outcome::Stopped => 5,
        Outcome::Shed => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_those_of_the_lists() {
        for (at, outcome) in OUTCOMES.into_iter().enumerate() {
            assert_eq!(outcome_index(outcome), at);
        }
        for (at, tier) in ServiceTier::ALL.into_iter().enumerate() {
            assert_eq!(tier_index(tier), at);
        }
    }

    #[test]
    fn room_runs_out() {
        let room = Room::for_series(1);
        assert!(room.take());
        assert!(!room.take());
    }
}
