//! What each project's calls of each model cost in comparison with what was thought before: an
//! estimate that was too small is not believed twice. What others do counts for nobody.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use kernel::Money;

use crate::Subject;

/// No call is thought to cost more than this many times its estimate.
const WORST: i64 = 20;

/// One, in the thousandths that ratios are counted in.
const ONE: i64 = 1_000;

/// How fast a bad ratio is forgotten: with every call that is no worse, by this part of it.
const FORGOTTEN: i64 = 64;

/// Kinds of calls that are remembered: some two megabytes.
const MOST_KINDS: usize = 65_536;

/// Calls of one project and one model alias.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Kind(u64);

/// What a call may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Expected {
    /// What it will hardly cost less than.
    pub(super) least: i64,
    /// What it will hardly cost more than. The same as `least` for a kind that is known.
    pub(super) most: i64,
}

/// The largest ratios of cost to estimate lately.
#[derive(Debug, Default)]
pub(super) struct Experience {
    ratios: HashMap<Kind, i64>,
    keys: RandomState,
}

impl Experience {
    pub(super) fn kind(&self, subject: &Subject<'_>) -> Kind {
        Kind(self.keys.hash_one((subject.project.as_str(), subject.model)))
    }

    /// What a call with this estimate may cost.
    pub(super) fn expect(&self, kind: Kind, estimate: Money) -> Expected {
        // A call that may cost something must find something left.
        let estimate = estimate.as_nanos().max(1);
        match self.ratios.get(&kind) {
            Some(ratio) => {
                let cost = times(estimate, *ratio);
                Expected { least: cost, most: cost }
            }
            None => Expected { least: estimate, most: times(estimate, WORST * ONE) },
        }
    }

    /// A call is over. One that cost nothing tells nothing: it may have failed.
    pub(super) fn learn(&mut self, kind: Kind, estimate: Money, cost: Money) {
        if cost <= Money::ZERO {
            return;
        }
        let ratio = i128::from(cost.as_nanos()) * i128::from(ONE);
        let ratio = ratio / i128::from(estimate.as_nanos().max(1));
        let ratio = i64::try_from(ratio).unwrap_or(i64::MAX).clamp(ONE, WORST * ONE);
        if let Some(known) = self.ratios.get_mut(&kind) {
            *known = ratio.max(*known - (*known - ONE) / FORGOTTEN);
            return;
        }
        if self.ratios.len() >= MOST_KINDS {
            self.ratios.clear();
        }
        self.ratios.insert(kind, ratio);
    }
}

/// Rounded up.
fn times(amount: i64, ratio: i64) -> i64 {
    let product = i128::from(amount) * i128::from(ratio) + i128::from(ONE - 1);
    i64::try_from(product / i128::from(ONE)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expect(experience: &Experience, estimate: i64) -> (i64, i64) {
        let expected = experience.expect(Kind(1), Money::from_nanos(estimate));
        (expected.least, expected.most)
    }

    #[test]
    fn a_model_that_is_not_known_may_cost_much_more() {
        let mut experience = Experience::default();
        assert_eq!(expect(&experience, 10), (10, 200));
        assert_eq!(expect(&experience, 0), (1, 20));
        assert_eq!(expect(&experience, i64::MAX), (i64::MAX, i64::MAX));
        experience.learn(Kind(1), Money::from_nanos(10), Money::ZERO);
        assert_eq!(expect(&experience, 10), (10, 200));
        experience.learn(Kind(1), Money::from_nanos(10), Money::from_nanos(3));
        assert_eq!(expect(&experience, 10), (10, 10));
        assert_eq!(experience.expect(Kind(2), Money::from_nanos(10)).most, 200);
    }

    #[test]
    fn the_largest_ratio_counts_and_is_forgotten_slowly() {
        let mut experience = Experience::default();
        let mut learn = |cost| {
            experience.learn(Kind(1), Money::from_nanos(1_000), Money::from_nanos(cost));
            expect(&experience, 1_000).0
        };
        assert_eq!(learn(5_000), 5_000);
        let next = learn(1_000);
        assert!((4_500..5_000).contains(&next), "{next}");
        assert_eq!(learn(1_000_000), 20_000);
        let after: Vec<i64> = (0..500).map(|_| learn(500)).collect();
        assert!(after.is_sorted_by(|a, b| a >= b));
        assert!(after[499] < 1_100, "{}", after[499]);
    }
}
