//! `GET /v1/organization/deletions`

use axum::Json;
use axum::extract::State;
use kernel::Scope;

use super::Deletion;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::list::{List, PageParams};
use crate::organization::query::Query;
use crate::problem::Problem;

/// List the deletions of content that was past its time, the newest first. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/deletions",
    operation_id = "listDeletions",
    tag = "Administration",
    params(
        PageParams,
        ("project_id" = Option<String>, Query, description = "Deletions in this project.", nullable = false),
    ),
    responses(
        (status = 200, description = "A page of deletions.", body = List<Deletion>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    admin: Admin,
    mut query: Query,
) -> Result<Json<List<Deletion>>, Problem> {
    let page = query.page()?;
    let project = query.text("project_id")?.map(Into::into);
    query.finish()?;
    let scope = Scope { project, ..admin.scope };
    let deletions = app.store.deletion_list(&scope, &page).await?;
    Ok(Json(List::of(deletions, Deletion::from)))
}
