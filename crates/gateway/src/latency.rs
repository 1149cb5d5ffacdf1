//! The usual time to a target's first byte: a moving average in which the last calls count most.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One part in this many comes from the newest call.
const MEMORY: u64 = 16;

/// Microseconds; 0: nothing seen yet. Two calls that end at once may lose one observation, which
/// an average forgives.
#[derive(Debug, Default)]
pub(crate) struct Latency(AtomicU64);

impl Latency {
    pub(crate) fn observe(&self, latency: Duration) {
        let new = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1);
        let old = self.0.load(Ordering::Relaxed);
        let next = if old == 0 { new } else { old - old / MEMORY + new / MEMORY };
        self.0.store(next.max(1), Ordering::Relaxed);
    }

    pub(crate) fn usual(&self) -> Option<Duration> {
        let micros = self.0.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_newest_calls() {
        let latency = Latency::default();
        assert_eq!(latency.usual(), None);
        for _ in 0..200 {
            latency.observe(Duration::from_millis(80));
        }
        let before = latency.usual().unwrap();
        assert!(before > Duration::from_millis(70) && before <= Duration::from_millis(80));
        for _ in 0..200 {
            latency.observe(Duration::from_millis(8));
        }
        assert!(latency.usual().unwrap() < Duration::from_millis(10));
    }
}
