//! `POST /v1/organization/projects/{project_id}/archive`

use axum::Json;
use axum::extract::State;

use super::Project;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Archive a project for good: its keys stop working, its records stay.
#[utoipa::path(
    post,
    path = "/v1/organization/projects/{project_id}/archive",
    operation_id = "archiveProject",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
    ),
    responses(
        (status = 200, description = "The project.", body = Project),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn archive(
    State(app): State<App>,
    admin: Admin,
    Ids(project): Ids<String>,
) -> Result<Json<Project>, Problem> {
    let project =
        app.administration.by(&admin.actor).project_archive(&admin.scope, &project.into()).await?;
    app.gateway.see_change().await;
    Ok(Json(project.into()))
}
