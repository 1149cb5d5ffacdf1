//! Limits that several nodes hold together.
//!
//! Every counter is a [lease](lease::Lease): units drawn from the shared counter, which this node
//! spends without asking anybody. They are topped up before they run out, and what is not needed
//! goes back. As every unit that is spent was drawn before, all nodes together never spend more
//! than the limit; as they keep only a twentieth of it unspent at hand, they do not hold up calls
//! long before it is used up.
//!
//! A call waits for the place only when its lease is too small, and not longer than the configured
//! patience. A place that does not answer by then is lost, and until it is back this node uses its
//! own share of every limit: never all of it, and never nothing.

mod book;
mod keeper;
mod lease;
mod link;
mod places;
mod terms;
mod units;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use kernel::SharedClock;
use tokio::time::{Instant, timeout_at};

use self::book::{Book, Question};
use self::lease::{Lease, Standing};
use self::link::Link;
use super::counters::Counters;
use super::organizations::Organizations;
use super::permit::Permit;
use super::{Claim, Opinion, Subject, left, lock, refusal};
use crate::Refusal;

pub use link::{SharedState, Sharing, SharingConfig};

/// The leases of every organisation.
#[derive(Debug)]
pub(super) struct Leased {
    link: Arc<Link>,
    organizations: Organizations<Book>,
}

/// What came of one look at the leases.
enum Look {
    Over(Result<Permit, Refusal>),
    /// Some leases are too small; these questions are to be asked.
    Short(Vec<Question>),
}

impl Leased {
    pub(super) fn new(clock: SharedClock, sharing: Sharing) -> Self {
        let link = Arc::new(Link::new(sharing, clock));
        Self { link, organizations: Organizations::default() }
    }

    pub(super) fn state(&self) -> SharedState {
        self.link.state()
    }

    /// Takes what the call needs of every limit, or nothing.
    pub(super) async fn admit(
        &self,
        claims: &[Claim<'_>],
        subject: &Subject<'_>,
    ) -> Result<Permit, Refusal> {
        let book =
            self.organizations.of(subject.organization, || Book::new(Arc::clone(&self.link)));
        let mut waiting = None;
        let mut ends = None;
        loop {
            // Listens before it looks, so that no answer comes unheard in between.
            let mut answered = pin!(book.answered.notified());
            answered.as_mut().enable();
            let last = ends.is_some_and(|ends| ends <= Instant::now());
            if last {
                // Another's answer may have come in the very moment.
                self.overdue(&book, claims);
            }
            match self.look(&book, claims, subject, &mut waiting, last) {
                Look::Over(result) => return result,
                Look::Short(questions) => book.launch(questions),
            }
            let patience = self.link.sharing.config.patience;
            let ends = *ends.get_or_insert_with(|| Instant::now() + patience);
            // In time or not, the next look tells.
            let _ = timeout_at(ends, answered).await;
        }
    }

    fn look(
        &self,
        book: &Arc<Book>,
        claims: &[Claim<'_>],
        subject: &Subject<'_>,
        waiting: &mut Option<Waiting>,
        last: bool,
    ) -> Look {
        let mut leases = lock(&book.leases);
        let terms = self.link.terms();
        let mut is_short = false;
        let mut opinions = Vec::with_capacity(claims.len());
        for &Claim { limit, key, units } in claims {
            let lease = leases.entry(key, terms.now, || {
                let (realm, name) = (subject.realm(limit.scope), subject.name(limit.scope));
                let parts = [
                    limit.id.as_str(),
                    limit.measure.as_str(),
                    limit.scope.as_str(),
                    realm,
                    name.unwrap_or_default(),
                ];
                Lease::new(limit, self.link.sharing.secret.key(parts), terms.now)
            });
            lease.refresh(limit.amount, &terms);
            let wait = match lease.standing(units, &terms) {
                Standing::Enough => Duration::ZERO,
                Standing::Wait(wait) => wait,
                // The place answers, only not as much as all who wait need.
                Standing::Ask if last => lease.wait(units),
                Standing::Ask => {
                    is_short = true;
                    Duration::ZERO
                }
            };
            opinions.push(Opinion { limit, units, wait, used: lease.used(), left: lease.left() });
        }
        if let Some(refusal) = refusal(&opinions, subject) {
            return Look::Over(Err(refusal));
        }
        let mut questions = Vec::new();
        let mut ask = |claim: &Claim<'_>, ask: Option<_>| {
            questions.extend(ask.map(|ask| (claim.key, ask)));
        };
        if is_short {
            waiting.get_or_insert_with(|| Waiting::begin(book, &mut leases, claims));
            for claim in claims {
                if let Some(lease) = leases.get_mut(claim.key)
                    && lease.standing(claim.units, &terms) == Standing::Ask
                {
                    ask(claim, lease.ask(claim.units, &terms));
                }
            }
            return Look::Short(questions);
        }
        let mut allowances = Vec::with_capacity(claims.len());
        for claim in claims {
            if let Some(lease) = leases.get_mut(claim.key) {
                lease.take(claim.units, terms.now);
                allowances.push((claim.limit.measure, lease.left()));
                ask(claim, lease.top_up(&terms));
            }
        }
        drop(leases);
        book.launch(questions);
        let ledger: Arc<Book> = Arc::clone(book);
        Look::Over(Ok(Permit::new(ledger, claims, left(allowances.into_iter()))))
    }

    /// A caller's patience is over. If it waits for an answer that has been awaited for as long, the
    /// place is lost.
    fn overdue(&self, book: &Book, claims: &[Claim<'_>]) {
        let patience = self.link.sharing.config.patience;
        let leases = lock(&book.leases);
        let awaited = claims.iter().filter_map(|claim| leases.get(claim.key)?.awaited_for());
        let is_late = awaited.max().is_some_and(|awaited| awaited >= patience);
        drop(leases);
        if is_late {
            self.link.lose(&format!("no answer within {} ms", patience.as_millis()));
        }
    }
}

/// What a caller waits for, until it does not any more.
struct Waiting {
    book: Arc<Book>,
    units: Vec<(u64, u64)>,
}

impl Waiting {
    fn begin(book: &Arc<Book>, leases: &mut Counters<Lease>, claims: &[Claim<'_>]) -> Self {
        let units: Vec<_> = claims.iter().map(|claim| (claim.key, claim.units)).collect();
        for (key, units) in &units {
            if let Some(lease) = leases.get_mut(*key) {
                lease.await_units(*units);
            }
        }
        Self { book: Arc::clone(book), units }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut leases = lock(&self.book.leases);
        for (key, units) in &self.units {
            if let Some(lease) = leases.get_mut(*key) {
                lease.await_no_longer(*units);
            }
        }
    }
}
