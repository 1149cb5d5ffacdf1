//! `DELETE /v1/organization/spend_alerts/{alert_id}`, and of a project.

use axum::Json;
use axum::extract::State;

use super::project;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::deleted::Deleted;
use crate::problem::Problem;

/// Delete a spend alert of the organization.
#[utoipa::path(
    delete,
    path = "/v1/organization/spend_alerts/{alert_id}",
    operation_id = "deleteOrganizationSpendAlert",
    tag = "Administration",
    params(
        ("alert_id" = String, Path, description = "The alert's id."),
    ),
    responses(
        (status = 200, description = "It is deleted.", body = Deleted),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn of_organization(
    State(app): State<App>,
    admin: Admin,
    Ids(alert): Ids<String>,
) -> Result<Json<Deleted>, Problem> {
    let id = alert.as_str().into();
    app.store.by(&admin.actor).spend_alert_delete(&admin.scope, &id).await?;
    Ok(Json(Deleted::new("organization.spend_alert.deleted", alert)))
}

/// Delete a spend alert of a project.
#[utoipa::path(
    delete,
    path = "/v1/organization/projects/{project_id}/spend_alerts/{alert_id}",
    operation_id = "deleteProjectSpendAlert",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
        ("alert_id" = String, Path, description = "The alert's id."),
    ),
    responses(
        (status = 200, description = "It is deleted.", body = Deleted),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn of_project(
    State(app): State<App>,
    admin: Admin,
    Ids((id, alert)): Ids<(String, String)>,
) -> Result<Json<Deleted>, Problem> {
    let scope = project(&app, &admin, &id).await?;
    app.store.by(&admin.actor).spend_alert_delete(&scope, &alert.as_str().into()).await?;
    Ok(Json(Deleted::new("project.spend_alert.deleted", alert)))
}
