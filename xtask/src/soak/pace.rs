//! The pace: calls begin when it is their time, whether those before them have ended or not, and
//! their latency counts from then. A node that falls behind cannot slow its own test down.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::calls;
use super::client::Client;
use super::mix::{Kind, MIX, Order};

/// Longer than any call takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Calls under way, beyond which a node does not keep up at any pace that is asked for here.
const MOST_UNDER_WAY: usize = 1_000;
/// How much of a wrong answer is told.
const TOLD: usize = 300;

/// What became of the calls of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Count {
    pub(super) right: u64,
    pub(super) wrong: u64,
    /// The first wrong one, in words.
    pub(super) first_wrong: Option<String>,
}

/// What is known of all calls so far.
#[derive(Debug)]
pub(super) struct Tally {
    /// One per entry of the mix.
    counts: Mutex<Vec<Count>>,
    /// Of plain calls, in milliseconds, since they were taken the last time.
    latencies: Mutex<Vec<f64>>,
    under_way: AtomicUsize,
    stopped: AtomicBool,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            counts: Mutex::new(vec![Count::default(); MIX.len()]),
            latencies: Mutex::default(),
            under_way: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    /// No further call is to begin.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Vec<Count> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many calls have ended.
    pub(super) fn ended(&self) -> u64 {
        self.counts().iter().map(|count| count.right + count.wrong).sum()
    }

    /// The latencies of plain calls since the last time, sorted.
    pub(super) fn take_latencies(&self) -> Vec<f64> {
        let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = std::mem::take(&mut *latencies);
        taken.sort_unstable_by(f64::total_cmp);
        taken
    }

    fn note(&self, place: usize, result: Result<(), String>, took: Duration) {
        let is_plain = MIX.get(place).is_some_and(|entry| entry.kind == Kind::Whole);
        if is_plain && result.is_ok() {
            let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
            latencies.push(took.as_secs_f64() * 1e3);
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = counts.get_mut(place) else { return };
        match result {
            Ok(()) => count.right += 1,
            Err(wrong) => {
                count.wrong += 1;
                count.first_wrong.get_or_insert_with(|| wrong.chars().take(TOLD).collect());
            }
        }
    }
}

/// Begins calls for so long, and waits for the last ones. On a thread of its own, whose sleep is
/// finer than a runtime's timers.
pub(super) fn run(
    runtime: &Handle,
    client: &Arc<Client>,
    tally: &Arc<Tally>,
    mut order: Order,
    rate: f64,
    time: Duration,
) {
    let start = Instant::now();
    for number in 0_u64.. {
        let since = Duration::from_secs_f64(number as f64 / rate);
        if since >= time || tally.stopped.load(Ordering::Relaxed) {
            break;
        }
        let due = start + since;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        begin(runtime, client, tally, order.next(), number, due);
    }
    let end = Instant::now() + PATIENCE;
    while tally.under_way.load(Ordering::Relaxed) > 0 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn begin(
    runtime: &Handle,
    client: &Arc<Client>,
    tally: &Arc<Tally>,
    place: usize,
    number: u64,
    due: Instant,
) {
    let Some(kind) = MIX.get(place).map(|entry| entry.kind) else { return };
    if tally.under_way.fetch_add(1, Ordering::Relaxed) >= MOST_UNDER_WAY {
        tally.under_way.fetch_sub(1, Ordering::Relaxed);
        let wrong = format!("{MOST_UNDER_WAY} calls are under way: the node does not keep up");
        return tally.note(place, Err(wrong), Duration::ZERO);
    }
    let (client, tally) = (Arc::clone(client), Arc::clone(tally));
    runtime.spawn(async move {
        let made = Box::pin(calls::make(kind, &client, number));
        let result = match tokio::time::timeout(PATIENCE, made).await {
            Ok(result) => result,
            Err(_) => Err("no end in 30 s".to_owned()),
        };
        tally.note(place, result, due.elapsed());
        tally.under_way.fetch_sub(1, Ordering::Relaxed);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_counts() {
        let tally = Tally::new();
        let place = |kind| MIX.iter().position(|entry| entry.kind == kind).unwrap();
        let (whole, stream) = (place(Kind::Whole), place(Kind::Stream));
        tally.note(whole, Ok(()), Duration::from_millis(2));
        tally.note(whole, Ok(()), Duration::from_millis(1));
        tally.note(whole, Err("x".repeat(400)), Duration::from_millis(9));
        tally.note(whole, Err("later".to_owned()), Duration::ZERO);
        tally.note(stream, Ok(()), Duration::from_millis(7));
        let counts = tally.counts();
        let first_wrong = Some("x".repeat(TOLD));
        assert_eq!(counts[whole], Count { right: 2, wrong: 2, first_wrong });
        assert_eq!((counts[stream].right, tally.ended()), (1, 5));
        assert_eq!(tally.take_latencies(), [1.0, 2.0]);
        assert_eq!(tally.take_latencies(), [0.0; 0]);
    }

    #[test]
    fn every_call_that_is_due_is_made() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let port = runtime.block_on(super::super::upstream::tests::started());
        let (client, tally) = (Arc::new(Client::new(port)), Arc::new(Tally::new()));
        let run = |time| {
            run(runtime.handle(), &client, &tally, Order::of(&[Kind::Embedding]), 500.0, time);
        };
        run(Duration::from_millis(100));
        assert_eq!(tally.ended(), 50);
        tally.stop();
        run(Duration::from_secs(3600));
        assert_eq!(tally.ended(), 50);
    }
}
