//! `/v1/organization/spend_limit`, and the same of a project: OpenAI's hard limits of what a month may
//! cost. Here each is a hard [budget](super::budgets) by the month, in UTC unless it was made there in
//! another time zone, and shows there, too.

pub(super) mod delete;
pub(super) mod retrieve;
pub(super) mod update;

use kernel::limit::LimitScope;
use kernel::{BudgetId, Enforcement, Money, Period, Scope};
use serde::{Deserialize, Serialize};
use store::{BudgetRow, BudgetStanding};
use utoipa::ToSchema;

use crate::App;
use crate::problem::Problem;

/// Nano-dollars in a cent.
pub(super) const CENT: i64 = 10_000_000;
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
    /// `enforcing` while there is less left than a call needed that was refused, or nothing; else
    /// `inactive`.
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
        let refuses = standing.iter().any(BudgetStanding::refuses);
        let status = if refuses { "enforcing" } else { "inactive" };
        Ok(SpendLimit {
            object: self.object(),
            threshold_amount: amount.as_nanos() / CENT,
            currency: "USD",
            interval: "month",
            enforcement: LimitEnforcement { status },
        })
    }
}
