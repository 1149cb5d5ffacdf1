//! `GET /v1/organization/spend_alerts/{alert_id}`, and of a project.

use axum::Json;
use axum::extract::State;

use super::{SpendAlert, project};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Retrieve a spend alert of the organization.
#[utoipa::path(
    get,
    path = "/v1/organization/spend_alerts/{alert_id}",
    operation_id = "retrieveOrganizationSpendAlert",
    tag = "Administration",
    params(
        ("alert_id" = String, Path, description = "The alert's id."),
    ),
    responses(
        (status = 200, description = "The alert.", body = SpendAlert),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn of_organization(
    State(app): State<App>,
    admin: Admin,
    Ids(alert): Ids<String>,
) -> Result<Json<SpendAlert>, Problem> {
    Ok(Json(app.store.spend_alert_get(&admin.scope, &alert.into()).await?.into()))
}

/// Retrieve a spend alert of a project.
#[utoipa::path(
    get,
    path = "/v1/organization/projects/{project_id}/spend_alerts/{alert_id}",
    operation_id = "retrieveProjectSpendAlert",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
        ("alert_id" = String, Path, description = "The alert's id."),
    ),
    responses(
        (status = 200, description = "The alert.", body = SpendAlert),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn of_project(
    State(app): State<App>,
    admin: Admin,
    Ids((id, alert)): Ids<(String, String)>,
) -> Result<Json<SpendAlert>, Problem> {
    let scope = project(&app, &admin, &id).await?;
    Ok(Json(app.store.spend_alert_get(&scope, &alert.into()).await?.into()))
}
