//! A circuit breaker: a target that mostly fails is left alone for a while, then tried with one
//! call at a time until one succeeds.

use std::time::Duration;

use kernel::Timestamp;

/// Failures are counted over this long.
const WINDOW: Duration = Duration::from_secs(10);
/// Fewer calls than this in a window say nothing.
const LEAST_CALLS: u32 = 20;
/// The share of failures, in percent, that opens the breaker.
const OPENING_PERCENT: u32 = 60;
/// How long it stays open at first; doubled each time the trial call fails.
const FIRST_REST: Duration = Duration::from_secs(2);
/// How long it stays open at most.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// Where a breaker stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BreakerState {
    /// Calls go through.
    Closed,
    /// No call goes through.
    Open,
    /// One call at a time goes through, to see.
    HalfOpen,
}

#[derive(Debug, Default)]
pub(crate) struct Breaker {
    window_start: Timestamp,
    calls: u32,
    failures: u32,
    /// `Some` while open or half open: when a trial call may go.
    rests_until: Option<Timestamp>,
    rest: Duration,
    trial_under_way: bool,
}

impl Breaker {
    pub(crate) fn state(&self, now: Timestamp) -> BreakerState {
        match self.rests_until {
            None => BreakerState::Closed,
            Some(until) if now < until => BreakerState::Open,
            Some(_) => BreakerState::HalfOpen,
        }
    }

    pub(crate) fn lets_through(&mut self, now: Timestamp) -> bool {
        match self.state(now) {
            BreakerState::Closed => true,
            BreakerState::Open => false,
            BreakerState::HalfOpen => !std::mem::replace(&mut self.trial_under_way, true),
        }
    }

    pub(crate) fn succeeded(&mut self, now: Timestamp) {
        self.count(now);
        if self.rests_until.take().is_some() {
            *self = Self { window_start: now, ..Self::default() };
        }
    }

    pub(crate) fn failed(&mut self, now: Timestamp) {
        self.count(now);
        self.failures += 1;
        let opens = self.calls >= LEAST_CALLS
            && self.failures * 100 >= self.calls.saturating_mul(OPENING_PERCENT);
        match self.state(now) {
            BreakerState::Closed if opens => self.open(now, FIRST_REST),
            BreakerState::HalfOpen => self.open(now, (self.rest * 2).min(LONGEST_REST)),
            BreakerState::Closed | BreakerState::Open => {}
        }
    }

    pub(crate) fn abandoned(&mut self) {
        self.trial_under_way = false;
    }

    fn open(&mut self, now: Timestamp, rest: Duration) {
        *self = Self { rests_until: Some(now.plus(rest)), rest, ..Self::default() };
    }

    fn count(&mut self, now: Timestamp) {
        if now.since(self.window_start) > WINDOW {
            (self.window_start, self.calls, self.failures) = (now, 0, 0);
        }
        self.calls += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..LEAST_CALLS {
            breaker.failed(at(100));
        }
        breaker
    }

    #[test]
    fn it_opens_when_most_calls_fail_and_not_on_a_few() {
        let mut breaker = Breaker::default();
        for _ in 1..LEAST_CALLS {
            breaker.failed(at(100));
        }
        assert_eq!(breaker.state(at(100)), BreakerState::Closed);
        assert_eq!(opened().state(at(100)), BreakerState::Open);
        assert!(!opened().lets_through(at(101)));
    }

    #[test]
    fn after_its_rest_one_call_tries_and_decides() {
        let mut breaker = opened();
        assert!(breaker.lets_through(at(102)), "the trial call");
        assert!(!breaker.lets_through(at(102)), "only one at a time");
        breaker.failed(at(102));
        assert_eq!(breaker.state(at(105)), BreakerState::Open, "the second rest is longer");
        assert!(breaker.lets_through(at(106)));
        breaker.succeeded(at(106));
        assert_eq!(breaker.state(at(106)), BreakerState::Closed);
    }

    #[test]
    fn a_trial_whose_client_hung_up_makes_room_for_another() {
        let mut breaker = opened();
        assert!(breaker.lets_through(at(102)));
        breaker.abandoned();
        assert!(breaker.lets_through(at(102)));
    }

    #[test]
    fn old_failures_are_forgotten() {
        let mut breaker = Breaker::default();
        for second in 0..i64::from(LEAST_CALLS) {
            breaker.failed(at(100 + second * 11));
        }
        assert_eq!(breaker.state(at(400)), BreakerState::Closed);
    }
}
