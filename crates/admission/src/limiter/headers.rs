//! What a caller has left, as the `x-ratelimit-*` headers tell it.

use std::fmt::Write as _;
use std::time::Duration;

/// What is left of one limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allowance {
    /// How many are allowed.
    pub limit: u64,
    /// How many could be taken now.
    pub remaining: u64,
    /// How long until all of them can be.
    pub reset: Duration,
}

impl Allowance {
    /// Whether this one will refuse sooner than `other`, or for longer.
    fn is_tighter_than(&self, other: &Self) -> bool {
        (self.remaining, other.reset) < (other.remaining, self.reset)
    }
}

/// What is left of the tightest limit on requests and of the tightest on tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RateLimitHeaders {
    /// Requests; `None`: not limited.
    pub requests: Option<Allowance>,
    /// Tokens; `None`: not limited.
    pub tokens: Option<Allowance>,
}

/// Keeps the tighter of two.
pub(super) fn tighten(slot: &mut Option<Allowance>, other: Allowance) {
    if slot.is_none_or(|held| other.is_tighter_than(&held)) {
        *slot = Some(other);
    }
}

/// A duration in the form of OpenAI's reset headers: `120ms`, `1.2s`, `6m0s`, `23h59m0s`; rounded
/// up to milliseconds, so that who waits that long has waited long enough.
pub fn duration_text(duration: Duration) -> String {
    let millis = duration.as_micros().div_ceil(1_000);
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    let (seconds, fraction) = (millis / 1_000, millis % 1_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let mut text = String::new();
    // Writing to a string cannot fail.
    if hours > 0 {
        let _ = write!(text, "{hours}h");
    }
    if hours > 0 || minutes > 0 {
        let _ = write!(text, "{minutes}m");
    }
    let _ = write!(text, "{seconds}");
    if fraction > 0 {
        let _ = write!(text, ".{}", format!("{fraction:03}").trim_end_matches('0'));
    }
    text.push('s');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_openai_writes_them() {
        for (micros, text) in [
            (0, "0ms"),
            (1, "1ms"),
            (120_000, "120ms"),
            (999_001, "1s"),
            (1_000_000, "1s"),
            (1_200_000, "1.2s"),
            (8_640_000, "8.64s"),
            (59_999_001, "1m0s"),
            (360_000_000, "6m0s"),
            (86_340_005_000, "23h59m0.005s"),
            (3_600_000_000, "1h0m0s"),
        ] {
            assert_eq!(duration_text(Duration::from_micros(micros)), text);
        }
    }

    #[test]
    fn the_tighter_limit_is_told() {
        let left = |limit, remaining, secs| Allowance {
            limit,
            remaining,
            reset: Duration::from_secs(secs),
        };
        let mut slot = None;
        tighten(&mut slot, left(60, 50, 10));
        tighten(&mut slot, left(1_000, 20, 100));
        tighten(&mut slot, left(60, 30, 1));
        assert_eq!(slot, Some(left(1_000, 20, 100)));
        tighten(&mut slot, left(20, 20, 500));
        assert_eq!(slot, Some(left(20, 20, 500)));
    }
}
