//! `DELETE /v1/organization/spend_limit`, and of a project.

use axum::Json;
use axum::extract::State;

use super::{Of, SpendLimitDeleted};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Delete the organization's hard spend limit.
#[utoipa::path(
    delete,
    path = "/v1/organization/spend_limit",
    operation_id = "deleteOrganizationSpendLimit",
    tag = "Administration",
    responses(
        (status = 200, description = "It is deleted.", body = SpendLimitDeleted),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn of_organization(
    State(app): State<App>,
    admin: Admin,
) -> Result<Json<SpendLimitDeleted>, Problem> {
    delete(&app, &admin, &Of::Organization, "organization.spend_limit.deleted").await
}

/// Delete a project's hard spend limit.
#[utoipa::path(
    delete,
    path = "/v1/organization/projects/{project_id}/spend_limit",
    operation_id = "deleteProjectSpendLimit",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
    ),
    responses(
        (status = 200, description = "It is deleted.", body = SpendLimitDeleted),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn of_project(
    State(app): State<App>,
    admin: Admin,
    Ids(project): Ids<String>,
) -> Result<Json<SpendLimitDeleted>, Problem> {
    delete(&app, &admin, &Of::Project(project), "project.spend_limit.deleted").await
}

async fn delete(
    app: &App,
    admin: &Admin,
    of: &Of,
    object: &'static str,
) -> Result<Json<SpendLimitDeleted>, Problem> {
    let row = of.found(app, &admin.scope).await?;
    let store = app.store.by(&admin.actor);
    admission::budgets::delete(&store, &admin.scope, &row.budget.id).await?;
    app.gateway.see_change().await;
    Ok(Json(SpendLimitDeleted { object, deleted: true }))
}
