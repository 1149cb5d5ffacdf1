//! A node's part of a shared bucket: units drawn from it and not spent yet.
//!
//! While the place of the bucket is lost, the node goes on with a bucket of its own share, exactly
//! as full as the shared one was when it was last heard: what flowed back to it since then, the
//! other nodes may have drawn. All nodes' buckets together are then the shared one again, however
//! unevenly it was used before. When the place is back, what was taken of the own bucket and has
//! not flowed back yet is charged to the shared one, once.

use std::time::Duration;

use kernel::Timestamp;

use super::terms::Terms;
use crate::limiter::bucket::Bucket;
use crate::shared::{Draw, Drawn, Heard, SharedKey};

/// Units of one bucket.
#[derive(Debug)]
pub(super) struct Units {
    amount: u64,
    window: u64,
    /// The shared bucket, as it was last heard.
    last: Bucket,
    /// The same, as it has refilled since.
    bucket: Bucket,
    heard: Heard,
    /// Drawn and not spent; below zero: spent and not drawn yet.
    balance: i64,
    /// Since the place was lost.
    alone: Option<Box<Alone>>,
}

/// A node's own bucket.
#[derive(Debug)]
struct Alone {
    bucket: Bucket,
    /// What it would be if nothing had been taken of it.
    untouched: Bucket,
}

impl Units {
    pub(super) fn new(amount: u64, window: u64, now: Timestamp) -> Self {
        Self {
            amount,
            window,
            last: Bucket::full(amount, window, now),
            bucket: Bucket::full(amount, window, now),
            heard: Heard::default(),
            balance: 0,
            alone: None,
        }
    }

    /// As it is now, under the limit's present amount.
    pub(super) fn refresh(&mut self, amount: u64, terms: &Terms) {
        let share = terms.share(amount);
        self.amount = amount;
        self.bucket = self.bucket.refilled(terms.now).resized(amount);
        match &mut self.alone {
            Some(alone) => {
                alone.bucket = alone.bucket.refilled(terms.now).resized(share);
                alone.untouched = alone.untouched.refilled(terms.now).resized(share);
            }
            None if terms.lost => {
                let is_full = self.bucket.reset() == Duration::ZERO;
                let last = self.last.resized(amount).unrefilled(terms.now);
                let untouched = if is_full { self.bucket } else { last }.scaled(share);
                let bucket = untouched.take(self.owed());
                self.balance = self.balance.max(0);
                self.alone = Some(Box::new(Alone { bucket, untouched }));
            }
            None => {}
        }
    }

    /// How many of these units are still to be drawn.
    pub(super) fn short(&self, units: u64) -> u64 {
        let missing = i128::from(units) - i128::from(self.balance);
        u64::try_from(missing.max(0)).unwrap_or(u64::MAX)
    }

    /// How long until the shared bucket has what is missing, by what was last heard.
    pub(super) fn wait(&self, units: u64) -> Duration {
        self.bucket.wait(self.short(units).min(self.amount))
    }

    /// How long until this node's own share allows these units. What is more than the whole share
    /// passes when all of it is there, and is owed: else it would never pass.
    pub(super) fn wait_alone(&self, units: u64, terms: &Terms) -> Duration {
        let short = self.short(units).min(terms.share(self.amount));
        match &self.alone {
            Some(alone) if short > 0 => alone.bucket.wait(short),
            _ => Duration::ZERO,
        }
    }

    pub(super) fn take(&mut self, units: u64) {
        match &mut self.alone {
            Some(alone) => {
                let drawn = u64::try_from(self.balance).unwrap_or(0).min(units);
                self.balance = self.balance.saturating_sub(signed(drawn));
                alone.bucket = alone.bucket.take(units - drawn);
            }
            None => self.balance = self.balance.saturating_sub(signed(units)),
        }
    }

    pub(super) fn put_back(&mut self, units: u64) {
        match &mut self.alone {
            Some(alone) => alone.bucket = alone.bucket.put_back(units),
            None => self.balance = self.balance.saturating_add(signed(units)),
        }
    }

    /// Units at hand.
    pub(super) fn spare(&self) -> u64 {
        u64::try_from(self.balance).unwrap_or(0)
    }

    /// Whether the shared bucket does not know of all that was spent.
    pub(super) fn owes(&self) -> bool {
        self.balance < 0 || self.alone.is_some()
    }

    /// Whether nothing is lost when this is forgotten.
    pub(super) fn is_full(&self) -> bool {
        self.balance == 0 && self.alone.is_none() && self.bucket.reset() == Duration::ZERO
    }

    /// How long until it is.
    pub(super) fn full_in(&self, now: Timestamp) -> Duration {
        let alone = self.alone.as_ref().map(|alone| alone.bucket.refilled(now).reset());
        self.bucket.refilled(now).reset().max(alone.unwrap_or_default())
    }

    /// How many units could be taken, and how long until all of them can be.
    pub(super) fn left(&self) -> (u64, Duration) {
        let bucket = self.alone.as_ref().map_or(&self.bucket, |alone| &alone.bucket);
        let remaining = bucket.remaining().saturating_add(self.spare()).min(self.amount);
        (remaining, bucket.reset())
    }

    /// A draw that makes up for what is owed, and brings what is missing of `units`, or nothing;
    /// welcome is so much that `wanted` are at hand.
    pub(super) fn draw(&mut self, key: SharedKey, units: u64, wanted: u64) -> Draw {
        self.back_from_alone();
        let charge = signed(self.owed());
        self.balance = self.balance.max(0);
        let at_least = self.short(units);
        let want = wanted.saturating_sub(self.spare()).max(at_least);
        self.ask(key, charge, want, at_least)
    }

    /// A draw that makes up for what is owed, or gives back all at hand but `keep`.
    pub(super) fn give_back(&mut self, key: SharedKey, keep: u64) -> Draw {
        self.back_from_alone();
        let over = self.balance.min(0).saturating_add(signed(self.spare().saturating_sub(keep)));
        self.balance = self.balance.saturating_sub(over);
        self.ask(key, over.saturating_neg(), 0, 0)
    }

    pub(super) fn drawn(&mut self, drawn: &Drawn, now: Timestamp) {
        self.balance = self.balance.saturating_add(signed(drawn.granted));
        self.last = Bucket::full_in(drawn.reset, self.amount, self.window, now);
        self.bucket = self.last;
        self.heard = drawn.heard;
    }

    /// What was to be charged is still owed; charged twice is better than never. What was to go
    /// back may have arrived, so it is gone.
    pub(super) fn not_drawn(&mut self, draw: &Draw) {
        self.balance = self.balance.saturating_sub(draw.charge.max(0));
    }

    fn ask(&self, key: SharedKey, charge: i64, want: u64, at_least: u64) -> Draw {
        let (amount, window, heard) = (self.amount, self.window, self.heard);
        Draw { key, amount, window, charge, want, at_least, heard }
    }

    fn owed(&self) -> u64 {
        self.balance.min(0).unsigned_abs()
    }

    /// Turns what was taken of the own bucket, and is not refilled yet, into what is owed.
    fn back_from_alone(&mut self) {
        if let Some(alone) = self.alone.take() {
            let taken = signed(alone.bucket.used_beyond(&alone.untouched));
            self.balance = self.balance.saturating_sub(taken);
        }
    }
}

fn signed(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::SharedSecret;

    const MINUTE: u64 = 60_000_000;

    fn terms(secs: i64, lost: bool) -> Terms {
        Terms { now: Timestamp::from_secs(secs), nodes: 3, percent: 100, lost }
    }

    fn key() -> SharedKey {
        SharedSecret::new(&[0; 32]).key(["a"])
    }

    fn granted(granted: u64, reset: u64) -> Drawn {
        Drawn { granted, reset: Duration::from_secs(reset), heard: Heard { born: 1, full_at: 2 } }
    }

    /// Of 600 a minute, 10 at hand, and a shared bucket that is half empty.
    fn units() -> Units {
        let mut units = Units::new(600, MINUTE, Timestamp::default());
        units.refresh(600, &terms(0, false));
        let draw = units.draw(key(), 1, 11);
        assert_eq!((draw.charge, draw.want, draw.at_least), (0, 11, 1));
        units.drawn(&granted(11, 30), Timestamp::default());
        units.take(1);
        units
    }

    #[test]
    fn drawn_units_are_spent_and_missed() {
        let mut units = units();
        assert_eq!((units.spare(), units.short(10), units.short(12)), (10, 0, 2));
        assert_eq!(units.left(), (310, Duration::from_secs(30)));
        assert_eq!(units.wait(310), Duration::ZERO);
        assert_eq!(units.wait(320), Duration::from_secs(1));
        units.take(14);
        assert!(units.owes());
        let draw = units.draw(key(), 5, 20);
        assert_eq!((draw.charge, draw.want, draw.at_least), (4, 20, 5));
        assert_eq!(draw.heard, Heard { born: 1, full_at: 2 });
    }

    #[test]
    fn what_is_too_much_at_hand_goes_back_once() {
        let mut units = units();
        units.put_back(90);
        let draw = units.give_back(key(), 10);
        assert_eq!((draw.charge, draw.want), (-90, 0));
        units.not_drawn(&draw);
        assert_eq!((units.spare(), units.owes()), (10, false));
    }

    #[test]
    fn a_charge_that_failed_is_still_owed() {
        let mut units = units();
        units.take(15);
        let draw = units.draw(key(), 1, 1);
        assert_eq!(draw.charge, 5);
        units.not_drawn(&draw);
        assert_eq!(units.draw(key(), 1, 1).charge, 5);
    }

    #[test]
    fn alone_a_node_has_its_share_of_what_was_left() {
        let mut units = units();
        units.refresh(600, &terms(0, true));
        // 10 at hand, and a third of the 300 that were left.
        assert_eq!(units.left().0, 110);
        assert_eq!(units.wait_alone(110, &terms(0, true)), Duration::ZERO);
        units.take(110);
        assert_eq!(units.wait_alone(1, &terms(0, true)), Duration::from_millis(300));
        // Its share comes back a third as fast.
        units.refresh(600, &terms(6, true));
        assert_eq!(units.left().0, 20);
    }

    #[test]
    fn what_flowed_back_unheard_is_left_to_the_others_unless_it_is_all() {
        let mut late = units();
        late.refresh(600, &terms(20, true));
        assert_eq!(late.left().0, 110);
        assert_eq!(late.draw(key(), 0, 0).charge, 0, "it was not taken either");
        let mut full = units();
        full.refresh(600, &terms(31, true));
        assert_eq!(full.left().0, 210);
    }

    #[test]
    fn what_was_taken_alone_is_charged_once_and_only_as_far_as_it_counts() {
        let mut units = units();
        units.refresh(600, &terms(0, true));
        units.take(110);
        units.put_back(20);
        units.refresh(600, &terms(3, false));
        assert!(units.owes());
        assert_eq!(units.draw(key(), 0, 0).charge, 80);
        units.drawn(&granted(0, 40), Timestamp::from_secs(3));
        assert!(!units.owes());
        assert_eq!(units.draw(key(), 0, 0).charge, 0);

        // After two minutes without calls, nothing of it is left to charge.
        units.refresh(600, &terms(4, true));
        units.take(50);
        units.refresh(600, &terms(124, false));
        assert_eq!(units.draw(key(), 0, 0).charge, 0);
    }

    #[test]
    fn a_return_that_fails_keeps_the_debt() {
        let mut units = units();
        units.refresh(600, &terms(0, true));
        units.take(60);
        units.refresh(600, &terms(0, false));
        let draw = units.draw(key(), 1, 1);
        assert_eq!(draw.charge, 50);
        units.not_drawn(&draw);
        units.refresh(600, &terms(0, true));
        assert_eq!(units.left().0, 50);
    }

    #[test]
    fn a_call_larger_than_the_share_passes_when_all_of_it_is_there() {
        let mut units = Units::new(600, MINUTE, Timestamp::default());
        let lost = terms(0, true);
        units.refresh(600, &lost);
        assert_eq!(units.wait_alone(500, &lost), Duration::ZERO);
        units.take(500);
        units.refresh(600, &terms(0, true));
        assert_eq!(units.wait_alone(500, &lost), Duration::from_secs(150));
    }
}
