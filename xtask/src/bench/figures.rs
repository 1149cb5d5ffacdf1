//! What is measured of a target.

use super::load::Report;
use super::target::Kind;

/// One kind of load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) connections: usize,
    pub(super) stream: bool,
    /// Calls per second; without it, as many as are answered.
    pub(super) rate: Option<u32>,
}

/// Every load, in the order of [`Target::loads`].
pub(super) const CASES: [Case; 5] = [
    Case { connections: 32, stream: false, rate: None },
    Case { connections: 32, stream: true, rate: None },
    Case { connections: 1, stream: false, rate: None },
    Case { connections: 1, stream: true, rate: None },
    // All targets at the same rate, which each of them holds.
    Case { connections: 32, stream: false, rate: Some(5_000) },
];

/// The figures of one target.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) kind: Kind,
    /// One per case.
    pub(super) loads: [Load; CASES.len()],
    pub(super) idle_mb: Vec<f64>,
    pub(super) busy_mb: Vec<f64>,
    pub(super) start_s: Vec<f64>,
    /// Of a stream; infinite where it never arrived.
    pub(super) hang_up_stream_s: Vec<f64>,
    pub(super) hang_up_whole_s: Vec<f64>,
    pub(super) errors: u64,
    pub(super) first_error: Option<String>,
}

/// The figures of one target under one load, each with a value per round.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) calls_per_s: Vec<f64>,
    pub(super) p50_ms: Vec<f64>,
    pub(super) p99_ms: Vec<f64>,
    /// Of the gateway, per call; nothing for the mock itself.
    pub(super) cpu_ms: Vec<f64>,
}

impl Target {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            loads: Default::default(),
            idle_mb: Vec::new(),
            busy_mb: Vec::new(),
            start_s: Vec::new(),
            hang_up_stream_s: Vec::new(),
            hang_up_whole_s: Vec::new(),
            errors: 0,
            first_error: None,
        }
    }

    /// Notes a round.
    pub(super) fn note(&mut self, case: usize, report: &Report, cpu_s: Option<f64>) {
        self.errors += report.errors;
        if self.first_error.is_none() {
            self.first_error.clone_from(&report.first_error);
        }
        let Some(load) = self.loads.get_mut(case).filter(|_| report.calls > 0) else { return };
        let calls = report.calls as f64;
        load.calls_per_s.push(calls / report.seconds);
        load.p50_ms.push(report.p50_ms);
        load.p99_ms.push(report.p99_ms);
        load.cpu_ms.extend(cpu_s.map(|seconds| seconds * 1e3 / calls));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_noted_per_call() {
        let mut target = Target::new(Kind::Nginx);
        let report =
            Report { calls: 100, seconds: 2.0, p50_ms: 1.0, p99_ms: 2.0, ..Report::default() };
        target.note(0, &report, Some(0.5));
        assert_eq!((target.loads[0].calls_per_s[0], target.loads[0].cpu_ms[0]), (50.0, 5.0));
        target.note(
            0,
            &Report { errors: 3, first_error: Some("x".into()), ..Report::default() },
            None,
        );
        assert_eq!((target.errors, target.first_error.as_deref()), (3, Some("x")));
        assert_eq!(target.loads[0].p50_ms.len(), 1);
    }
}
