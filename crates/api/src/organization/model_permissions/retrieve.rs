//! `GET /v1/organization/projects/{project_id}/model_permissions`

use axum::Json;
use axum::extract::State;

use super::ModelPermissions;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Retrieve which models a project may use.
#[utoipa::path(
    get,
    path = "/v1/organization/projects/{project_id}/model_permissions",
    operation_id = "retrieveProjectModelPermissions",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
    ),
    responses(
        (status = 200, description = "The list.", body = ModelPermissions),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    admin: Admin,
    Ids(project): Ids<String>,
) -> Result<Json<ModelPermissions>, Problem> {
    let project = app.administration.project_get(&admin.scope, &project.into()).await?;
    Ok(Json(project.models.into()))
}
