//! The permit of an admitted call: what it holds of its limits until it ends.

use std::sync::{Arc, Mutex};

use kernel::SharedClock;
use kernel::limit::{Limit, LimitMeasure};

use super::counters::Counters;
use super::headers::RateLimitHeaders;
use super::{is_tokens, lock};

/// What an admitted call holds: a place among the calls under way, and its reserved tokens.
///
/// Dropping it gives up the place; if the call was never settled, the reserved tokens go back as
/// well. Requests stay counted.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once holds no place for its call"]
pub struct Permit {
    held: Option<Held>,
    headers: RateLimitHeaders,
}

#[derive(Debug)]
struct Held {
    counters: Arc<Mutex<Counters>>,
    clock: SharedClock,
    holds: Box<[Hold]>,
    /// Tokens charged to each limit on tokens so far.
    charged: u64,
    settled: bool,
}

/// A counter that the end of the call changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    key: u64,
    kind: HoldKind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum HoldKind {
    Tokens,
    Place,
}

impl Hold {
    /// What to remember of a limit; nothing for requests, which nothing changes afterwards.
    pub(super) fn of(limit: &Limit, key: u64) -> Option<Self> {
        let kind = match limit.measure {
            LimitMeasure::ConcurrentCalls => HoldKind::Place,
            measure if is_tokens(measure) => HoldKind::Tokens,
            _ => return None,
        };
        Some(Self { key, kind })
    }
}

impl Permit {
    pub(super) fn unlimited() -> Self {
        Self { held: None, headers: RateLimitHeaders::default() }
    }

    pub(super) fn new(
        counters: Arc<Mutex<Counters>>,
        clock: SharedClock,
        holds: Box<[Hold]>,
        reserved: u64,
        headers: RateLimitHeaders,
    ) -> Self {
        let held = (!holds.is_empty()).then_some(Held {
            counters,
            clock,
            holds,
            charged: reserved,
            settled: false,
        });
        Self { held, headers }
    }

    /// Charges what the call really used in place of what was reserved. More than was reserved is
    /// charged too, even where the limit then stands beyond its amount: later calls wait for it.
    /// The place among the calls under way is kept until the permit is dropped.
    pub fn settle(&mut self, tokens: u64) {
        if let Some(held) = &mut self.held {
            held.charge(tokens);
            held.settled = true;
        }
    }

    /// What was left when the call was admitted, this call taken off.
    pub fn headers(&self) -> RateLimitHeaders {
        self.headers
    }
}

impl Held {
    fn charge(&mut self, tokens: u64) {
        let charged = std::mem::replace(&mut self.charged, tokens);
        if charged == tokens {
            return;
        }
        let mut counters = lock(&self.counters);
        let now = self.clock.now();
        for hold in self.holds.iter().filter(|hold| hold.kind == HoldKind::Tokens) {
            counters.change(hold.key, now, |counter| {
                if tokens > charged {
                    counter.take(tokens - charged)
                } else {
                    counter.put_back(charged - tokens)
                }
            });
        }
    }

    fn give_up_place(&self) {
        let mut places = self.holds.iter().filter(|hold| hold.kind == HoldKind::Place).peekable();
        if places.peek().is_none() {
            return;
        }
        let mut counters = lock(&self.counters);
        let now = self.clock.now();
        for place in places {
            counters.change(place.key, now, |counter| counter.put_back(1));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.settled {
            self.charge(0);
        }
        self.give_up_place();
    }
}
