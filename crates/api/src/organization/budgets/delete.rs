//! `DELETE /v1/organization/budgets/{budget_id}`

use axum::Json;
use axum::extract::State;

use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::deleted::Deleted;
use crate::problem::Problem;

/// Delete a budget. Kijun's own.
#[utoipa::path(
    delete,
    path = "/v1/organization/budgets/{budget_id}",
    operation_id = "deleteBudget",
    tag = "Administration",
    params(
        ("budget_id" = String, Path, description = "The budget's id."),
    ),
    responses(
        (status = 200, description = "It is deleted.", body = Deleted),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn delete(
    State(app): State<App>,
    admin: Admin,
    Ids(budget): Ids<String>,
) -> Result<Json<Deleted>, Problem> {
    let id = budget.as_str().into();
    admission::budgets::delete(&app.store.by(&admin.actor), &admin.scope, &id).await?;
    app.gateway.see_change().await;
    Ok(Json(Deleted::new("organization.budget.deleted", budget)))
}
