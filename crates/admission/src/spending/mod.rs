//! Hard budgets: a call reserves what it may cost before it goes out, and settles what it did cost
//! after, so that calls at once cannot together spend more than there is.
//!
//! Nodes lease parts of a budget from a [`Bank`], the database that they share, and reserve out of
//! these leases without asking anybody. What is spent and what is leased is together never more than
//! the budget. A call waits for the bank only where this node's lease does not hold enough, which is
//! seldom: leases are made larger before they run out. While the bank does not answer, each node
//! spends what it has leased, and not more.

mod account;
mod accounts;
mod bank;
mod budgets;
mod experience;
mod reached;
mod reservation;
mod teller;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::{Money, SharedClock, Timestamp};
use store::Spent;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::{Refusal, Subject};
use accounts::{Accounts, Taken};
use budgets::Want;
use teller::Answered;

pub use bank::{Bank, BankAnswer, StoreBank};
pub use budgets::Budgets;
pub use reached::{BudgetReached, Shortfall};
pub use reservation::Reservation;

/// Accounts that one node keeps at most: some 30 MB.
const MOST_ACCOUNTS: usize = 100_000;

/// How often a call asks the bank again because others took what was meant for it.
const ATTEMPTS: u32 = 5;

/// How a node spends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SpendingConfig {
    /// How long the bank may take for an answer before this node goes on by itself.
    pub patience: Duration,
    /// The part of a budget, in hundredths, that all nodes together may spend while the bank does
    /// not answer, of an account that they have no lease of.
    pub share_when_lost_percent: u32,
    /// Whether calls are refused that a hard budget holds and that have no price; else they pass,
    /// and count nothing.
    pub refuse_unpriced: bool,
}

impl Default for SpendingConfig {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(1),
            share_when_lost_percent: 10,
            refuse_unpriced: false,
        }
    }
}

/// What this node spends of all budgets. Clones are handles on the same.
#[derive(Clone, Debug)]
pub struct Spending(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    bank: Arc<dyn Bank>,
    clock: SharedClock,
    patience: Duration,
    refuse_unpriced: bool,
    accounts: Mutex<Accounts>,
    /// There is something to do with the bank.
    wake: Notify,
    answered: watch::Sender<Answered>,
}

impl Spending {
    /// A node that has spent nothing yet. It leases from this bank once it [runs](Spending::run).
    pub fn new(bank: Arc<dyn Bank>, clock: SharedClock, config: SpendingConfig) -> Self {
        Self::with_room(bank, clock, config, MOST_ACCOUNTS)
    }

    fn with_room(
        bank: Arc<dyn Bank>,
        clock: SharedClock,
        config: SpendingConfig,
        most_accounts: usize,
    ) -> Self {
        let accounts = Accounts::new(most_accounts, config.share_when_lost_percent, clock.now());
        Self(Arc::new(Parts {
            bank,
            clock,
            patience: config.patience,
            refuse_unpriced: config.refuse_unpriced,
            accounts: Mutex::new(accounts),
            wake: Notify::new(),
            answered: watch::Sender::default(),
        }))
    }

    /// The name under which this process leases: who carries records of its calls to the ledger says
    /// it there.
    pub fn holder(&self) -> &str {
        self.0.bank.holder()
    }

    /// Reserves what a call may cost of every hard budget that holds it: of all, or of none. It waits
    /// only where this node's leases do not hold enough. `at` is when the call arrived, which says
    /// whose day or month it is; a call without an `estimate` has no price, and no budget holds it.
    ///
    /// # Errors
    /// [`Refusal::BudgetReached`], of several budgets the one with the longest wait;
    /// [`Refusal::Unpriced`] where such calls do not pass.
    pub async fn reserve(
        &self,
        budgets: &Budgets,
        subject: &Subject<'_>,
        at: Timestamp,
        estimate: Option<Money>,
    ) -> Result<Reservation, Refusal> {
        let wants: Vec<Want<'_>> = budgets.holding(subject, at).collect();
        if wants.is_empty() {
            return Ok(Reservation::none());
        }
        if estimate.is_none() && self.0.refuse_unpriced {
            return Err(Refusal::Unpriced { model: subject.model.to_owned() });
        }
        let mut attempts = 1;
        loop {
            match self.take(&wants, subject, estimate, attempts >= ATTEMPTS) {
                Taken::Parts(parts, kind) => {
                    return Ok(Reservation::new(self.clone(), parts, kind, estimate));
                }
                Taken::Refused(reached) => return Err(Refusal::BudgetReached(reached)),
                Taken::Ask(number) if self.answered(number).await => attempts += 1,
                // Nobody goes to the bank.
                Taken::Ask(_) => attempts = ATTEMPTS,
            }
        }
    }

    fn take(
        &self,
        wants: &[Want<'_>],
        subject: &Subject<'_>,
        estimate: Option<Money>,
        last: bool,
    ) -> Taken {
        let now = self.now();
        self.with(|accounts| accounts.take(wants, subject, estimate, last, now))
    }

    /// Waits until the bank has answered question `number`, or is known not to answer. Returns
    /// false where neither came, though each question ends after one patience.
    async fn answered(&self, number: u64) -> bool {
        let mut answered = self.0.answered.subscribe();
        let arrived = answered.wait_for(|state| state.away || state.questions >= number);
        matches!(timeout(self.0.patience * 5, arrived).await, Ok(Ok(_)))
    }

    /// What these calls cost is in the ledger, which counts it from now on.
    pub fn carried(&self, spent: &[Spent]) {
        if !spent.is_empty() {
            self.with(|accounts| accounts.carried(spent));
        }
    }

    /// The journal has nothing left to carry. To be said whenever that is so: it lets go of costs
    /// whose records never came to the ledger, and at first of what earlier processes of this node
    /// had leased.
    pub fn all_carried(&self) {
        let now = self.now();
        self.with(|accounts| accounts.all_carried(now));
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Does something with the accounts, and wakes who goes to the bank if that is needed.
    fn with<T>(&self, work: impl FnOnce(&mut Accounts) -> T) -> T {
        // No code panics while it holds them, so a poisoned lock holds sound ones.
        let mut accounts = self.0.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let done = work(&mut accounts);
        let needed = accounts.bank_is_needed();
        drop(accounts);
        if needed {
            self.0.wake.notify_one();
        }
        done
    }
}

#[cfg(test)]
mod tests;
