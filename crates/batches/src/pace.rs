//! How fast a batch's lines go out: as fast as nobody minds, and slower at the first refusal.
//!
//! Nobody waits for a line, so a batch leaves room for the calls that somebody does wait for: it
//! stops while less than a fifth of a limit is left, before the limit would refuse anybody.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use admission::RateLimitHeaders;
use kernel::Rng;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// The first pause after a refusal that does not say when to come back; doubled for each further
/// one in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The part of every limit that is left to others.
const LEFT_TO_OTHERS: u64 = 5;

/// The pace of one batch on one node.
#[derive(Debug)]
pub(crate) struct Pace {
    state: Mutex<State>,
    changed: Notify,
    /// Lines under way at most, if nothing was ever refused.
    widest: usize,
}

#[derive(Debug)]
struct State {
    /// Lines that may be under way now: halved by a refusal, one more for every so many answers.
    window: usize,
    under_way: usize,
    answered: usize,
    /// Refusals since the last answer.
    refused: u32,
    /// Nothing begins before this.
    closed_until: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(widest: usize) -> Self {
        let state =
            State { window: widest, under_way: 0, answered: 0, refused: 0, closed_until: None };
        Self { state: Mutex::new(state), changed: Notify::new(), widest }
    }

    /// Waits for a turn.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        loop {
            // Before the look: what changes after it wakes us.
            let changed = self.changed.notified();
            let opens = {
                let mut state = self.state();
                match state.closed_until.filter(|until| *until > Instant::now()) {
                    None if state.under_way < state.window => {
                        state.under_way += 1;
                        return Turn(self);
                    }
                    opens => opens,
                }
            };
            match opens {
                Some(opens) => sleep_until(opens).await,
                None => changed.await,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line's turn; over when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a>(&'a Pace);

impl Turn<'_> {
    /// The line was answered, and so much of the limits is left.
    pub(crate) fn answered(self, limits: &RateLimitHeaders) {
        let mut state = self.0.state();
        state.refused = 0;
        state.answered += 1;
        if state.answered >= state.window {
            state.answered = 0;
            state.window = (state.window + 1).min(self.0.widest);
        }
        if let Some(pause) = pause_for_others(limits) {
            state.close(pause);
        }
    }

    /// The line was refused for now; whoever refused it may have said for how long.
    pub(crate) fn refused(self, after: Option<Duration>, rng: &dyn Rng) {
        let mut state = self.0.state();
        // Lines that were under way together are refused together, which says nothing more.
        if state.closed_until.is_none_or(|until| until <= Instant::now()) {
            state.window = (state.window / 2).max(1);
            state.answered = 0;
            state.refused += 1;
        }
        let doubled = FIRST_PAUSE.saturating_mul(1 << (state.refused.max(1) - 1).min(10));
        // At least half of it, so that nodes do not come back together.
        let usual = doubled.min(LONGEST_PAUSE).mul_f64(0.5 + rng.next_f64() / 2.0);
        state.close(after.map_or(usual, |after| after.min(LONGEST_PAUSE)));
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.under_way = state.under_way.saturating_sub(1);
        drop(state);
        self.0.changed.notify_waiters();
    }
}

impl State {
    fn close(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        self.closed_until = Some(self.closed_until.map_or(until, |earlier| earlier.max(until)));
    }
}

/// How long until what is left to others is there again, by the time that the whole limit takes.
fn pause_for_others(limits: &RateLimitHeaders) -> Option<Duration> {
    let allowances = [limits.requests, limits.tokens];
    let pauses = allowances.into_iter().flatten().filter_map(|allowance| {
        let left_to_others = allowance.limit / LEFT_TO_OTHERS;
        let missing = left_to_others.checked_sub(allowance.remaining).filter(|n| *n > 0)?;
        let used = allowance.limit.saturating_sub(allowance.remaining).max(1);
        Some(allowance.reset.mul_f64(missing as f64 / used as f64))
    });
    pauses.max().map(|pause| pause.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use admission::Allowance;
    use futures_util::FutureExt as _;
    use kernel::SystemRng;

    use super::*;

    fn limits(limit: u64, remaining: u64, reset_secs: u64) -> RateLimitHeaders {
        let reset = Duration::from_secs(reset_secs);
        let requests = Some(Allowance { limit, remaining, reset });
        RateLimitHeaders { requests, tokens: None }
    }

    fn open(pace: &Pace) -> usize {
        let mut turns = Vec::new();
        while let Some(turn) = pace.turn().now_or_never() {
            turns.push(turn);
        }
        turns.len()
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_halves_what_goes_out_and_answers_widen_it_again() {
        let pace = Pace::new(8);
        assert_eq!(open(&pace), 8);
        pace.turn().await.refused(Some(Duration::from_secs(3)), &SystemRng);
        assert_eq!(open(&pace), 0, "closed for now");
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(open(&pace), 4);
        for _ in 0..4 {
            pace.turn().await.answered(&RateLimitHeaders::default());
        }
        assert_eq!(open(&pace), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn lines_refused_together_count_once() {
        let pace = Pace::new(8);
        let together = [pace.turn().await, pace.turn().await, pace.turn().await];
        for turn in together {
            turn.refused(Some(Duration::from_secs(2)), &SystemRng);
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(open(&pace), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_while_nothing_is_answered() {
        let pace = Pace::new(2);
        let mut last = Duration::ZERO;
        for refusal in 0..12 {
            let before = Instant::now();
            pace.turn().await.refused(None, &SystemRng);
            drop(pace.turn().await);
            let pause = before.elapsed();
            let most = FIRST_PAUSE.saturating_mul(1 << refusal).min(LONGEST_PAUSE);
            assert!(pause >= most / 2 && pause <= most + Duration::from_millis(1), "{pause:?}");
            last = pause;
        }
        assert!(last >= LONGEST_PAUSE / 2);
        pace.turn().await.answered(&RateLimitHeaders::default());
        let before = Instant::now();
        pace.turn().await.refused(None, &SystemRng);
        drop(pace.turn().await);
        assert!(before.elapsed() <= FIRST_PAUSE + Duration::from_millis(1), "counted anew");
    }

    #[test]
    fn a_fifth_of_a_limit_is_left_to_others() {
        assert_eq!(pause_for_others(&RateLimitHeaders::default()), None);
        assert_eq!(pause_for_others(&limits(100, 20, 48)), None);
        // 90 of 100 come back in 54 seconds: ten of them in six.
        assert_eq!(pause_for_others(&limits(100, 10, 54)), Some(Duration::from_secs(6)));
        assert_eq!(pause_for_others(&limits(3, 0, 60)), None, "a small limit has no fifth");
        let long = pause_for_others(&limits(1_000, 0, 86_400));
        assert_eq!(long, Some(LONGEST_PAUSE), "then it looks again");
    }
}
