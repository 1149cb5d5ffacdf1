//! `GET /v1/organization/budgets/{budget_id}`

use axum::Json;
use axum::extract::State;

use super::{Budget, one};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Retrieve a budget with how it stands. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/budgets/{budget_id}",
    operation_id = "retrieveBudget",
    tag = "Administration",
    params(
        ("budget_id" = String, Path, description = "The budget's id."),
    ),
    responses(
        (status = 200, description = "The budget.", body = Budget),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    admin: Admin,
    Ids(budget): Ids<String>,
) -> Result<Json<Budget>, Problem> {
    let row = app.store.budget_get(&admin.scope, &budget.into()).await?;
    Ok(Json(one(&app, &admin.scope, row).await?))
}
