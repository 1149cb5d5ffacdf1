//! The rule by which a figure is flat: the median of the run's last sixth is not above the median
//! of its second sixth by more than is allowed. The first sixth is warm-up. A median of many
//! samples does not see one spike; two of them, so far apart, see what creeps. Where neighbours on
//! the machine disturb for minutes, as they do latency, it is the lower quartile instead: they
//! leave some samples alone, and a node that becomes slower leaves none.

use crate::harness::statistics::percentile;

/// The run in so many parts.
const PARTS: usize = 6;
/// Fewer samples in a part say nothing.
const FEWEST: usize = 3;

/// Which sample stands for its part, so many of a hundred being at most that.
pub(super) const MEDIAN: usize = 50;
pub(super) const LOWER_QUARTILE: usize = 25;

/// How much a figure may grow: by a share of itself, and by a little more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    pub(super) of: usize,
    pub(super) share: f64,
    pub(super) more: f64,
}

/// What the rule says of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Verdict {
    /// Of the second sixth, and of the last.
    pub(super) early: f64,
    pub(super) late: f64,
    /// The most that `late` may be.
    pub(super) most: f64,
}

impl Verdict {
    /// Judges the samples of a figure; `None` where there are too few.
    pub(super) fn of(samples: &[f64], allowance: Allowance) -> Option<Self> {
        if samples.len() < PARTS * FEWEST {
            return None;
        }
        let of = |number| {
            let mut sorted = part(samples, number)?.to_vec();
            sorted.sort_unstable_by(f64::total_cmp);
            percentile(&sorted, allowance.of)
        };
        let (early, late) = (of(1)?, of(PARTS - 1)?);
        let most = early * (1.0 + allowance.share) + allowance.more;
        Some(Self { early, late, most })
    }

    pub(super) fn is_flat(self) -> bool {
        self.late <= self.most
    }
}

/// One of the parts, counted from 0.
pub(super) fn part<T>(samples: &[T], number: usize) -> Option<&[T]> {
    let at = |number: usize| samples.len() * number / PARTS;
    samples.get(at(number)..at(number + 1)).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A_TENTH: Allowance = Allowance { of: MEDIAN, share: 0.1, more: 4.0 };

    fn verdict(figure: impl Fn(usize) -> f64) -> Verdict {
        let samples: Vec<f64> = (0..360).map(figure).collect();
        Verdict::of(&samples, A_TENTH).unwrap()
    }

    #[test]
    fn what_stays_is_flat_whatever_the_warm_up_did() {
        let verdict = verdict(|at| if at < 60 { at as f64 } else { 100.0 });
        assert_eq!((verdict.early, verdict.late), (100.0, 100.0));
        assert!((verdict.most - 114.0).abs() < 1e-9);
        assert!(verdict.is_flat());
    }

    #[test]
    fn what_creeps_is_not() {
        assert!(verdict(|at| 100.0 + at as f64 / 30.0).is_flat());
        assert!(!verdict(|at| 100.0 + at as f64 / 15.0).is_flat());
    }

    #[test]
    fn spikes_are_forgiven_and_steps_are_not() {
        assert!(verdict(|at| if at % 3 == 0 { 900.0 } else { 100.0 }).is_flat());
        assert!(!verdict(|at| if at < 200 { 100.0 } else { 120.0 }).is_flat());
    }

    #[test]
    fn the_lower_quartile_forgives_a_neighbour_of_minutes_and_no_slowness() {
        let allowance = Allowance { of: LOWER_QUARTILE, share: 0.5, more: 1.0 };
        let is_flat = |figure: fn(usize) -> f64| {
            let samples: Vec<f64> = (0..360).map(figure).collect();
            Verdict::of(&samples, allowance).unwrap().is_flat()
        };
        assert!(is_flat(|at| if (310..350).contains(&at) { 90.0 } else { 2.0 }));
        assert!(!is_flat(|at| if at < 200 { 2.0 } else { 4.1 }));
    }

    #[test]
    fn too_few_samples_have_no_verdict() {
        assert_eq!(Verdict::of(&[1.0; 17], A_TENTH), None);
        assert!(Verdict::of(&[1.0; 18], A_TENTH).is_some());
    }
}
