//! Samples: what the node holds, and how fast it answers, at one moment of the run.

use std::fmt::Write;
use std::time::Duration;

use super::node::Disk;
use crate::harness::process::Holdings;
use crate::harness::statistics::percentile;

/// How many samples a run has, if that makes them no closer than [`CLOSEST`].
const SAMPLES: u32 = 360;
const CLOSEST: Duration = Duration::from_millis(500);

/// One of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    /// Since the start.
    pub(super) seconds: f64,
    pub(super) holdings: Holdings,
    /// Of plain calls that ended since the sample before; `None` if there were none.
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    /// Of all kinds, since the sample before.
    pub(super) calls_per_s: f64,
    pub(super) disk: Disk,
}

/// The time between two samples.
pub(super) fn period(time: Duration) -> Duration {
    (time / SAMPLES).max(CLOSEST)
}

impl Sample {
    /// Puts the latencies in, which are sorted.
    pub(super) fn with_latencies(mut self, latencies: &[f64]) -> Self {
        self.p50_ms = percentile(latencies, 50);
        self.p99_ms = percentile(latencies, 99);
        self
    }
}

/// All samples, a line for each.
pub(super) fn csv(samples: &[Sample]) -> String {
    let mut text = String::from(
        "seconds,resident_bytes,anonymous_bytes,handles,threads,p50_ms,p99_ms,calls_per_s,\
         data_bytes,journal_bytes,database_bytes\n",
    );
    let number = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.3}"));
    for sample in samples {
        let Sample { seconds, holdings, p50_ms, p99_ms, calls_per_s, disk } = sample;
        let _ = writeln!(
            text,
            "{seconds:.1},{},{},{},{},{},{},{calls_per_s:.1},{},{},{}",
            holdings.resident_bytes,
            holdings.anonymous_bytes,
            holdings.handles,
            holdings.threads,
            number(*p50_ms),
            number(*p99_ms),
            disk.data,
            disk.journal,
            disk.database,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_a_few_hundred_samples() {
        let minutes = |minutes: u64| period(Duration::from_secs(60 * minutes));
        assert_eq!(minutes(1), CLOSEST);
        assert_eq!(minutes(60), Duration::from_secs(10));
    }

    #[test]
    fn a_line_has_every_column() {
        let disk = Disk { data: 30, journal: 10, database: 20 };
        let sample = Sample { seconds: 1.25, calls_per_s: 150.0, disk, ..Sample::default() };
        let text = csv(&[sample, sample.with_latencies(&[1.0, 2.0, 3.0])]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "1.2,0,0,0,0,,,150.0,30,10,20");
        assert_eq!(lines[2], "1.2,0,0,0,0,2.000,3.000,150.0,30,10,20");
        assert_eq!(lines[0].split(',').count(), lines[2].split(',').count());
    }
}
