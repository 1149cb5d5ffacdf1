//! What is taken of one limit by one subject, as one node counts it alone.

use std::time::Duration;

use kernel::Timestamp;
use kernel::limit::Limit;

use super::bucket::{Bucket, window};
use super::counters::Count;
use super::headers::Allowance;

/// Calls under way end when they end; this is when it is worth asking again.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Counter {
    /// Requests or tokens.
    Rate(Bucket),
    /// Calls under way.
    Running(u64),
}

impl Counter {
    pub(super) fn untouched(limit: &Limit, now: Timestamp) -> Self {
        match window(limit.measure) {
            Some(window) => Self::Rate(Bucket::full(limit.amount, window, now)),
            None => Self::Running(0),
        }
    }

    /// The counter as it is at `now`, under the limit's present amount.
    pub(super) fn under(self, limit: &Limit, now: Timestamp) -> Self {
        match self {
            Self::Rate(bucket) => Self::Rate(bucket.refilled(now).resized(limit.amount)),
            running @ Self::Running(_) => running,
        }
    }

    /// How long until `units` can be taken; zero: now.
    pub(super) fn wait(&self, limit: &Limit, units: u64) -> Duration {
        match self {
            Self::Rate(bucket) => bucket.wait(units),
            Self::Running(count) if count.saturating_add(units) > limit.amount => ASK_AGAIN,
            Self::Running(_) => Duration::ZERO,
        }
    }

    /// What counts against the limit now.
    pub(super) fn used(&self) -> u64 {
        match self {
            Self::Rate(bucket) => bucket.used(),
            Self::Running(count) => *count,
        }
    }

    /// What callers are told is left; nothing of calls under way.
    pub(super) fn left(&self, limit: &Limit) -> Option<Allowance> {
        let Self::Rate(bucket) = self else { return None };
        let (remaining, reset) = (bucket.remaining(), bucket.reset());
        Some(Allowance { limit: limit.amount, remaining, reset })
    }

    #[must_use]
    pub(super) fn take(self, units: u64) -> Self {
        match self {
            Self::Rate(bucket) => Self::Rate(bucket.take(units)),
            Self::Running(count) => Self::Running(count.saturating_add(units)),
        }
    }

    #[must_use]
    pub(super) fn put_back(self, units: u64) -> Self {
        match self {
            Self::Rate(bucket) => Self::Rate(bucket.put_back(units)),
            Self::Running(count) => Self::Running(count.saturating_sub(units)),
        }
    }

    fn at(self, now: Timestamp) -> Self {
        match self {
            Self::Rate(bucket) => Self::Rate(bucket.refilled(now)),
            running @ Self::Running(_) => running,
        }
    }
}

impl Count for Counter {
    fn charge(&mut self, units: u64, now: Timestamp) {
        *self = self.at(now).take(units);
    }

    fn refund(&mut self, units: u64, now: Timestamp) {
        *self = self.at(now).put_back(units);
    }

    fn idle_in(&self, now: Timestamp) -> Option<Duration> {
        match self {
            Self::Rate(bucket) => Some(bucket.refilled(now).reset()),
            Self::Running(0) => Some(Duration::ZERO),
            Self::Running(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::limit::{LimitMeasure, LimitScope};

    #[test]
    fn a_changed_amount_keeps_what_was_taken() {
        let now = Timestamp::from_secs(1);
        let limit = |amount| Limit {
            id: "limit_a".into(),
            scope: LimitScope::User,
            subject: None,
            model: None,
            measure: LimitMeasure::RequestsPerMinute,
            amount,
        };
        let taken = Counter::untouched(&limit(10), now).take(8);
        let after = limit(20);
        let counter = taken.under(&after, now);
        assert_eq!(counter.used(), 8);
        assert_eq!(counter.wait(&after, 12), Duration::ZERO);
        assert!(counter.wait(&after, 13) > Duration::ZERO);
    }
}
