//! How often values fell into which range. Counting is a few atomic additions.

use std::sync::atomic::{AtomicU64, Ordering};

/// The upper bounds of a histogram's ranges. Values are whole numbers of a small unit, so that
/// they can be added up atomically.
#[derive(Debug)]
pub(crate) struct Scale {
    /// In the small unit, rising; what is above the last has a range of its own.
    bounds: &'static [u64],
    /// How many small units make the one that is told.
    per_unit: f64,
}

/// Durations of whole calls, in microseconds. These bounds and those below are the ones that
/// OpenTelemetry's conventions for generative AI ask for.
pub(crate) static DURATION: Scale = Scale {
    bounds: &[
        10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 640_000, 1_280_000, 2_560_000, 5_120_000,
        10_240_000, 20_480_000, 40_960_000, 81_920_000,
    ],
    per_unit: 1e6,
};

/// Times to the first token, in microseconds.
pub(crate) static FIRST_TOKEN: Scale = Scale {
    bounds: &[
        1_000, 5_000, 10_000, 20_000, 40_000, 60_000, 80_000, 100_000, 250_000, 500_000, 750_000,
        1_000_000, 2_500_000, 5_000_000, 7_500_000, 10_000_000,
    ],
    per_unit: 1e6,
};

/// Times per token, in microseconds.
pub(crate) static PER_TOKEN: Scale = Scale {
    bounds: &[
        10_000, 25_000, 50_000, 75_000, 100_000, 150_000, 200_000, 300_000, 400_000, 500_000,
        750_000, 1_000_000, 2_500_000,
    ],
    per_unit: 1e6,
};

/// Tokens.
pub(crate) static TOKENS: Scale = Scale {
    bounds: &[
        1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216,
        67_108_864,
    ],
    per_unit: 1.0,
};

impl Scale {
    /// The upper bounds, in the unit that is told.
    pub(crate) fn bounds(&self) -> impl Iterator<Item = f64> {
        self.bounds.iter().map(|bound| *bound as f64 / self.per_unit)
    }
}

/// A histogram that many threads count into.
#[derive(Debug)]
pub(crate) struct Histogram {
    scale: &'static Scale,
    /// One for each bound, and one for what is above all.
    ranges: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// An empty one.
    pub(crate) fn new(scale: &'static Scale) -> Self {
        let ranges = (0..=scale.bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { scale, ranges, sum: AtomicU64::new(0) }
    }

    /// Counts one value.
    pub(crate) fn observe(&self, value: u64) {
        let range = self.scale.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.ranges.get(range) {
            count.fetch_add(1, Ordering::Relaxed);
            self.sum.fetch_add(value, Ordering::Relaxed);
        }
    }

    /// What was counted so far; `None` if nothing was. A value that is counted at this very moment
    /// may be in the ranges and not yet in the sum.
    pub(crate) fn read(&self) -> Option<Counted> {
        let counts: Vec<u64> =
            self.ranges.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let some = counts.iter().any(|count| *count > 0);
        some.then(|| Counted { scale: self.scale, counts, sum: self.sum() })
    }

    /// What all values add up to, in the unit that is told.
    pub(crate) fn sum(&self) -> f64 {
        self.sum.load(Ordering::Relaxed) as f64 / self.scale.per_unit
    }
}

/// What a histogram had counted at one moment.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) scale: &'static Scale,
    /// One count for each bound, and one for what is above all; none includes another.
    pub(crate) counts: Vec<u64>,
    /// Of all values, in the unit that is told.
    pub(crate) sum: f64,
}

impl Counted {
    /// How many values there were.
    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_is_within_it() {
        let histogram = Histogram::new(&TOKENS);
        assert!(histogram.read().is_none());
        for value in [0, 1, 2, 4, 5, 67_108_864, 67_108_865] {
            histogram.observe(value);
        }
        let counted = histogram.read().unwrap();
        assert_eq!(counted.counts[..3], [2, 2, 1]);
        assert_eq!(counted.counts[13..], [1, 1]);
        assert_eq!((counted.total(), counted.sum), (7, 134_217_741.0));
    }

    #[test]
    fn bounds_rise_and_read_as_people_write_them() {
        for scale in [&DURATION, &FIRST_TOKEN, &PER_TOKEN, &TOKENS] {
            assert!(scale.bounds.is_sorted());
        }
        let written: Vec<_> = DURATION.bounds().map(|bound| format!("{bound:?}")).collect();
        assert_eq!((written[0].as_str(), written[13].as_str()), ("0.01", "81.92"));
    }
}
