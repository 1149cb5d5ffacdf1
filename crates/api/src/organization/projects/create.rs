//! `POST /v1/organization/projects`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Project;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// A project to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectToCreate {
    /// What people call it: 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200, example = "Team 5")]
    name: String,
}

/// Make a project.
#[utoipa::path(
    post,
    path = "/v1/organization/projects",
    operation_id = "createProject",
    tag = "Administration",
    request_body = ProjectToCreate,
    responses(
        (status = 200, description = "The project.", body = Project),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    admin: Admin,
    Sent(new): Sent<ProjectToCreate>,
) -> Result<Json<Project>, Problem> {
    let project =
        app.administration.by(&admin.actor).project_create(&admin.scope, &new.name).await?;
    app.gateway.see_change().await;
    Ok(Json(project.into()))
}
