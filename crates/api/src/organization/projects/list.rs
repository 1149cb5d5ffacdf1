//! `GET /v1/organization/projects`

use axum::Json;
use axum::extract::State;

use super::Project;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::list::{List, PageParams};
use crate::organization::query::Query;
use crate::problem::Problem;

/// List the projects, oldest first.
#[utoipa::path(
    get,
    path = "/v1/organization/projects",
    operation_id = "listProjects",
    tag = "Administration",
    params(
        PageParams,
        ("include_archived" = Option<bool>, Query, description = "Archived ones too.", nullable = false),
    ),
    responses(
        (status = 200, description = "A page of projects.", body = List<Project>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    admin: Admin,
    mut query: Query,
) -> Result<Json<List<Project>>, Problem> {
    let mut page = query.page()?;
    page.include_archived = query.flag("include_archived")?.unwrap_or(false);
    query.finish()?;
    let projects = app.administration.project_list(&admin.scope, &page).await?;
    Ok(Json(List::of(projects, Project::from)))
}
