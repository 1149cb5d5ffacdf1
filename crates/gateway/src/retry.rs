//! Retries: how many, how soon, and never so many that they hurt a provider that struggles.

use std::num::NonZeroU32;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use kernel::catalog::FailureClass;
use kernel::{Rng, Timestamp};
use serde::Deserialize;

/// When a call is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// Attempts at most, the first and all targets and fallbacks included.
    pub max_attempts: NonZeroU32,
    /// Milliseconds before the second attempt at the same target, at most; doubled for each
    /// further one and drawn at random below that ("full jitter").
    pub backoff_ms: u64,
    /// Milliseconds that a backoff, or a provider's `retry-after`, may take at most; beyond, the
    /// client gets the provider's answer and decides itself.
    pub longest_backoff_ms: u64,
    /// Retries allowed for every hundred calls, beyond a few per second.
    pub budget_percent: u32,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            max_attempts: NonZeroU32::MIN.saturating_add(2),
            backoff_ms: 100,
            longest_backoff_ms: 2_000,
            budget_percent: 20,
        }
    }
}

impl RetryConfig {
    /// How long to wait before attempt `attempt` (the second is 2) at a target that was just
    /// tried; `None`: do not try it again.
    pub fn backoff(
        &self,
        attempt: u32,
        class: FailureClass,
        retry_after: Option<Duration>,
        rng: &dyn Rng,
    ) -> Option<Duration> {
        let longest = Duration::from_millis(self.longest_backoff_ms);
        match class {
            FailureClass::Connection | FailureClass::Overloaded | FailureClass::ServerError => {}
            // The provider knows when; without its word the client's own retry is the better one.
            FailureClass::RateLimited if retry_after.is_some() => {}
            _ => return None,
        }
        if let Some(after) = retry_after {
            return (after <= longest).then_some(after);
        }
        let doubled = self.backoff_ms.saturating_mul(1 << attempt.saturating_sub(2).min(16));
        Some(Duration::from_millis(doubled).min(longest).mul_f64(rng.next_f64()))
    }
}

/// A retry budget: every call pays in a share of a retry, every retry takes a whole one out, so
/// that when everything fails the retries stay a small part of the traffic.
#[derive(Debug, Default)]
pub struct RetryBudget(Mutex<Purse>);

#[derive(Debug, Default)]
struct Purse {
    /// In hundredths of a retry.
    balance: u64,
    topped_up: Timestamp,
}

/// Retries per second that are always allowed, so that a quiet node retries too.
const ALWAYS_PER_SECOND: u64 = 10;
/// Hundredths of a retry that can be saved up.
const FULL: u64 = 10_000;

impl RetryBudget {
    /// A call pays in.
    pub fn pay_in(&self, config: &RetryConfig) {
        let mut purse = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        purse.balance = (purse.balance + u64::from(config.budget_percent)).min(FULL);
    }

    /// Takes one retry out; `false` when the budget is spent.
    pub fn take(&self, now: Timestamp) -> bool {
        let mut purse = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(purse.topped_up) >= Duration::from_secs(1) {
            purse.topped_up = now;
            purse.balance = purse.balance.max(ALWAYS_PER_SECOND * 100);
        }
        let enough = purse.balance >= 100;
        if enough {
            purse.balance -= 100;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::SystemRng;

    #[test]
    fn a_mistake_of_the_caller_is_not_tried_again() {
        let config = RetryConfig::default();
        for class in [FailureClass::InvalidRequest, FailureClass::Unauthorized] {
            assert_eq!(config.backoff(2, class, None, &SystemRng), None);
        }
    }

    #[test]
    fn a_long_retry_after_is_the_clients_to_wait_for() {
        let config = RetryConfig::default();
        let soon = Some(Duration::from_secs(1));
        let late = Some(Duration::from_secs(30));
        assert_eq!(config.backoff(2, FailureClass::RateLimited, soon, &SystemRng), soon);
        assert_eq!(config.backoff(2, FailureClass::RateLimited, late, &SystemRng), None);
        assert_eq!(config.backoff(2, FailureClass::RateLimited, None, &SystemRng), None);
    }

    #[test]
    fn when_everything_fails_retries_stay_a_small_part() {
        let (config, budget) = (RetryConfig::default(), RetryBudget::default());
        let now = Timestamp::from_secs(5);
        let mut retries = 0u64;
        for _ in 0..1_000 {
            budget.pay_in(&config);
            retries += u64::from(budget.take(now));
        }
        assert!((200..=210).contains(&retries), "{retries}");
    }
}
