//! `GET /v1/organization/projects/{project_id}/api_keys/{api_key_id}`

use axum::Json;
use axum::extract::State;

use super::{ProjectApiKey, living};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Retrieve an API key.
#[utoipa::path(
    get,
    path = "/v1/organization/projects/{project_id}/api_keys/{api_key_id}",
    operation_id = "retrieveProjectApiKey",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
        ("api_key_id" = String, Path, description = "The key's id."),
    ),
    responses(
        (status = 200, description = "The key.", body = ProjectApiKey),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    admin: Admin,
    Ids((project, key)): Ids<(String, String)>,
) -> Result<Json<ProjectApiKey>, Problem> {
    let scope = admin.within(&project);
    let key = living(&app, &scope, &key).await?;
    Ok(Json(ProjectApiKey::of(&app, &scope, key).await?))
}
