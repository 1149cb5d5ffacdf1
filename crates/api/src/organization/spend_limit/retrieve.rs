//! `GET /v1/organization/spend_limit`, and of a project.

use axum::Json;
use axum::extract::State;
use kernel::Scope;

use super::{Of, SpendLimit};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Get the organization's hard spend limit.
#[utoipa::path(
    get,
    path = "/v1/organization/spend_limit",
    operation_id = "getOrganizationSpendLimit",
    tag = "Administration",
    responses(
        (status = 200, description = "The limit.", body = SpendLimit),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn of_organization(
    State(app): State<App>,
    admin: Admin,
) -> Result<Json<SpendLimit>, Problem> {
    retrieve(&app, &admin.scope, &Of::Organization).await
}

/// Get a project's hard spend limit.
#[utoipa::path(
    get,
    path = "/v1/organization/projects/{project_id}/spend_limit",
    operation_id = "getProjectSpendLimit",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
    ),
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
) -> Result<Json<SpendLimit>, Problem> {
    retrieve(&app, &admin.scope, &Of::Project(project)).await
}

async fn retrieve(app: &App, scope: &Scope, of: &Of) -> Result<Json<SpendLimit>, Problem> {
    let budget = of.found(app, scope).await?.budget;
    Ok(Json(of.shown(app, scope, &budget.id, budget.amount).await?))
}
