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

/// How many counters one organisation may hold: what a hash table of 65 536 places takes before it
/// grows, about 5 MB; about 15 MB of leases.
const MAX_COUNTERS: usize = 57_344;

/// What a table of counters asks of a counter.
pub(super) trait Count {
    /// Takes units, whether they are there or not.
    fn charge(&mut self, units: u64, now: Timestamp);
    /// Puts units back.
    fn refund(&mut self, units: u64, now: Timestamp);
    /// How long until nothing is taken any more; `None` while it must not be forgotten.
    fn idle_in(&self, now: Timestamp) -> Option<Duration>;
}

/// All counters of one organisation.
#[derive(Debug)]
pub(super) struct Counters<C> {
    counters: HashMap<u64, C, BuildHasherDefault<AlreadyHashed>>,
}

impl<C> Default for Counters<C> {
    fn default() -> Self {
        Self { counters: HashMap::default() }
    }
}

impl<C: Count> Counters<C> {
    pub(super) fn get(&self, key: u64) -> Option<&C> {
        self.counters.get(&key)
    }

    /// A counter to change, where it is still held. One that was forgotten meanwhile stays so: it
    /// was nearly full, and its next call starts afresh.
    pub(super) fn get_mut(&mut self, key: u64) -> Option<&mut C> {
        self.counters.get_mut(&key)
    }

    /// Keeps a counter, and makes room for it where there is none.
    pub(super) fn put(&mut self, key: u64, counter: C, now: Timestamp) {
        if !self.counters.contains_key(&key) {
            self.make_room(now);
        }
        self.counters.insert(key, counter);
    }

    /// The counter of this key, made where there is none.
    pub(super) fn entry(&mut self, key: u64, now: Timestamp, make: impl FnOnce() -> C) -> &mut C {
        if !self.counters.contains_key(&key) {
            self.make_room(now);
        }
        self.counters.entry(key).or_insert_with(make)
    }

    /// Goes through all counters, and forgets those that it says to.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(u64, &mut C) -> bool) {
        self.counters.retain(|key, counter| keep(*key, counter));
    }

    /// Makes room for one counter more. Before the table grows, idle counters go, so that its size
    /// is that of those in use, however many came and went.
    fn make_room(&mut self, now: Timestamp) {
        if self.counters.len() >= MAX_COUNTERS {
            return self.forget_many(now);
        }
        if self.counters.len() < self.counters.capacity() {
            return;
        }
        self.forget_idle(now);
        // Where few were idle it grows all the same: they are not to be looked for every time.
        if self.counters.len() > self.counters.capacity() / 2 {
            self.counters.reserve(self.counters.len());
        }
    }

    fn forget_idle(&mut self, now: Timestamp) {
        self.counters.retain(|_, counter| counter.idle_in(now) != Some(Duration::ZERO));
    }

    /// Forgets the idle counters and, while these are too few, an eighth of all: those that would
    /// be idle soonest. Calls under way are never forgotten.
    fn forget_many(&mut self, now: Timestamp) {
        self.forget_idle(now);
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
    pub(super) fn all(&self) -> impl Iterator<Item = &C> {
        self.counters.values()
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
    use crate::limiter::counter::Counter;
    use kernel::limit::{Limit, LimitMeasure, LimitScope};

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

    fn held(counters: &Counters<Counter>, key: u64, limit: &Limit, now: Timestamp) -> Counter {
        let untouched = || Counter::untouched(limit, now);
        counters.get(key).map_or_else(untouched, |counter| counter.under(limit, now))
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
        let used_up = held(&counters, heavy, &requests, now).take(10);
        counters.put(heavy, used_up, now);
        let under_way = held(&counters, running, &calls, now).take(1);
        counters.put(running, under_way, now);
        for user in 0..3 * MAX_COUNTERS as u64 {
            let once = held(&counters, key(user), &requests, now).take(1);
            counters.put(key(user), once, now);
            assert!(counters.len() <= MAX_COUNTERS);
        }
        assert_eq!(held(&counters, heavy, &requests, now).used(), 10);
        assert_eq!(held(&counters, running, &calls, now).used(), 1);
    }

    #[test]
    fn those_who_came_and_went_hold_no_memory() {
        let requests = limit(LimitMeasure::RequestsPerMinute, 10);
        let mut counters = Counters::default();
        // One a second, each idle again six seconds later.
        for user in 0..10_000_u64 {
            let now = Timestamp::from_secs(i64::try_from(user).unwrap());
            let once = held(&counters, key(user), &requests, now).take(1);
            counters.put(key(user), once, now);
            assert!(counters.counters.capacity() < 64, "{}", counters.counters.capacity());
        }
    }

    #[test]
    fn idle_counters_go_before_all_others() {
        let requests = limit(LimitMeasure::RequestsPerMinute, 10);
        let mut counters = Counters::default();
        let (early, late) = (Timestamp::from_secs(1), Timestamp::from_secs(120));
        for user in 1..MAX_COUNTERS as u64 {
            let once = held(&counters, key(user), &requests, early).take(1);
            counters.put(key(user), once, early);
        }
        for user in 0..2 {
            let fresh = key(1_000_000 + user);
            let once = held(&counters, fresh, &requests, late).take(1);
            counters.put(fresh, once, late);
        }
        assert_eq!(counters.len(), 2);
    }
}
