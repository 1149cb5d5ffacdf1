//! The limiter: all limits that apply to a call are checked together, and taken together or not at
//! all.
//!
//! Each organisation has its own counters behind one lock, held for well under a microsecond per
//! call, so no call sees another half admitted and no organisation waits for another. Counters
//! belong to a limit's id, not to a [`Rules`] value: they live on when the snapshot is refreshed.

mod bucket;
mod counters;
mod headers;
mod permit;
mod rules;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use kernel::limit::{Limit, LimitMeasure};
use kernel::{OrganizationId, SharedClock};

use crate::refusal::{LimitReached, Refusal, TooLarge};
use counters::{Counter, Counters};
use headers::tighten;
use permit::Hold;

pub use headers::{Allowance, RateLimitHeaders, duration_text};
pub use permit::Permit;
pub use rules::{Rules, Subject};

/// What a call is thought to need, before it is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Estimate {
    /// Tokens: of the input, and as many of output as may come.
    pub tokens: u64,
}

/// The counters of all limits on this node.
#[derive(Debug)]
pub struct Limiter {
    clock: SharedClock,
    /// The secret key of the counters' hashes: nobody can choose a user name that meets another's.
    keys: RandomState,
    organizations: RwLock<HashMap<OrganizationId, Arc<Mutex<Counters>>>>,
}

/// What a call wants of one limit.
struct Claim<'r> {
    limit: &'r Limit,
    key: u64,
    units: u64,
    counter: Counter,
}

impl Limiter {
    /// A limiter with nothing taken.
    pub fn new(clock: SharedClock) -> Self {
        Self { clock, keys: RandomState::new(), organizations: RwLock::default() }
    }

    /// Takes what the call needs of every limit that applies to it.
    ///
    /// Limits on tokens hold over any stretch of time up to what the calls under way at its start
    /// had reserved too much, because that flows back when they settle.
    ///
    /// # Errors
    /// Where one limit refuses, nothing is taken. Of several, the one with the longest wait is
    /// told, so that who waits that long is not refused by the next.
    pub fn admit(
        &self,
        rules: &Rules,
        subject: &Subject<'_>,
        estimate: Estimate,
    ) -> Result<Permit, Refusal> {
        let mut applying = rules.applying(subject).peekable();
        if applying.peek().is_none() {
            return Ok(Permit::unlimited());
        }
        let counters = self.counters_of(subject.organization);
        let mut held = lock(&counters);
        // Read under the lock: arrivals are in the order of their times.
        let now = self.clock.now();
        let mut claims: Vec<Claim<'_>> = applying
            .map(|limit| {
                let key = self.key(limit, subject);
                let units = units(limit.measure, estimate);
                Claim { limit, key, units, counter: held.get(key, limit, now) }
            })
            .collect();
        if let Some(refusal) = refusal(&claims, subject) {
            return Err(refusal);
        }
        for claim in &mut claims {
            claim.counter = claim.counter.take(claim.units);
            held.put(claim.key, claim.counter, now);
        }
        drop(held);
        let headers = left(&claims);
        let holds = claims.iter().filter_map(|claim| Hold::of(claim.limit, claim.key)).collect();
        Ok(Permit::new(counters, self.clock.clone(), holds, estimate.tokens, headers))
    }

    fn counters_of(&self, organization: &OrganizationId) -> Arc<Mutex<Counters>> {
        let known = self.organizations.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counters) = known.get(organization) {
            return Arc::clone(counters);
        }
        drop(known);
        let mut known = self.organizations.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(organization.clone()).or_default())
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

/// Why the claims cannot be met now, if they cannot.
fn refusal(claims: &[Claim<'_>], subject: &Subject<'_>) -> Option<Refusal> {
    if let Some(claim) = claims.iter().find(|claim| claim.units > claim.limit.amount) {
        return Some(TooLarge::new(claim.limit, subject, claim.units).into());
    }
    let (claim, wait) = claims
        .iter()
        .map(|claim| (claim, claim.counter.wait(claim.limit, claim.units)))
        .max_by_key(|(_, wait)| *wait)?;
    if wait == Duration::ZERO {
        return None;
    }
    let used = claim.counter.used();
    Some(LimitReached::new(claim.limit, subject, used, claim.units, wait, left(claims)).into())
}

/// What is left of the tightest limits.
fn left(claims: &[Claim<'_>]) -> RateLimitHeaders {
    let mut headers = RateLimitHeaders::default();
    for claim in claims {
        let Counter::Rate(bucket) = claim.counter else { continue };
        let allowance = Allowance {
            limit: claim.limit.amount,
            remaining: bucket.remaining(),
            reset: bucket.reset(),
        };
        let tokens = is_tokens(claim.limit.measure);
        tighten(if tokens { &mut headers.tokens } else { &mut headers.requests }, allowance);
    }
    headers
}

/// No code panics while it holds the counters, so a poisoned lock holds sound ones.
fn lock(counters: &Mutex<Counters>) -> MutexGuard<'_, Counters> {
    counters.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
