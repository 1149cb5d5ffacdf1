//! `GET /v1/organization/projects/{project_id}/service_accounts`

use axum::Json;
use axum::extract::State;

use super::ServiceAccount;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::list::{List, PageParams};
use crate::organization::query::Query;
use crate::problem::Problem;

/// List the service accounts of a project, oldest first.
#[utoipa::path(
    get,
    path = "/v1/organization/projects/{project_id}/service_accounts",
    operation_id = "listProjectServiceAccounts",
    tag = "Administration",
    params(
        PageParams,
        ("project_id" = String, Path, description = "The project's id."),
    ),
    responses(
        (status = 200, description = "A page of service accounts.", body = List<ServiceAccount>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    admin: Admin,
    Ids(project): Ids<String>,
    mut query: Query,
) -> Result<Json<List<ServiceAccount>>, Problem> {
    let page = query.page()?;
    query.finish()?;
    let accounts =
        app.administration.service_account_list(&admin.scope, &project.into(), &page).await?;
    Ok(Json(List::of(accounts, ServiceAccount::from)))
}
