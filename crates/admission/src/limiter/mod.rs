//! The limiter: all limits that apply to a call are checked together, and taken together or not at
//! all.
//!
//! Each organisation has its own counters behind one lock, held for well under a microsecond per
//! call, so no call sees another half admitted and no organisation waits for another. Counters
//! belong to a limit's id, not to a [`Rules`] value: they live on when the snapshot is refreshed.
//!
//! A node counts [alone](local), or together with others: then it [leases](leased) units of what
//! all share.

mod bucket;
mod counter;
mod counters;
mod headers;
mod leased;
mod local;
mod organizations;
mod permit;
mod rules;

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::SharedClock;
use kernel::limit::{Limit, LimitMeasure};

use crate::refusal::{LimitReached, Refusal, TooLarge};
use headers::tighten;
use leased::Leased;
use local::Local;

pub use headers::{Allowance, RateLimitHeaders, duration_text};
pub use leased::{SharedState, Sharing, SharingConfig};
pub use permit::Permit;
pub use rules::{Rules, Subject};

/// What a call is thought to need, before it is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Estimate {
    /// Tokens: of the input, and as many of output as may come.
    pub tokens: u64,
}

/// The counters of all limits.
#[derive(Debug)]
pub struct Limiter {
    /// The secret key of the counters' hashes: nobody can choose a user name that meets another's.
    keys: RandomState,
    counting: Counting,
}

#[derive(Debug)]
enum Counting {
    Alone(Local),
    Together(Leased),
}

/// What a call wants of one limit.
#[derive(Clone, Copy, Debug)]
struct Claim<'r> {
    limit: &'r Limit,
    /// Its counter on this node.
    key: u64,
    units: u64,
}

/// What a limit says to a call.
#[derive(Debug)]
struct Opinion<'r> {
    limit: &'r Limit,
    units: u64,
    /// How long until there are enough; zero: now.
    wait: Duration,
    used: u64,
    left: Option<Allowance>,
}

impl Limiter {
    /// A limiter of this node alone, with nothing taken.
    pub fn new(clock: SharedClock) -> Self {
        Self { keys: RandomState::new(), counting: Counting::Alone(Local::new(clock)) }
    }

    /// A limiter that counts together with other nodes. [`Limiter::keep`] is to run beside it.
    pub fn shared(clock: SharedClock, sharing: Sharing) -> Self {
        let leased = Leased::new(clock, sharing);
        Self { keys: RandomState::new(), counting: Counting::Together(leased) }
    }

    /// Takes what the call needs of every limit that applies to it. Without shared counters this
    /// never waits; with them it waits for their place when the leased units run out, and no longer
    /// than the configured patience.
    ///
    /// Limits on tokens hold over any stretch of time up to what the calls under way at its start
    /// had reserved too much, because that flows back when they settle.
    ///
    /// # Errors
    /// Where one limit refuses, nothing is taken. Of several, the one with the longest wait is
    /// told, so that who waits that long is not refused by the next.
    pub async fn admit(
        &self,
        rules: &Rules,
        subject: &Subject<'_>,
        estimate: Estimate,
    ) -> Result<Permit, Refusal> {
        let claims: Vec<Claim<'_>> = rules
            .applying(subject)
            .map(|limit| Claim {
                limit,
                key: self.key(limit, subject),
                units: units(limit.measure, estimate),
            })
            .collect();
        if claims.is_empty() {
            return Ok(Permit::unlimited());
        }
        if let Some(claim) = claims.iter().find(|claim| claim.units > claim.limit.amount) {
            return Err(TooLarge::new(claim.limit, subject, claim.units).into());
        }
        match &self.counting {
            Counting::Alone(local) => local.admit(&claims, subject),
            Counting::Together(leased) => leased.admit(&claims, subject).await,
        }
    }

    /// Works beside the calls, for ever: tells the place of shared counters that this node lives,
    /// gives back what lies idle, and looks for a place that was lost. Returns at once where nothing
    /// is shared.
    pub async fn keep(&self) {
        if let Counting::Together(leased) = &self.counting {
            leased.keep().await;
        }
    }

    /// Gives back, before a node stops and after [`Limiter::keep`] was stopped, all that it holds of
    /// shared counters; what it cannot give back flows back with time.
    pub async fn leave(&self) {
        if let Counting::Together(leased) = &self.counting {
            leased.leave().await;
        }
    }

    /// How it stands with the shared counters.
    pub fn shared_state(&self) -> SharedState {
        match &self.counting {
            Counting::Alone(_) => SharedState::NotShared,
            Counting::Together(leased) => leased.state(),
        }
    }

    fn key(&self, limit: &Limit, subject: &Subject<'_>) -> u64 {
        let scope = limit.scope;
        self.keys.hash_one((
            limit.id.as_str(),
            limit.measure,
            subject.realm(scope),
            subject.name(scope),
        ))
    }
}

fn units(measure: LimitMeasure, estimate: Estimate) -> u64 {
    if is_tokens(measure) { estimate.tokens } else { 1 }
}

const fn is_tokens(measure: LimitMeasure) -> bool {
    matches!(measure, LimitMeasure::TokensPerMinute | LimitMeasure::TokensPerDay)
}

/// Why a call may not pass now, if it may not.
fn refusal(opinions: &[Opinion<'_>], subject: &Subject<'_>) -> Option<Refusal> {
    let longest = opinions.iter().max_by_key(|opinion| opinion.wait)?;
    let &Opinion { limit, units, wait, used, .. } = longest;
    if wait == Duration::ZERO {
        return None;
    }
    let headers = left(opinions.iter().map(|opinion| (opinion.limit.measure, opinion.left)));
    Some(LimitReached::new(limit, subject, used, units, wait, headers).into())
}

/// What is left of the tightest limits.
fn left(limits: impl Iterator<Item = (LimitMeasure, Option<Allowance>)>) -> RateLimitHeaders {
    let mut headers = RateLimitHeaders::default();
    for (measure, allowance) in limits {
        let Some(allowance) = allowance else { continue };
        let tokens = is_tokens(measure);
        tighten(if tokens { &mut headers.tokens } else { &mut headers.requests }, allowance);
    }
    headers
}

/// No code panics while it holds the counters, so a poisoned lock holds sound ones.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
