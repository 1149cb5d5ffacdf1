//! Shared counters in memory, by tokio's clock, and connections to them that fail when told to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use admission::shared::{
    Answer, Answering, Ask, Draw, Drawn, Heard, Held, Hold, Shared, SharedError, SharedKey,
};
use tokio::time::{Instant, sleep};

/// The counters.
#[derive(Clone, Debug)]
pub(crate) struct Memory(Arc<State>);

#[derive(Debug)]
struct State {
    began: Instant,
    lives: Duration,
    buckets: Mutex<HashMap<SharedKey, Bucket>>,
    places: Mutex<HashMap<SharedKey, Holders>>,
}

/// What each node holds, and until when.
type Holders = HashMap<String, (u64, i64)>;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Nanoseconds until it is full.
    debt: f64,
    at: i64,
    amount: u64,
    born: i64,
}

/// What a connection does with a question.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Line {
    /// Answers after this time.
    Up(Duration),
    /// Cannot reach the counters.
    Down,
    /// Does what it is asked and loses the answer.
    Mute,
}

/// A node's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    memory: Memory,
    node: String,
    line: Mutex<Line>,
}

impl Memory {
    pub(crate) fn new(lives: Duration) -> Self {
        let (buckets, places) = (Mutex::default(), Mutex::default());
        Self(Arc::new(State { began: Instant::now(), lives, buckets, places }))
    }

    pub(crate) fn connect(&self, node: &str) -> Arc<Connection> {
        let line = Mutex::new(Line::Up(Duration::from_millis(1)));
        Arc::new(Connection { memory: self.clone(), node: node.into(), line })
    }

    /// Forgets everything.
    pub(crate) fn flush(&self) {
        self.0.buckets.lock().unwrap().clear();
        self.0.places.lock().unwrap().clear();
    }

    fn now(&self) -> i64 {
        i64::try_from(self.0.began.elapsed().as_micros()).unwrap() + 1_000_000
    }

    fn draw(&self, draw: &Draw) -> Drawn {
        let now = self.now();
        let mut buckets = self.0.buckets.lock().unwrap();
        let heard = ((draw.heard.full_at - now) as f64 * 1e3).max(0.0);
        let amount = draw.amount.max(1) as f64;
        let fresh = Bucket { debt: heard, at: now, amount: draw.amount, born: now };
        let bucket = buckets.entry(draw.key).or_insert(fresh);
        let scaled = bucket.debt * bucket.amount as f64 / amount;
        let mut debt = (scaled - (now - bucket.at) as f64 * 1e3).max(0.0);
        if bucket.born != draw.heard.born {
            debt = debt.max(heard);
        }
        let window = draw.window as f64 * 1e3;
        debt = (debt + draw.charge as f64 * window / amount).max(0.0);
        let free = ((window - debt) * draw.amount as f64 / window + 1e-6).floor().max(0.0);
        let granted = draw.want.min(free as u64);
        let granted = if granted < draw.at_least { 0 } else { granted };
        debt = (debt + granted as f64 * window / amount).ceil().min(9e15);
        *bucket = Bucket { debt, at: now, amount: draw.amount, born: bucket.born };
        let heard = Heard { born: bucket.born, full_at: now + (debt / 1e3).ceil() as i64 };
        Drawn { granted, reset: Duration::from_nanos(debt as u64), heard }
    }

    fn hold(&self, node: &str, hold: &Hold) -> Held {
        let now = self.now();
        let mut places = self.0.places.lock().unwrap();
        let holders = places.entry(hold.key).or_default();
        holders.retain(|other, (_, until)| other != node && *until > now);
        let others: u64 = holders.values().map(|(held, _)| held).sum();
        let free = hold.amount.saturating_sub(others).saturating_sub(hold.held);
        let granted = hold.want.min(free);
        let granted = if granted < hold.at_least { 0 } else { granted };
        let held = hold.held + granted;
        if held > 0 {
            let until = now + i64::try_from(self.0.lives.as_micros()).unwrap();
            holders.insert(node.into(), (held, until));
        }
        Held { granted, total: others + held, holders: holders.len() as u64 }
    }
}

impl Connection {
    pub(crate) fn set(&self, line: Line) {
        *self.line.lock().unwrap() = line;
    }
}

impl Shared for Connection {
    fn ask<'a>(&'a self, asks: &'a [Ask]) -> Answering<'a> {
        Box::pin(async move {
            let line = *self.line.lock().unwrap();
            let answer = |ask: &Ask| match ask {
                Ask::Draw(draw) => Answer::Drawn(self.memory.draw(draw)),
                Ask::Hold(hold) => Answer::Held(self.memory.hold(&self.node, hold)),
            };
            let lost = |reason: &str| SharedError::Unavailable { reason: reason.into() };
            match line {
                Line::Up(latency) => {
                    sleep(latency / 2).await;
                    let answers = asks.iter().map(answer).collect();
                    sleep(latency / 2).await;
                    Ok(answers)
                }
                Line::Down => Err(lost("connection refused")),
                Line::Mute => {
                    let _lost: Vec<_> = asks.iter().map(answer).collect();
                    sleep(Duration::from_secs(1)).await;
                    Err(lost("no answer"))
                }
            }
        })
    }
}
