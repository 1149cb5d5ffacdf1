//! `POST /v1/organization/budgets/{budget_id}`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use store::BudgetChange;
use utoipa::ToSchema;

use super::{Alert, Budget, Enforcement, amount, one};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// What is to be another; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BudgetToChange {
    /// How much may be spent in one period, in US dollars, as a decimal number.
    #[schema(example = "300.00")]
    amount: Option<String>,
    /// What happens when it is used up.
    enforcement: Option<Enforcement>,
    /// Who is told, and when.
    alerts: Option<Vec<Alert>>,
}

/// Change a budget; it holds at once, and what was spent of it stays spent. Kijun's own.
#[utoipa::path(
    post,
    path = "/v1/organization/budgets/{budget_id}",
    operation_id = "changeBudget",
    tag = "Administration",
    params(
        ("budget_id" = String, Path, description = "The budget's id."),
    ),
    request_body = BudgetToChange,
    responses(
        (status = 200, description = "The budget.", body = Budget),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn change(
    State(app): State<App>,
    admin: Admin,
    Ids(budget): Ids<String>,
    Sent(change): Sent<BudgetToChange>,
) -> Result<Json<Budget>, Problem> {
    let to = BudgetChange {
        amount: change.amount.as_deref().map(amount).transpose()?,
        enforcement: change.enforcement.map(Into::into),
        alerts: change.alerts.map(|alerts| alerts.into_iter().map(Into::into).collect()),
    };
    let (store, id) = (app.store.by(&admin.actor), budget.into());
    let changed = admission::budgets::change(&store, &admin.scope, &id, to).await?;
    app.gateway.see_change().await;
    Ok(Json(one(&app, &admin.scope, changed).await?))
}
