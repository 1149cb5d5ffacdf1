//! `POST /v1/organization/spend_limit`, and of a project.

use axum::Json;
use axum::extract::State;
use kernel::{Enforcement, Money, Period, Zone};
use store::{BudgetChange, NewBudget};

use super::{CENT, Currency, Interval, Of, SpendLimit, SpendLimitToSet};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// Create or replace the organization's hard spend limit.
#[utoipa::path(
    post,
    path = "/v1/organization/spend_limit",
    operation_id = "updateOrganizationSpendLimit",
    tag = "Administration",
    request_body = SpendLimitToSet,
    responses(
        (status = 200, description = "The limit.", body = SpendLimit),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn of_organization(
    State(app): State<App>,
    admin: Admin,
    Sent(wish): Sent<SpendLimitToSet>,
) -> Result<Json<SpendLimit>, Problem> {
    update(&app, &admin, &Of::Organization, &wish).await
}

/// Create or replace a project's hard spend limit.
#[utoipa::path(
    post,
    path = "/v1/organization/projects/{project_id}/spend_limit",
    operation_id = "updateProjectSpendLimit",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
    ),
    request_body = SpendLimitToSet,
    responses(
        (status = 200, description = "The limit.", body = SpendLimit),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn of_project(
    State(app): State<App>,
    admin: Admin,
    Ids(project): Ids<String>,
    Sent(wish): Sent<SpendLimitToSet>,
) -> Result<Json<SpendLimit>, Problem> {
    update(&app, &admin, &Of::Project(project), &wish).await
}

async fn update(
    app: &App,
    admin: &Admin,
    of: &Of,
    wish: &SpendLimitToSet,
) -> Result<Json<SpendLimit>, Problem> {
    let SpendLimitToSet { threshold_amount, currency: Currency::Usd, interval: Interval::Month } =
        wish;
    let Some(nanos) = threshold_amount.checked_mul(CENT).filter(|nanos| *nanos > 0) else {
        let message = "`threshold_amount` must be a number of cents, 1 or more";
        return Err(Problem::invalid("threshold_amount", message));
    };
    let (scope, amount) = (&admin.scope, Money::from_nanos(nanos));
    let store = app.store.by(&admin.actor);
    let row = match of.find(app, scope).await? {
        Some(row) => {
            let to = BudgetChange { amount: Some(amount), ..BudgetChange::default() };
            admission::budgets::change(&store, scope, &row.budget.id, to).await?
        }
        None => {
            let new = NewBudget {
                scope: of.scope(),
                subject: of.subject().map(str::to_owned),
                model: None,
                period: Period::Month,
                zone: Zone::utc(),
                amount,
                enforcement: Enforcement::Hard,
                alerts: Vec::new(),
            };
            admission::budgets::create(&store, scope, new).await?
        }
    };
    app.gateway.see_change().await;
    Ok(Json(of.shown(app, scope, &row.budget.id, amount).await?))
}
