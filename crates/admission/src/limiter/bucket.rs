//! One token bucket, in whole numbers: it holds `amount` units, and what was taken flows back
//! evenly, a full bucket's worth in one window.
//!
//! What was taken is kept as *debt*, in units × microseconds of the window, so that refilling
//! `amount` for every microsecond is exact for every amount and window.

use std::time::Duration;

use kernel::Timestamp;
use kernel::limit::LimitMeasure;

/// The microseconds in which a bucket of this measure refills; `None` for what is no rate.
pub(super) const fn window(measure: LimitMeasure) -> Option<u64> {
    match measure {
        LimitMeasure::RequestsPerMinute | LimitMeasure::TokensPerMinute => Some(60_000_000),
        LimitMeasure::RequestsPerDay | LimitMeasure::TokensPerDay => Some(86_400_000_000),
        LimitMeasure::ConcurrentCalls => None,
    }
}

/// A bucket. The debt may exceed what the bucket holds: a call may use more than it reserved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bucket {
    debt: u128,
    window: u64,
    amount: u64,
    at: Timestamp,
}

impl Bucket {
    pub(super) const fn full(amount: u64, window: u64, now: Timestamp) -> Self {
        Self { debt: 0, window, amount, at: now }
    }

    /// A bucket that is full in `reset` from now.
    pub(super) fn full_in(reset: Duration, amount: u64, window: u64, now: Timestamp) -> Self {
        let debt = reset.as_micros().saturating_mul(amount.max(1).into());
        Self { debt, window, amount, at: now }
    }

    /// The bucket as it is at `now`. A clock that was set back refills nothing, and refilling goes
    /// on from the new time.
    pub(super) fn refilled(self, now: Timestamp) -> Self {
        let refill = now.since(self.at).as_micros().saturating_mul(self.amount.into());
        Self { debt: self.debt.saturating_sub(refill), at: now, ..self }
    }

    /// The bucket at a later time, as if nothing had flowed back since.
    pub(super) const fn unrefilled(self, now: Timestamp) -> Self {
        Self { at: now, ..self }
    }

    /// The same bucket under another amount: what was taken stays taken.
    pub(super) const fn resized(self, amount: u64) -> Self {
        Self { amount, ..self }
    }

    /// A larger or smaller bucket that is as full as this one.
    pub(super) fn scaled(self, amount: u64) -> Self {
        let (own, other) = (u128::from(self.amount.max(1)), u128::from(amount));
        // In two parts, so that no product is too large.
        let whole = (self.debt / own).saturating_mul(other);
        let debt = whole.saturating_add((self.debt % own) * other / own);
        Self { debt, amount, ..self }
    }

    #[must_use]
    pub(super) fn take(self, units: u64) -> Self {
        Self { debt: self.debt.saturating_add(self.cost(units)), ..self }
    }

    /// Puts units back; never more than were missing.
    #[must_use]
    pub(super) fn put_back(self, units: u64) -> Self {
        Self { debt: self.debt.saturating_sub(self.cost(units)), ..self }
    }

    /// How long until `units` can be taken; zero: now.
    pub(super) fn wait(&self, units: u64) -> Duration {
        let wanted = self.debt.saturating_add(self.cost(units));
        self.time_to_refill(wanted.saturating_sub(self.cost(self.amount)))
    }

    /// How long until the bucket is full.
    pub(super) fn reset(&self) -> Duration {
        self.time_to_refill(self.debt)
    }

    /// Units taken and not yet refilled, begun ones included.
    pub(super) fn used(&self) -> u64 {
        saturate(self.debt.div_ceil(self.window.into()))
    }

    /// Units taken of this bucket beyond what was taken of another with the same window.
    pub(super) fn used_beyond(&self, other: &Self) -> u64 {
        saturate(self.debt.saturating_sub(other.debt).div_ceil(self.window.into()))
    }

    /// Whole units that can be taken now.
    pub(super) fn remaining(&self) -> u64 {
        self.amount.saturating_sub(self.used())
    }

    fn cost(&self, units: u64) -> u128 {
        u128::from(units) * u128::from(self.window)
    }

    fn time_to_refill(&self, debt: u128) -> Duration {
        // An amount of zero refills nothing; then any wait is as good as another.
        Duration::from_micros(saturate(debt.div_ceil(u128::from(self.amount.max(1)))))
    }
}

fn saturate(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: u64 = 60_000_000;

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(i64::try_from(micros).unwrap())
    }

    #[test]
    fn a_bucket_refills_evenly() {
        let bucket = Bucket::full(60, MINUTE, at(0)).take(60);
        assert_eq!((bucket.remaining(), bucket.used()), (0, 60));
        assert_eq!(bucket.wait(1), Duration::from_secs(1));
        assert_eq!(bucket.reset(), Duration::from_secs(60));
        let later = bucket.refilled(at(1_500_000));
        assert_eq!((later.remaining(), later.wait(1)), (1, Duration::ZERO));
        assert_eq!(later.wait(2), Duration::from_millis(500));
    }

    #[test]
    fn a_debt_beyond_the_bucket_is_waited_for() {
        let bucket = Bucket::full(60, MINUTE, at(0)).take(90);
        assert_eq!(bucket.remaining(), 0);
        assert_eq!(bucket.wait(1), Duration::from_secs(31));
    }

    #[test]
    fn a_clock_set_back_neither_refills_nor_stops_refilling() {
        let bucket = Bucket::full(60, MINUTE, at(50_000_000)).take(60);
        let back = bucket.refilled(at(10_000_000));
        assert_eq!(back.remaining(), 0);
        assert_eq!(back.refilled(at(12_000_000)).remaining(), 2);
    }

    #[test]
    fn a_smaller_bucket_is_as_full() {
        let bucket = Bucket::full_in(Duration::from_secs(30), 90, MINUTE, at(0));
        assert_eq!((bucket.used(), bucket.reset()), (45, Duration::from_secs(30)));
        let third = bucket.scaled(30);
        assert_eq!((third.used(), third.reset()), (15, Duration::from_secs(30)));
        assert_eq!(third.take(7).used_beyond(&third), 7);
        assert_eq!(third.used_beyond(&third.take(7)), 0);
        let large = Bucket::full(u64::MAX, MINUTE, at(0)).take(u64::MAX);
        assert_eq!(large.scaled(u64::MAX / 2).remaining(), 0);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let bucket = Bucket::full(u64::MAX, 86_400_000_000, at(0)).take(u64::MAX).take(u64::MAX);
        assert_eq!(bucket.remaining(), 0);
        assert_eq!(bucket.refilled(Timestamp::from_micros(i64::MAX)).remaining(), u64::MAX);
    }

    proptest! {
        /// From any arrival on, no more passes than the bucket holds and what flows back since.
        #[test]
        fn no_stretch_of_time_passes_more_than_amount_and_refill(
            amount in 1u64..50,
            steps in prop::collection::vec((0u64..3_000_000, 1u64..8), 1..200),
        ) {
            let mut bucket = Bucket::full(amount, MINUTE, at(0));
            let mut now = 0;
            let mut passed: Vec<(u64, u64)> = Vec::new();
            for (gap, units) in steps {
                now += gap;
                bucket = bucket.refilled(at(now));
                let wait = bucket.wait(units);
                if wait.is_zero() {
                    bucket = bucket.take(units);
                    passed.push((now, units));
                } else if units <= amount {
                    // The wait is honest: enough then, and not a microsecond before.
                    let then = now + u64::try_from(wait.as_micros()).unwrap();
                    prop_assert!(bucket.refilled(at(then)).wait(units).is_zero());
                    prop_assert!(!bucket.refilled(at(then - 1)).wait(units).is_zero());
                }
            }
            for (index, (start, _)) in passed.iter().enumerate() {
                let mut sum = 0u128;
                for (end, units) in &passed[index..] {
                    sum += u128::from(*units) * u128::from(MINUTE);
                    let bound = u128::from(amount) * u128::from(MINUTE + (end - start));
                    prop_assert!(sum <= bound);
                }
            }
        }

        #[test]
        fn putting_back_never_fills_beyond_the_amount(
            amount in 1u64..1_000,
            taken in 0u64..2_000,
            put_back in 0u64..5_000,
            elapsed in 0u64..120_000_000,
        ) {
            let bucket = Bucket::full(amount, MINUTE, at(0)).take(taken);
            let after = bucket.refilled(at(elapsed)).put_back(put_back);
            prop_assert!(after.remaining() <= amount);
            prop_assert!(after.wait(amount + 1) > Duration::ZERO);
        }
    }
}
