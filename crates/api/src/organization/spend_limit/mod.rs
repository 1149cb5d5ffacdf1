//! `/v1/organization/spend_limit`, and the same of a project: OpenAI's hard limits of what a month may
//! cost. Here each is a hard [budget](super::budgets) by the month, in UTC unless it was made there in
//! another time zone, and shows there, too.

pub(super) mod delete;
pub(super) mod retrieve;
pub(super) mod update;

use kernel::limit::LimitScope;
use kernel::{BudgetId, Enforcement, Money, Period, Scope};
use serde::{Deserialize, Serialize};
use store::{BudgetRow, BudgetStanding, UsageQuery};
use utoipa::ToSchema;

use crate::App;
use crate::problem::Problem;

/// Nano-dollars in a cent.
pub(super) const CENT: i64 = 10_000_000;
/// Days of the longest month.
const MOST_DAYS: u32 = 31;

/// What a month may cost.
#[derive(Serialize, ToSchema)]
pub(crate) struct SpendLimit {
    /// `organization.spend_limit` or `project.spend_limit`.
    object: &'static str,
    /// How much, in cents.
    threshold_amount: i64,
    /// Always `USD`.
    currency: &'static str,
    /// Always `month`.
    interval: &'static str,
    /// Whether it refuses calls now.
    enforcement: LimitEnforcement,
}

/// Whether a limit refuses calls now.
#[derive(Serialize, ToSchema)]
pub(crate) struct LimitEnforcement {
    /// `enforcing` while too little is left for a call that costs as much as those of the month did,
    /// else `inactive`.
    status: &'static str,
}

/// What a month is to be allowed to cost.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpendLimitToSet {
    /// How much, in cents.
    #[schema(minimum = 1, example = 10_000)]
    threshold_amount: i64,
    /// Always `USD`.
    currency: Currency,
    /// Always `month`.
    interval: Interval,
}

/// The currency that amounts are in.
#[derive(Deserialize, ToSchema)]
pub(crate) enum Currency {
    #[serde(rename = "USD")]
    #[schema(rename = "USD")]
    Usd,
}

/// The stretch of time that a limit is for.
#[derive(Deserialize, ToSchema)]
pub(crate) enum Interval {
    #[serde(rename = "month")]
    #[schema(rename = "month")]
    Month,
}

/// It was deleted.
#[derive(Serialize, ToSchema)]
pub(crate) struct SpendLimitDeleted {
    /// `organization.spend_limit.deleted` or `project.spend_limit.deleted`.
    object: &'static str,
    /// Always true.
    deleted: bool,
}

/// Whose limit it is.
enum Of {
    Organization,
    Project(String),
}

impl Of {
    const fn object(&self) -> &'static str {
        match self {
            Self::Organization => "organization.spend_limit",
            Self::Project(_) => "project.spend_limit",
        }
    }

    fn scope(&self) -> LimitScope {
        match self {
            Self::Organization => LimitScope::Organization,
            Self::Project(_) => LimitScope::Project,
        }
    }

    fn subject(&self) -> Option<&str> {
        match self {
            Self::Organization => None,
            Self::Project(project) => Some(project),
        }
    }

    /// The budget that is this limit.
    async fn find(&self, app: &App, scope: &Scope) -> Result<Option<BudgetRow>, Problem> {
        if let Self::Project(project) = self {
            app.administration.project_get(scope, &project.as_str().into()).await?;
        }
        let is_this = |row: &BudgetRow| {
            let budget = &row.budget;
            budget.scope == self.scope()
                && budget.subject.as_deref() == self.subject()
                && budget.model.is_none()
                && budget.period == Period::Month
                && budget.enforcement == Enforcement::Hard
        };
        Ok(app.store.budget_list(scope).await?.into_iter().find(is_this))
    }

    async fn found(&self, app: &App, scope: &Scope) -> Result<BudgetRow, Problem> {
        let whose =
            self.subject().map_or("the organization".into(), |id| format!("project `{id}`"));
        self.find(app, scope).await?.ok_or_else(|| {
            let message = format!("{whose} has no spend limit; POST one to set it");
            Problem::new(404, "invalid_request_error", Some("not_found"), message)
        })
    }

    async fn shown(
        &self,
        app: &App,
        scope: &Scope,
        id: &BudgetId,
        amount: Money,
    ) -> Result<SpendLimit, Problem> {
        let standing = app.store.budget_standing(scope, std::slice::from_ref(id)).await?;
        let status = match standing.first() {
            Some(standing) if self.is_short(app, scope, standing).await? => "enforcing",
            _ => "inactive",
        };
        Ok(SpendLimit {
            object: self.object(),
            threshold_amount: amount.as_nanos() / CENT,
            currency: "USD",
            interval: "month",
            enforcement: LimitEnforcement { status },
        })
    }
    /// Whether what is left, beside what calls under way hold, is too little for a usual call: calls are
    /// refused for what they may cost, before all is spent.
    async fn is_short(
        &self,
        app: &App,
        scope: &Scope,
        standing: &BudgetStanding,
    ) -> Result<bool, Problem> {
        let BudgetStanding { amount, spent, leased, period, .. } = standing;
        let left = amount.as_nanos() - spent.as_nanos() - leased.as_nanos();
        let project = self.subject().map(Into::into);
        let whose = Scope { organization: scope.organization.clone(), project };
        let query = UsageQuery {
            end: Some(period.end),
            limit: Some(MOST_DAYS),
            ..UsageQuery::new(Vec::new(), period.start)
        };
        let month = app.store.usage(&whose, &query).await?;
        let rows = month.buckets.iter().flat_map(|day| &day.results);
        let (calls, cost) = rows.fold((0, Money::ZERO), |(calls, cost), row| {
            (calls + row.requests.saturating_sub(row.unpriced_requests), cost + row.cost)
        });
        let usual = cost.as_nanos() / i64::try_from(calls).unwrap_or(i64::MAX).max(1);
        Ok(left < usual.max(1))
    }
}
