//! A node's part of a limit on concurrent calls: places held of the shared ones.

use std::time::Duration;

use super::terms::Terms;
use crate::limiter::counter::ASK_AGAIN;
use crate::shared::{Held, Hold, SharedKey};

/// Places of one limit.
#[derive(Debug)]
pub(super) struct Places {
    amount: u64,
    /// Calls under way on this node. More than it holds only while the place is lost.
    running: u64,
    /// Held of the shared places.
    held: u64,
    /// What the other nodes held when last heard.
    others: u64,
}

impl Places {
    pub(super) fn new(amount: u64) -> Self {
        Self { amount, running: 0, held: 0, others: 0 }
    }

    pub(super) fn refresh(&mut self, amount: u64) {
        self.amount = amount;
    }

    /// How many places are still to be asked for, for this many calls more.
    pub(super) fn short(&self, calls: u64) -> u64 {
        self.running.saturating_add(calls).saturating_sub(self.held)
    }

    /// How long until this node's own share has a place for this many calls more.
    pub(super) fn wait_alone(&self, calls: u64, terms: &Terms) -> Duration {
        let fits = self.running.saturating_add(calls) <= terms.share(self.amount).max(calls);
        if fits { Duration::ZERO } else { ASK_AGAIN }
    }

    pub(super) fn take(&mut self, calls: u64) {
        self.running = self.running.saturating_add(calls);
    }

    pub(super) fn put_back(&mut self, calls: u64) {
        self.running = self.running.saturating_sub(calls);
    }

    /// Places held and not in use.
    pub(super) fn spare(&self) -> u64 {
        self.held.saturating_sub(self.running)
    }

    /// Whether the place does not know of all calls under way.
    pub(super) fn owes(&self) -> bool {
        self.running > self.held
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_empty(&self) -> bool {
        self.running == 0 && self.held == 0
    }

    /// Calls under way on all nodes, as far as was heard.
    pub(super) fn used(&self) -> u64 {
        self.others.saturating_add(self.running)
    }

    /// Says what is held and asks for what is missing for `calls` more, or nothing; welcome are so
    /// many that `wanted` calls have a place.
    pub(super) fn ask(&mut self, key: SharedKey, calls: u64, wanted: u64) -> Hold {
        self.keep(wanted);
        let at_least = self.short(calls);
        let want = wanted.saturating_sub(self.spare()).max(at_least);
        Hold { key, amount: self.amount, held: self.held, want, at_least }
    }

    /// Says what is held: what is in use, and `spare` more at most. The others are free at once.
    pub(super) fn state(&mut self, key: SharedKey, spare: u64) -> Hold {
        self.keep(spare);
        Hold { key, amount: self.amount, held: self.held, want: 0, at_least: 0 }
    }

    pub(super) fn held(&mut self, held: &Held) {
        self.held = self.held.saturating_add(held.granted);
        self.others = held.total.saturating_sub(self.held);
    }

    fn keep(&mut self, spare: u64) {
        self.held = self.held.clamp(self.running, self.running.saturating_add(spare));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::SharedSecret;
    use kernel::Timestamp;

    fn key() -> SharedKey {
        SharedSecret::new(&[0; 32]).key(["a"])
    }

    fn held(granted: u64, total: u64) -> Held {
        Held { granted, total, holders: 1 }
    }

    #[test]
    fn places_are_held_while_calls_run_and_given_back() {
        let mut places = Places::new(100);
        assert_eq!(places.short(1), 1);
        let hold = places.ask(key(), 1, 3);
        assert_eq!((hold.held, hold.want, hold.at_least), (0, 3, 1));
        places.held(&held(3, 7));
        places.take(1);
        assert_eq!((places.short(2), places.spare(), places.used()), (0, 2, 5));
        assert_eq!(places.state(key(), 1).held, 2);
        assert_eq!(places.short(2), 1);
        places.put_back(1);
        assert_eq!(places.state(key(), 0).held, 0);
        assert!(places.is_empty());
    }

    #[test]
    fn alone_a_node_has_its_share_and_says_so_when_the_place_is_back() {
        let mut places = Places::new(10);
        let terms = Terms { now: Timestamp::default(), nodes: 3, percent: 100, lost: true };
        for _ in 0..3 {
            assert_eq!(places.wait_alone(1, &terms), Duration::ZERO);
            places.take(1);
        }
        assert_eq!(places.wait_alone(1, &terms), ASK_AGAIN);
        assert!(places.owes());
        let hold = places.ask(key(), 1, 1);
        assert_eq!((hold.held, hold.want, hold.at_least), (3, 1, 1));
    }
}
