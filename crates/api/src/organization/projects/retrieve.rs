//! `GET /v1/organization/projects/{project_id}`

use axum::Json;
use axum::extract::State;

use super::Project;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Retrieve a project, archived or not.
#[utoipa::path(
    get,
    path = "/v1/organization/projects/{project_id}",
    operation_id = "retrieveProject",
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
pub(crate) async fn retrieve(
    State(app): State<App>,
    admin: Admin,
    Ids(project): Ids<String>,
) -> Result<Json<Project>, Problem> {
    let project = app.administration.project_get(&admin.scope, &project.into()).await?;
    Ok(Json(project.into()))
}
