//! Limits as one node counts them alone: no call waits for anything.

use std::sync::{Arc, Mutex};

use kernel::SharedClock;
use kernel::limit::Limit;

use super::counter::Counter;
use super::counters::{Count as _, Counters};
use super::organizations::Organizations;
use super::permit::{Change, Ledger, Permit};
use super::{Claim, Opinion, left, lock, refusal};
use crate::Refusal;
use crate::limiter::Subject;

/// The counters of every organisation.
#[derive(Debug)]
pub(super) struct Local {
    clock: SharedClock,
    organizations: Organizations<Book>,
}

/// The counters of one organisation.
#[derive(Debug)]
struct Book {
    clock: SharedClock,
    counters: Mutex<Counters<Counter>>,
}

impl Local {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self { clock, organizations: Organizations::default() }
    }

    /// Takes what the call needs of every limit, or nothing.
    pub(super) fn admit(
        &self,
        claims: &[Claim<'_>],
        subject: &Subject<'_>,
    ) -> Result<Permit, Refusal> {
        let book = self.organizations.of(subject.organization, || Book {
            clock: Arc::clone(&self.clock),
            counters: Mutex::default(),
        });
        let mut held = lock(&book.counters);
        // Read under the lock: arrivals are in the order of their times.
        let now = self.clock.now();
        let mut counters: Vec<Counter> = claims
            .iter()
            .map(|claim| match held.get(claim.key) {
                Some(counter) => counter.under(claim.limit, now),
                None => Counter::untouched(claim.limit, now),
            })
            .collect();
        if let Some(refusal) = refusal(&opinions(claims, &counters), subject) {
            return Err(refusal);
        }
        for (claim, counter) in claims.iter().zip(&mut counters) {
            *counter = counter.take(claim.units);
            held.put(claim.key, *counter, now);
        }
        drop(held);
        let headers = left(claims.iter().zip(&counters).map(|(claim, counter)| {
            let limit: &Limit = claim.limit;
            (limit.measure, counter.left(limit))
        }));
        Ok(Permit::new(book, claims, headers))
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.organizations.all().is_empty()
    }

    #[cfg(test)]
    pub(super) fn running(&self) -> u64 {
        let running = |counter: &Counter| match counter {
            Counter::Running(count) => *count,
            Counter::Rate(_) => 0,
        };
        let books = self.organizations.all();
        books.iter().map(|book| lock(&book.counters).all().map(running).sum::<u64>()).sum()
    }
}

fn opinions<'r>(claims: &[Claim<'r>], counters: &[Counter]) -> Vec<Opinion<'r>> {
    let opinion = |(claim, counter): (&Claim<'r>, &Counter)| Opinion {
        limit: claim.limit,
        units: claim.units,
        wait: counter.wait(claim.limit, claim.units),
        used: counter.used(),
        left: counter.left(claim.limit),
    };
    claims.iter().zip(counters).map(opinion).collect()
}

impl Ledger for Book {
    fn change(self: Arc<Self>, keys: &mut dyn Iterator<Item = u64>, change: Change) {
        let mut held = lock(&self.counters);
        let now = self.clock.now();
        for key in keys {
            let Some(counter) = held.get_mut(key) else { continue };
            match change {
                Change::Charge(units) => counter.charge(units, now),
                Change::Refund(units) => counter.refund(units, now),
            }
        }
    }
}
