//! `GET /v1/organization/projects/{project_id}/api_keys`

use axum::Json;
use axum::extract::State;
use store::ProjectStatus;
use utoipa::ToSchema;

use super::ProjectApiKey;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::list::{List, PageParams};
use crate::organization::query::Query;
use crate::problem::Problem;

const ACCESS: [(&str, Option<ProjectStatus>); 3] = [
    ("active", Some(ProjectStatus::Active)),
    ("inactive", Some(ProjectStatus::Archived)),
    ("any", None),
];

/// What the words of [`ACCESS`] are.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "it describes the words that are read")]
enum AccessWord {
    Active,
    Inactive,
    Any,
}

/// List the API keys of a project that are not revoked, oldest first.
#[utoipa::path(
    get,
    path = "/v1/organization/projects/{project_id}/api_keys",
    operation_id = "listProjectApiKeys",
    tag = "Administration",
    params(
        PageParams,
        ("project_id" = String, Path, description = "The project's id."),
        ("owner_project_access" = inline(Option<AccessWord>), Query, description = "`active`, `inactive` or `any`: keys whose project works, is archived, or either.", nullable = false),
    ),
    responses(
        (status = 200, description = "A page of keys.", body = List<ProjectApiKey>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    admin: Admin,
    Ids(project): Ids<String>,
    mut query: Query,
) -> Result<Json<List<ProjectApiKey>>, Problem> {
    let page = query.page()?;
    let access = query.word("owner_project_access", &ACCESS)?.flatten();
    query.finish()?;
    let scope = admin.within(&project);
    let project = app.administration.project_get(&scope, &project.into()).await?;
    if access.is_some_and(|access| access != project.status()) {
        return Ok(Json(List::new(Vec::new(), false)));
    }
    let keys = app.administration.api_key_list(&scope, &project.id, &page).await?;
    let mut shown = Vec::with_capacity(keys.data.len());
    for key in keys.data {
        shown.push(ProjectApiKey::of(&app, &scope, key).await?);
    }
    Ok(Json(List::new(shown, keys.has_more)))
}
