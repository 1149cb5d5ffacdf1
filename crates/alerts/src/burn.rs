//! How fast an error budget burns, and when that is worth waking somebody: the multiwindow rules of
//! the Site Reliability Workbook.
//!
//! A burn rate of 1 uses up a month's error budget in a month. A rule looks at a long window, so
//! that a blip is no alert, and at a short one, so that an alert ends soon after its trouble.

use std::time::Duration;

/// One rule.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BurnRule {
    /// Its name.
    pub name: &'static str,
    /// What to do about it.
    pub urgency: Urgency,
    /// The window that must have burnt.
    pub long: Duration,
    /// The window that must still burn.
    pub short: Duration,
    /// How fast both must burn.
    pub rate: f64,
}

/// What to do about an alert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Urgency {
    /// Somebody should look now.
    Page,
    /// Somebody should look in the coming days.
    Ticket,
}

impl Urgency {
    /// The name that events use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
        }
    }
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// The rules, the most urgent first. The first tells when an hour has used 2 % of a month's budget,
/// the second when six hours have used 5 %, the third when three days have used 10 %.
pub const BURN_RULES: [BurnRule; 3] = [
    BurnRule {
        name: "fast",
        urgency: Urgency::Page,
        long: Duration::from_secs(HOUR),
        short: Duration::from_secs(5 * MINUTE),
        rate: 14.4,
    },
    BurnRule {
        name: "steady",
        urgency: Urgency::Page,
        long: Duration::from_secs(6 * HOUR),
        short: Duration::from_secs(30 * MINUTE),
        rate: 6.0,
    },
    BurnRule {
        name: "slow",
        urgency: Urgency::Ticket,
        long: Duration::from_secs(72 * HOUR),
        short: Duration::from_secs(6 * HOUR),
        rate: 1.0,
    },
];

/// Calls of a window, and how many of them were bad.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Window {
    /// Calls.
    pub total: u64,
    /// Of the calls: those that broke the promise.
    pub bad: u64,
}

impl Window {
    /// How much faster the error budget burns than it may; none burns without calls.
    pub fn burn_rate(self, objective_ppm: u32) -> f64 {
        let allowed = 1.0 - f64::from(objective_ppm) / 1_000_000.0;
        match self.total {
            0 => 0.0,
            total => self.bad as f64 / total as f64 / allowed,
        }
    }
}

/// What a rule says of its two windows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Burn {
    /// Both windows burn.
    Burning,
    /// The trouble, if there was any, is over.
    Over,
    /// Neither: what burnt before is not over yet, what did not is no alert.
    Unclear,
}

impl BurnRule {
    /// Looks at both windows. At least `min_bad` calls of the long one must have been bad.
    pub fn judge(&self, long: Window, short: Window, objective_ppm: u32, min_bad: u64) -> Burn {
        let (lasting, now) = (long.burn_rate(objective_ppm), short.burn_rate(objective_ppm));
        if lasting >= self.rate && now >= self.rate && long.bad >= min_bad {
            Burn::Burning
        } else if lasting < self.rate || now < 1.0 {
            Burn::Over
        } else {
            // Between the rule's rate and what is allowed: an alert that ended here would begin
            // anew with the next few failures.
            Burn::Unclear
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn window(total: u64, bad: u64) -> Window {
        Window { total, bad }
    }

    #[test]
    fn a_rate_of_one_uses_up_what_is_allowed() {
        assert!((window(1_000, 1).burn_rate(999_000) - 1.0).abs() < 1e-9);
        assert!((window(1_000, 36).burn_rate(990_000) - 3.6).abs() < 1e-9);
        assert_eq!(window(0, 0).burn_rate(999_000), 0.0);
    }

    #[test]
    fn both_windows_must_burn() {
        let fast = &BURN_RULES[0];
        let judge = |long, short| fast.judge(long, short, 999_000, 5);
        assert_eq!(judge(window(10_000, 150), window(1_000, 20)), Burn::Burning);
        assert_eq!(judge(window(10_000, 143), window(1_000, 20)), Burn::Over, "long is below 14.4");
        assert_eq!(judge(window(10_000, 150), window(1_000, 0)), Burn::Over, "it is over");
        assert_eq!(judge(window(10_000, 150), window(1_000, 5)), Burn::Unclear, "5x is not over");
        assert_eq!(judge(window(10_000, 150), window(0, 0)), Burn::Over, "nobody calls any more");
    }

    #[test]
    fn few_failures_wake_nobody() {
        let fast = &BURN_RULES[0];
        assert_ne!(fast.judge(window(10, 4), window(5, 4), 999_000, 5), Burn::Burning);
        assert_eq!(fast.judge(window(10, 5), window(5, 4), 999_000, 5), Burn::Burning);
    }

    /// The share of a 30-day month's budget that is gone when a rule first tells.
    #[test]
    fn rules_tell_at_two_five_and_ten_per_cent() {
        let month = Duration::from_secs(30 * 24 * HOUR).as_secs_f64();
        let shares: Vec<_> =
            BURN_RULES.iter().map(|rule| rule.long.as_secs_f64() * rule.rate / month).collect();
        for (share, expected) in shares.iter().zip([0.02, 0.05, 0.10]) {
            assert!((share - expected).abs() < 1e-9, "{shares:?}");
        }
    }
}
