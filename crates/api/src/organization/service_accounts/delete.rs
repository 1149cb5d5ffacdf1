//! `DELETE /v1/organization/projects/{project_id}/service_accounts/{service_account_id}`

use axum::Json;
use axum::extract::State;

use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::deleted::Deleted;
use crate::problem::Problem;

/// Delete a service account and revoke its keys.
#[utoipa::path(
    delete,
    path = "/v1/organization/projects/{project_id}/service_accounts/{service_account_id}",
    operation_id = "deleteProjectServiceAccount",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
        ("service_account_id" = String, Path, description = "The service account's id."),
    ),
    responses(
        (status = 200, description = "It is deleted.", body = Deleted),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn delete(
    State(app): State<App>,
    admin: Admin,
    Ids((project, account)): Ids<(String, String)>,
) -> Result<Json<Deleted>, Problem> {
    let (scope, id) = (admin.within(&project), account.as_str().into());
    app.administration.by(&admin.actor).service_account_delete(&scope, &id).await?;
    app.gateway.see_change().await;
    Ok(Json(Deleted::new("organization.project.service_account.deleted", account)))
}
