//! The refusal of a call that a budget could not bear.

use std::time::Duration;

use kernel::limit::LimitScope;
use kernel::{Budget, BudgetId, Money, Period, Timestamp};

use super::account::{Account, Weather};
use super::budgets::Want;
use crate::Subject;
use crate::refusal::{place, told};

/// A budget that cannot bear the call.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "Budget reached {}{}: of {} for this {period}, {} is spent and {} reserved by calls under way; \
     this call may cost {}. {}The {period} ends at {ends}. {}.",
    place(*scope, subject.as_deref()),
    of_model(model.as_deref()),
    dollars(*amount),
    dollars(*spent),
    dollars(*reserved),
    dollars(*requested),
    why(*shortfall),
    advice(*amount, *requested, *retry_after)
)]
pub struct BudgetReached {
    /// The budget.
    pub budget: BudgetId,
    /// Whose spending it counts together.
    pub scope: LimitScope,
    /// Which one of that scope; `None` for an end user, whose name belongs in no log.
    pub subject: Option<String>,
    /// The model alias that it counts calls of; `None`: of all models.
    pub model: Option<String>,
    /// Day or month.
    pub period: Period,
    /// How much may be spent in it.
    pub amount: Money,
    /// How much is spent.
    pub spent: Money,
    /// How much is held for calls under way, on all nodes.
    pub reserved: Money,
    /// How much the call may cost.
    pub requested: Money,
    /// When the period ends.
    pub ends: Timestamp,
    /// What is short.
    pub shortfall: Shortfall,
    /// How long to wait before the call may pass; `None` where waiting does not help.
    pub retry_after: Option<Duration>,
}

/// What is short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shortfall {
    /// The budget itself.
    Budget,
    /// This node's share of it, which is all that it may spend while the database does not answer.
    Share(Money),
    /// Room in this node's memory for one more account.
    Room,
}

/// It is worth asking again when other calls may have ended.
const SOON: Duration = Duration::from_secs(1);

/// A client that is told to wait for longer had better be told not to.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

impl BudgetReached {
    /// Of an account that has too little left.
    pub(super) fn new(
        want: &Want<'_>,
        subject: &Subject<'_>,
        account: &Account,
        weather: Weather,
        requested: i64,
        now: Timestamp,
    ) -> Self {
        let amount = account.amount;
        let (spent, left) = account.known.map_or((0, 0), |known| (known.spent, known.left.max(0)));
        let spent = spent.saturating_add(account.waiting);
        let idle = account.free(weather).max(0);
        let reserved = match account.known {
            Some(_) => amount.saturating_sub(spent).saturating_sub(left).saturating_sub(idle),
            None => account.under_way,
        };
        let shortfall = match weather.away {
            true => Shortfall::Share(Money::from_nanos(account.allowance(weather))),
            false => Shortfall::Budget,
        };
        let mut reached = Self::of(want, subject, shortfall);
        reached.spent = Money::from_nanos(spent);
        reached.reserved = Money::from_nanos(reserved.max(0));
        reached.requested = Money::from_nanos(requested);
        let until_end = want.period.end.since(now);
        reached.retry_after = if requested > amount {
            None
        } else if weather.away || amount.saturating_sub(spent) >= requested {
            Some(SOON)
        } else {
            Some(until_end).filter(|wait| *wait <= LONGEST_WAIT)
        };
        reached
    }

    /// Of an account that there is no room for.
    pub(super) fn no_room(want: &Want<'_>, subject: &Subject<'_>) -> Self {
        Self { retry_after: Some(SOON), ..Self::of(want, subject, Shortfall::Room) }
    }

    fn of(want: &Want<'_>, subject: &Subject<'_>, shortfall: Shortfall) -> Self {
        let Budget { id, scope, model, period, amount, .. } = want.budget;
        Self {
            budget: id.clone(),
            scope: *scope,
            subject: told(*scope, subject),
            model: model.clone(),
            period: *period,
            amount: *amount,
            spent: Money::ZERO,
            reserved: Money::ZERO,
            requested: Money::ZERO,
            ends: want.period.end,
            shortfall,
            retry_after: None,
        }
    }

    /// The longer of two waits is told, so that who waits that long is not refused by the other.
    pub(super) fn later(self, other: Self) -> Self {
        let wait = |reached: &Self| reached.retry_after.unwrap_or(Duration::MAX);
        if wait(&other) > wait(&self) { other } else { self }
    }
}

fn of_model(model: Option<&str>) -> String {
    model.map(|model| format!(" on model {model}")).unwrap_or_default()
}

/// Dollars as people write them: at least two decimals, and no more zeros than that.
fn dollars(money: Money) -> String {
    let text = money.to_string();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let decimals = decimals.trim_end_matches('0');
    format!("${whole}.{decimals:0<2}")
}

fn why(shortfall: Shortfall) -> String {
    match shortfall {
        Shortfall::Budget => String::new(),
        Shortfall::Share(share) => format!(
            "The database does not answer, so this node may spend no more than the {} that it holds. ",
            dollars(share)
        ),
        Shortfall::Room => "This node counts as many accounts as it has room for. ".to_owned(),
    }
}

fn advice(amount: Money, requested: Money, retry_after: Option<Duration>) -> &'static str {
    if requested > amount {
        return "Shorten the input, ask for fewer output tokens, or have the budget raised";
    }
    match retry_after {
        Some(SOON) => "Try again when another call has ended",
        _ => "Ask for fewer output tokens, wait for the next one, or have the budget raised",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(scope: LimitScope, subject: Option<&str>, requested: i64) -> BudgetReached {
        BudgetReached {
            budget: "budget_1".into(),
            scope,
            subject: subject.map(Into::into),
            model: None,
            period: Period::Day,
            amount: Money::from_nanos(1_000_000_000),
            spent: Money::from_nanos(987_600_000),
            reserved: Money::from_nanos(10_000_000),
            requested: Money::from_nanos(requested),
            ends: Timestamp::from_secs(86_400),
            shortfall: Shortfall::Budget,
            retry_after: Some(SOON),
        }
    }

    #[test]
    fn a_refusal_says_which_budget_where_and_when() {
        let waits = reached(LimitScope::Project, Some("proj_1"), 5_000_000);
        assert_eq!(
            waits.to_string(),
            "Budget reached in project proj_1: of $1.00 for this day, $0.9876 is spent and $0.01 \
             reserved by calls under way; this call may cost $0.005. The day ends at \
             1970-01-02T00:00:00Z. Try again when another call has ended."
        );
        let share = Shortfall::Share(Money::from_nanos(100_000_000));
        let mut user = reached(LimitScope::User, None, 5_000_000);
        (user.model, user.shortfall, user.retry_after) = (Some("gpt".into()), share, None);
        assert_eq!(
            user.to_string(),
            "Budget reached for the end user named by the request on model gpt: of $1.00 for this \
             day, $0.9876 is spent and $0.01 reserved by calls under way; this call may cost \
             $0.005. The database does not answer, so this node may spend no more than the $0.10 \
             that it holds. The day ends at 1970-01-02T00:00:00Z. Ask for fewer output tokens, wait \
             for the next one, or have the budget raised."
        );
        let never = reached(LimitScope::Organization, Some("org-1"), 2_000_000_000).to_string();
        assert!(never.ends_with("ask for fewer output tokens, or have the budget raised."));
    }
}
