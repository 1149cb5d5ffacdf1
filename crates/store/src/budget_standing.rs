//! How budgets stand: what is spent of each account, and what nodes hold on top of that.

use std::ops::Range;

use kernel::{BudgetId, Money, Scope, Timestamp};

use crate::columns::Columns;
use crate::spend::SpendAccount;
use crate::spend_lease::alive_since;
use crate::{BudgetRow, Store, StoreError};

/// How one account of a budget stands in a period.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BudgetStanding {
    /// The account.
    pub account: SpendAccount,
    /// The budget's amount.
    pub amount: Money,
    /// What the records in the ledger have spent.
    pub spent: Money,
    /// What nodes hold on top of that, for calls under way and those to come.
    pub leased: Money,
    /// The least that a call needed in this period and there was not left then.
    pub refused: Option<Money>,
    /// From when to when the period lasts.
    pub period: Range<Timestamp>,
}

impl BudgetStanding {
    /// What nobody has spent or holds.
    pub fn left(&self) -> Money {
        Money::from_nanos(self.amount.as_nanos() - self.spent.as_nanos() - self.leased.as_nanos())
    }

    /// Whether calls are refused, if the budget is a hard one: all is spent, or what is left is less
    /// than a call needed that was refused before.
    pub fn refuses(&self) -> bool {
        self.spent >= self.amount || self.refused.is_some_and(|needed| self.left() < needed)
    }
}

/// Standings of one budget that are told at once.
const MOST_STANDINGS: i64 = 10_000;

impl Store {
    /// How the present periods of some budgets of the scope's organisation stand: every account that
    /// something was spent of, those first that spent most. A budget that counts all its calls
    /// together has one, from its first call on.
    pub async fn budget_standing(
        &self,
        scope: &Scope,
        ids: &[BudgetId],
    ) -> Result<Vec<BudgetStanding>, StoreError> {
        self.budget_standing_at(scope, ids, self.now()).await
    }

    /// The same of the periods around a moment, by the amounts of today.
    pub async fn budget_standing_at(
        &self,
        scope: &Scope,
        ids: &[BudgetId],
        at: Timestamp,
    ) -> Result<Vec<BudgetStanding>, StoreError> {
        let alive_since = alive_since(self.now());
        let budgets = self.budget_list(scope).await?;
        let mut all = Vec::new();
        for BudgetRow { budget, .. } in &budgets {
            if !ids.contains(&budget.id) {
                continue;
            }
            let period = budget.period.around(at, &budget.zone);
            let rows = sqlx::query(
                "SELECT s.subject, s.spent, s.refused, CAST(COALESCE((
                     SELECT SUM(l.amount) FROM spend_lease l
                     JOIN spend_holder h ON h.holder = l.holder AND h.renewed_at > $3
                     WHERE l.budget_id = s.budget_id AND l.subject = s.subject
                       AND l.period_start = s.period_start), 0) AS BIGINT) AS leased
                 FROM spend s WHERE s.budget_id = $1 AND s.period_start = $2
                 ORDER BY s.spent DESC, s.subject LIMIT $4",
            )
            .bind(budget.id.as_str())
            .bind(period.start.as_micros())
            .bind(alive_since.as_micros())
            .bind(MOST_STANDINGS)
            .fetch_all(&mut *self.read().await?)
            .await?;
            for row in &rows {
                all.push(BudgetStanding {
                    account: SpendAccount {
                        budget: budget.id.clone(),
                        subject: row.text("subject")?,
                        period_start: period.start,
                    },
                    amount: budget.amount,
                    spent: Money::from_nanos(row.number("spent")?),
                    leased: Money::from_nanos(row.number("leased")?),
                    refused: row.number_or_null("refused")?.map(Money::from_nanos),
                    period: period.clone(),
                });
            }
        }
        Ok(all)
    }
}
