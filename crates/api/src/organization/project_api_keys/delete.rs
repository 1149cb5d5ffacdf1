//! `DELETE /v1/organization/projects/{project_id}/api_keys/{api_key_id}`

use axum::Json;
use axum::extract::State;

use super::living;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::deleted::Deleted;
use crate::problem::Problem;

/// Revoke an API key at once, on all nodes, for good.
#[utoipa::path(
    delete,
    path = "/v1/organization/projects/{project_id}/api_keys/{api_key_id}",
    operation_id = "deleteProjectApiKey",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
        ("api_key_id" = String, Path, description = "The key's id."),
    ),
    responses(
        (status = 200, description = "It is revoked.", body = Deleted),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn delete(
    State(app): State<App>,
    admin: Admin,
    Ids((project, key)): Ids<(String, String)>,
) -> Result<Json<Deleted>, Problem> {
    let scope = admin.within(&project);
    let key = living(&app, &scope, &key).await?;
    app.administration.by(&admin.actor).api_key_revoke(&scope, &key.id).await?;
    app.gateway.see_change().await;
    Ok(Json(Deleted::new("organization.project.api_key.deleted", key.id.as_str())))
}
