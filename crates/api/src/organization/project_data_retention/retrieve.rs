//! `GET /v1/organization/projects/{project_id}/data_retention`

use axum::Json;
use axum::extract::State;
use retention::settings;

use super::{ProjectDataRetention, scope_of};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Retrieve how long a project's content is kept.
#[utoipa::path(
    get,
    path = "/v1/organization/projects/{project_id}/data_retention",
    operation_id = "retrieveProjectDataRetention",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
    ),
    responses(
        (status = 200, description = "What is set.", body = ProjectDataRetention),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    admin: Admin,
    Ids(project): Ids<String>,
) -> Result<Json<ProjectDataRetention>, Problem> {
    Ok(Json(settings::get(&app.store, &scope_of(admin, project)).await?.into()))
}
