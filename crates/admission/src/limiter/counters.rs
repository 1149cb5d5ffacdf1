//! The counters of one organisation: what is taken of every limit by every subject, in bounded
//! memory.
//!
//! Clients choose the names of their end users, so the number of subjects has no bound of its own.
//! A counter is known only by a keyed hash of its limit and subject, and when too many are held,
//! those nearest to being full again go first: forgetting them forgets least. A flood of made-up
//! users therefore pushes out itself, not the users who are close to their limit, and it never
//! reaches another organisation.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

use kernel::Timestamp;
use kernel::limit::Limit;

use super::bucket::{Bucket, window};

/// How many counters one organisation may hold: what a hash table of 65 536 places takes before it
/// grows, about 5 MB.
const MAX_COUNTERS: usize = 57_344;

/// Calls under way end when they end; this is when it is worth asking again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What is taken of one limit by one subject.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Counter {
    /// Requests or tokens.
    Rate(Bucket),
    /// Calls under way.
    Running(u64),
}

impl Counter {
    fn untouched(limit: &Limit, now: Timestamp) -> Self {
        match window(limit.measure) {
            Some(window) => Self::Rate(Bucket::full(limit.amount, window, now)),
            None => Self::Running(0),
        }
    }

    fn at(self, now: Timestamp) -> Self {
        match self {
            Self::Rate(bucket) => Self::Rate(bucket.refilled(now)),
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

    /// How long until nothing is taken any more; `None` while calls are under way.
    fn idle_in(self, now: Timestamp) -> Option<Duration> {
        match self {
            Self::Rate(bucket) => Some(bucket.refilled(now).reset()),
            Self::Running(0) => Some(Duration::ZERO),
            Self::Running(_) => None,
        }
    }
}

/// All counters of one organisation.
#[derive(Debug, Default)]
pub(super) struct Counters {
    counters: HashMap<u64, Counter, BuildHasherDefault<AlreadyHashed>>,
}

impl Counters {
    /// The counter as it is at `now`, under the limit's present amount.
    pub(super) fn get(&self, key: u64, limit: &Limit, now: Timestamp) -> Counter {
        match self.counters.get(&key) {
            None => Counter::untouched(limit, now),
            Some(Counter::Rate(bucket)) => {
                Counter::Rate(bucket.refilled(now).resized(limit.amount))
            }
            Some(running) => *running,
        }
    }

    /// Keeps a counter, and makes room for it where there is none.
    pub(super) fn put(&mut self, key: u64, counter: Counter, now: Timestamp) {
        if self.counters.len() >= MAX_COUNTERS && !self.counters.contains_key(&key) {
            self.make_room(now);
        }
        self.counters.insert(key, counter);
    }

    /// Changes a counter where it is still held. One that was forgotten meanwhile stays so: it
    /// was nearly full, and its next call starts afresh.
    pub(super) fn change(&mut self, key: u64, now: Timestamp, to: impl FnOnce(Counter) -> Counter) {
        if let Some(counter) = self.counters.get_mut(&key) {
            *counter = to(counter.at(now));
        }
    }

    /// Forgets the idle counters and, while these are too few, an eighth of all: those that would
    /// be idle soonest. Calls under way are never forgotten.
    fn make_room(&mut self, now: Timestamp) {
        self.counters.retain(|_, counter| counter.idle_in(now) != Some(Duration::ZERO));
        let wanted = MAX_COUNTERS - MAX_COUNTERS / 8;
        let excess = self.counters.len().saturating_sub(wanted);
        let mut idle_in: Vec<Duration> =
            self.counters.values().filter_map(|counter| counter.idle_in(now)).collect();
        if excess == 0 || idle_in.is_empty() {
            return;
        }
        let last = excess.min(idle_in.len()) - 1;
        let (_, soon, _) = idle_in.select_nth_unstable(last);
        let soon = *soon;
        self.counters.retain(|_, counter| counter.idle_in(now).is_none_or(|idle| idle > soon));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.counters.len()
    }

    #[cfg(test)]
    pub(super) fn running(&self) -> u64 {
        self.counters.values().map(|c| if let Counter::Running(n) = c { *n } else { 0 }).sum()
    }
}

/// A hasher for keys that are keyed hashes already.
#[derive(Debug, Default)]
pub(super) struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn write(&mut self, bytes: &[u8]) {
        // Only `u64` keys come here, by `write_u64`; this keeps any other kind correct.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::limit::{LimitMeasure, LimitScope};

    fn limit(measure: LimitMeasure, amount: u64) -> Limit {
        Limit {
            id: "limit_a".into(),
            scope: LimitScope::User,
            subject: None,
            model: None,
            measure,
            amount,
        }
    }

    /// Spreads small numbers as a keyed hash would.
    fn key(number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn a_flood_of_subjects_is_bounded_and_pushes_out_itself() {
        let requests = limit(LimitMeasure::RequestsPerMinute, 10);
        let calls = limit(LimitMeasure::ConcurrentCalls, 10);
        let now = Timestamp::from_secs(1);
        let mut counters = Counters::default();
        let (heavy, running) = (key(u64::MAX), key(u64::MAX - 1));
        let used_up = counters.get(heavy, &requests, now).take(10);
        counters.put(heavy, used_up, now);
        let under_way = counters.get(running, &calls, now).take(1);
        counters.put(running, under_way, now);
        for user in 0..3 * MAX_COUNTERS as u64 {
            let once = counters.get(key(user), &requests, now).take(1);
            counters.put(key(user), once, now);
            assert!(counters.len() <= MAX_COUNTERS);
        }
        assert_eq!(counters.get(heavy, &requests, now).used(), 10);
        assert_eq!(counters.get(running, &calls, now).used(), 1);
    }

    #[test]
    fn idle_counters_go_before_all_others() {
        let requests = limit(LimitMeasure::RequestsPerMinute, 10);
        let mut counters = Counters::default();
        let (early, late) = (Timestamp::from_secs(1), Timestamp::from_secs(120));
        for user in 1..MAX_COUNTERS as u64 {
            let once = counters.get(key(user), &requests, early).take(1);
            counters.put(key(user), once, early);
        }
        for user in 0..2 {
            let fresh = key(1_000_000 + user);
            let once = counters.get(fresh, &requests, late).take(1);
            counters.put(fresh, once, late);
        }
        assert_eq!(counters.len(), 2);
    }

    #[test]
    fn a_changed_amount_keeps_what_was_taken() {
        let now = Timestamp::from_secs(1);
        let mut counters = Counters::default();
        let before = limit(LimitMeasure::RequestsPerMinute, 10);
        let taken = counters.get(1, &before, now).take(8);
        counters.put(1, taken, now);
        let after = limit(LimitMeasure::RequestsPerMinute, 20);
        assert_eq!(counters.get(1, &after, now).used(), 8);
        assert_eq!(counters.get(1, &after, now).wait(&after, 12), Duration::ZERO);
        assert!(counters.get(1, &after, now).wait(&after, 13) > Duration::ZERO);
    }

    #[test]
    fn a_forgotten_counter_is_not_revived_by_a_change() {
        let mut counters = Counters::default();
        counters.change(7, Timestamp::from_secs(1), |counter| counter.take(1));
        assert_eq!(counters.len(), 0);
    }
}
