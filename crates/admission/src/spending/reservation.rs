//! What a call has reserved, from when it may go out until it is settled.

use kernel::Money;

use super::Spending;
use super::accounts::Part;
use super::experience::Kind;

/// What one call has reserved of all its budgets. Dropped unsettled, it gives everything back.
#[derive(Debug)]
pub struct Reservation {
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    spending: Spending,
    parts: Vec<Part>,
    kind: Kind,
    estimate: Option<Money>,
}

impl Reservation {
    /// Of a call that no budget holds.
    pub const fn none() -> Self {
        Self { held: None }
    }

    pub(super) fn new(
        spending: Spending,
        parts: Vec<Part>,
        kind: Kind,
        estimate: Option<Money>,
    ) -> Self {
        Self { held: Some(Held { spending, parts, kind, estimate }) }
    }

    /// Puts what the call cost in place of what was reserved; `None`: it has no price, and counts
    /// nothing. It stays held until it was [carried](Spending::carried) to the ledger. To be called
    /// once, with the cost of the call's record, before the record is given to the journal.
    pub fn settle(&mut self, cost: Option<Money>) {
        if let Some(held) = self.held.take() {
            held.settle(cost);
        }
    }
}

impl Held {
    fn settle(self, cost: Option<Money>) {
        let Self { spending, parts, kind, estimate } = self;
        let now = spending.now();
        let cost = cost.unwrap_or(Money::ZERO);
        spending.with(|accounts| {
            accounts.settle(&parts, cost, now);
            if let Some(estimate) = estimate {
                accounts.learn(kind, estimate, cost);
            }
        });
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.settle(None);
    }
}
