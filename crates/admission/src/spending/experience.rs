//! What calls of each model cost in comparison with what was thought before: an estimate that was
//! too small is not believed twice.

use std::collections::HashMap;

use kernel::Money;

/// No call is thought to cost more than this many times its estimate.
const WORST: i64 = 20;

/// One, in the thousandths that ratios are counted in.
const ONE: i64 = 1_000;

/// How fast a bad ratio is forgotten: with every call that is no worse, by this part of it.
const FORGOTTEN: i64 = 64;

/// Models that are remembered. Names are those of aliases, so there are hardly ever as many.
const MOST_MODELS: usize = 10_000;

/// What a call may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Expected {
    /// What it will hardly cost less than.
    pub(super) least: i64,
    /// What it will hardly cost more than. The same as `least` for a model that is known.
    pub(super) most: i64,
}

/// The largest ratios of cost to estimate lately, by model alias.
#[derive(Debug, Default)]
pub(super) struct Experience(HashMap<String, i64>);

impl Experience {
    /// What a call with this estimate may cost.
    pub(super) fn expect(&self, model: &str, estimate: Money) -> Expected {
        // A call that may cost something must find something left.
        let estimate = estimate.as_nanos().max(1);
        match self.0.get(model) {
            Some(ratio) => {
                let cost = times(estimate, *ratio);
                Expected { least: cost, most: cost }
            }
            None => Expected { least: estimate, most: times(estimate, WORST * ONE) },
        }
    }

    /// A call is over. One that cost nothing tells nothing: it may have failed.
    pub(super) fn learn(&mut self, model: &str, estimate: Money, cost: Money) {
        if cost <= Money::ZERO {
            return;
        }
        let ratio = i128::from(cost.as_nanos()) * i128::from(ONE);
        let ratio = ratio / i128::from(estimate.as_nanos().max(1));
        let ratio = i64::try_from(ratio).unwrap_or(i64::MAX).clamp(ONE, WORST * ONE);
        if let Some(known) = self.0.get_mut(model) {
            *known = ratio.max(*known - (*known - ONE) / FORGOTTEN);
            return;
        }
        if self.0.len() >= MOST_MODELS {
            self.0.clear();
        }
        self.0.insert(model.to_owned(), ratio);
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
        let expected = experience.expect("m", Money::from_nanos(estimate));
        (expected.least, expected.most)
    }

    #[test]
    fn a_model_that_is_not_known_may_cost_much_more() {
        let mut experience = Experience::default();
        assert_eq!(expect(&experience, 10), (10, 200));
        assert_eq!(expect(&experience, 0), (1, 20));
        assert_eq!(expect(&experience, i64::MAX), (i64::MAX, i64::MAX));
        experience.learn("m", Money::from_nanos(10), Money::ZERO);
        assert_eq!(expect(&experience, 10), (10, 200));
        experience.learn("m", Money::from_nanos(10), Money::from_nanos(3));
        assert_eq!(expect(&experience, 10), (10, 10));
        assert_eq!(experience.expect("other", Money::from_nanos(10)).most, 200);
    }

    #[test]
    fn the_largest_ratio_counts_and_is_forgotten_slowly() {
        let mut experience = Experience::default();
        let mut learn = |cost| {
            experience.learn("m", Money::from_nanos(1_000), Money::from_nanos(cost));
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
