//! The permit of an admitted call: what it holds of its limits until it ends.

use std::fmt;
use std::sync::Arc;

use kernel::limit::{Limit, LimitMeasure};

use super::headers::RateLimitHeaders;
use super::{Claim, is_tokens};

/// The counters of one organisation, for who ends a call.
pub(super) trait Ledger: fmt::Debug + Send + Sync {
    /// Changes the counters of these keys.
    fn change(self: Arc<Self>, keys: &mut dyn Iterator<Item = u64>, change: Change);
}

/// What the end of a call changes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// This many more are taken, whether they are there or not.
    Charge(u64),
    /// This many are put back.
    Refund(u64),
}

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
    ledger: Arc<dyn Ledger>,
    holds: Box<[Hold]>,
    /// Tokens charged to each limit on tokens so far.
    charged: u64,
    settled: bool,
}

/// A counter that the end of the call changes.
#[derive(Clone, Copy, Debug)]
struct Hold {
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
    fn of(limit: &Limit, key: u64) -> Option<Self> {
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

    /// The permit of a call that took what it claimed.
    pub(super) fn new(
        ledger: Arc<dyn Ledger>,
        claims: &[Claim<'_>],
        headers: RateLimitHeaders,
    ) -> Self {
        let holds: Box<[Hold]> =
            claims.iter().filter_map(|claim| Hold::of(claim.limit, claim.key)).collect();
        let tokens = claims.iter().find(|claim| is_tokens(claim.limit.measure));
        let charged = tokens.map_or(0, |claim| claim.units);
        let held = (!holds.is_empty()).then_some(Held { ledger, holds, charged, settled: false });
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
        let change = if tokens > charged {
            Change::Charge(tokens - charged)
        } else {
            Change::Refund(charged - tokens)
        };
        self.change(HoldKind::Tokens, change);
    }

    fn change(&self, kind: HoldKind, change: Change) {
        let mut keys =
            self.holds.iter().filter(|hold| hold.kind == kind).map(|hold| hold.key).peekable();
        if keys.peek().is_some() {
            Arc::clone(&self.ledger).change(&mut keys, change);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.settled {
            self.charge(0);
        }
        self.change(HoldKind::Place, Change::Refund(1));
    }
}
