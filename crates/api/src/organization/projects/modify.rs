//! `POST /v1/organization/projects/{project_id}`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Project;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// What changes of a project.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectChange {
    /// Its new name; without one it keeps its name.
    #[schema(min_length = 1, max_length = 200, example = "Team 6")]
    name: Option<String>,
}

/// Give a project another name.
#[utoipa::path(
    post,
    path = "/v1/organization/projects/{project_id}",
    operation_id = "modifyProject",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
    ),
    request_body = ProjectChange,
    responses(
        (status = 200, description = "The project.", body = Project),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn modify(
    State(app): State<App>,
    admin: Admin,
    Ids(project): Ids<String>,
    Sent(change): Sent<ProjectChange>,
) -> Result<Json<Project>, Problem> {
    let project = project.into();
    let project = match change.name {
        Some(name) => {
            app.administration
                .by(&admin.actor)
                .project_rename(&admin.scope, &project, &name)
                .await?
        }
        None => app.administration.project_get(&admin.scope, &project).await?,
    };
    app.gateway.see_change().await;
    Ok(Json(project.into()))
}
