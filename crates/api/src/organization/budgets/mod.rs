//! `/v1/organization/budgets`: Kijun's own.

pub(super) mod change;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod list;
pub(super) mod retrieve;

use std::collections::HashMap;

use kernel::{BudgetId, Money, Scope};
use serde::{Deserialize, Serialize};
use store::{BudgetAlert, BudgetRow, BudgetStanding, NotificationChannel};
use utoipa::ToSchema;

use super::limits::LimitScope;
use super::list::Listed;
use crate::App;
use crate::problem::Problem;

/// How much money may be spent in a day or a month.
#[derive(Serialize, ToSchema)]
pub(crate) struct Budget {
    /// Always `organization.budget`.
    object: &'static str,
    /// Its id.
    id: String,
    /// Whose spending is counted together.
    scope: LimitScope,
    /// Only this one of the scope; null: each one, counted apart.
    #[schema(required)]
    subject: Option<String>,
    /// Only calls of this model; null: of all together.
    #[schema(required)]
    model: Option<String>,
    /// The stretch of time that comes again and again.
    period: Period,
    /// The time zone in which days and months begin.
    #[schema(example = "Asia/Tokyo")]
    time_zone: String,
    /// How much may be spent in one period, in US dollars, as a decimal number.
    #[schema(example = "250.00")]
    amount: String,
    /// What happens when it is used up.
    enforcement: Enforcement,
    /// Who is told, and when.
    alerts: Vec<Alert>,
    /// How its present period stands: those that spent most first. Empty: nothing was spent.
    accounts: Vec<Account>,
    /// When it was made, in seconds since the Unix epoch.
    created_at: i64,
    /// When it was changed last.
    updated_at: i64,
}

/// What one subject has spent of a budget in its present period.
#[derive(Serialize, ToSchema)]
pub(crate) struct Account {
    /// Whose it is; null: all calls that the budget counts.
    #[schema(required)]
    subject: Option<String>,
    /// When the period began, in seconds since the Unix epoch.
    period_start: i64,
    /// When it ends.
    period_end: i64,
    /// What was spent, in US dollars.
    spent: String,
    /// What nodes hold for calls under way and those to come.
    reserved: String,
    /// What is left beside both.
    remaining: String,
}

/// Somebody who is told when this part of a budget is spent.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Alert {
    /// Percent of the amount.
    #[schema(minimum = 1, example = 80)]
    percent: u32,
    /// How they are told.
    channel: Channel,
}

/// How somebody is told. Webhooks hear of every alert that they ask for.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Channel {
    /// By e-mail.
    Email {
        /// Who gets one.
        recipients: Vec<String>,
        /// What the subject begins with.
        subject_prefix: Option<String>,
    },
}

/// A stretch of time that comes again and again.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Period {
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the first of the next.
    Month,
}

/// What happens when a budget is used up.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Enforcement {
    /// Calls that could take it over are refused.
    Hard,
    /// It is told, and calls go on.
    Soft,
}

impl From<Period> for kernel::Period {
    fn from(period: Period) -> Self {
        match period {
            Period::Day => Self::Day,
            Period::Month => Self::Month,
        }
    }
}

impl From<kernel::Period> for Period {
    fn from(period: kernel::Period) -> Self {
        match period {
            kernel::Period::Day => Self::Day,
            kernel::Period::Month => Self::Month,
        }
    }
}

impl From<Enforcement> for kernel::Enforcement {
    fn from(enforcement: Enforcement) -> Self {
        match enforcement {
            Enforcement::Hard => Self::Hard,
            Enforcement::Soft => Self::Soft,
        }
    }
}

impl From<kernel::Enforcement> for Enforcement {
    fn from(enforcement: kernel::Enforcement) -> Self {
        match enforcement {
            kernel::Enforcement::Hard => Self::Hard,
            kernel::Enforcement::Soft => Self::Soft,
        }
    }
}

impl From<Channel> for NotificationChannel {
    fn from(Channel::Email { recipients, subject_prefix }: Channel) -> Self {
        Self::Email { recipients, subject_prefix }
    }
}

impl From<NotificationChannel> for Channel {
    fn from(channel: NotificationChannel) -> Self {
        let NotificationChannel::Email { recipients, subject_prefix } = channel;
        Self::Email { recipients, subject_prefix }
    }
}

impl From<Alert> for BudgetAlert {
    fn from(Alert { percent, channel }: Alert) -> Self {
        Self { percent, channel: channel.into() }
    }
}

impl From<BudgetAlert> for Alert {
    fn from(BudgetAlert { percent, channel }: BudgetAlert) -> Self {
        Self { percent, channel: channel.into() }
    }
}

impl Budget {
    fn new(row: BudgetRow, accounts: Vec<BudgetStanding>) -> Self {
        let BudgetRow { budget, alerts, created_at, updated_at } = row;
        Self {
            object: "organization.budget",
            id: budget.id.to_string(),
            scope: budget.scope.into(),
            subject: budget.subject,
            model: budget.model,
            period: budget.period.into(),
            time_zone: budget.zone.name().to_owned(),
            amount: budget.amount.to_string(),
            enforcement: budget.enforcement.into(),
            alerts: alerts.into_iter().map(Into::into).collect(),
            accounts: accounts.into_iter().map(Account::new).collect(),
            created_at: created_at.as_secs(),
            updated_at: updated_at.as_secs(),
        }
    }
}

impl Account {
    fn new(standing: BudgetStanding) -> Self {
        let BudgetStanding { account, amount, spent, leased, period, .. } = standing;
        let left = amount.as_nanos() - spent.as_nanos() - leased.as_nanos();
        Self {
            subject: Some(account.subject).filter(|subject| !subject.is_empty()),
            period_start: period.start.as_secs(),
            period_end: period.end.as_secs(),
            spent: spent.to_string(),
            reserved: leased.to_string(),
            remaining: Money::from_nanos(left.max(0)).to_string(),
        }
    }
}

impl Listed for Budget {
    fn id(&self) -> &str {
        &self.id
    }
}

/// Budgets with how they stand.
async fn standing(app: &App, scope: &Scope, rows: Vec<BudgetRow>) -> Result<Vec<Budget>, Problem> {
    let ids: Vec<BudgetId> = rows.iter().map(|row| row.budget.id.clone()).collect();
    let mut accounts: HashMap<BudgetId, Vec<BudgetStanding>> = HashMap::new();
    for standing in app.store.budget_standing(scope, &ids).await? {
        accounts.entry(standing.account.budget.clone()).or_default().push(standing);
    }
    let with = |row: BudgetRow| {
        let accounts = accounts.remove(&row.budget.id).unwrap_or_default();
        Budget::new(row, accounts)
    };
    Ok(rows.into_iter().map(with).collect())
}

/// One budget with how it stands.
async fn one(app: &App, scope: &Scope, row: BudgetRow) -> Result<Budget, Problem> {
    let id = std::slice::from_ref(&row.budget.id);
    let accounts = app.store.budget_standing(scope, id).await?;
    Ok(Budget::new(row, accounts))
}

/// An amount of money as clients write it.
fn amount(text: &str) -> Result<Money, Problem> {
    Money::parse_dollars(text).map_err(|wrong| Problem::invalid("amount", wrong))
}
