//! `GET /v1/organization/projects/{project_id}/service_accounts/{service_account_id}`

use axum::Json;
use axum::extract::State;

use super::ServiceAccount;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Retrieve a service account.
#[utoipa::path(
    get,
    path = "/v1/organization/projects/{project_id}/service_accounts/{service_account_id}",
    operation_id = "retrieveProjectServiceAccount",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
        ("service_account_id" = String, Path, description = "The service account's id."),
    ),
    responses(
        (status = 200, description = "The service account.", body = ServiceAccount),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    admin: Admin,
    Ids((project, account)): Ids<(String, String)>,
) -> Result<Json<ServiceAccount>, Problem> {
    let scope = admin.within(&project);
    let account = app.administration.service_account_get(&scope, &account.into()).await?;
    Ok(Json(account.into()))
}
