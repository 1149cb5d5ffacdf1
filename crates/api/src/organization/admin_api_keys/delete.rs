//! `DELETE /v1/organization/admin_api_keys/{key_id}`

use axum::Json;
use axum::extract::State;

use super::living;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::deleted::Deleted;
use crate::problem::Problem;

/// Delete an admin key. The last one that works stays.
#[utoipa::path(
    delete,
    path = "/v1/organization/admin_api_keys/{key_id}",
    operation_id = "deleteAdminApiKey",
    tag = "Administration",
    params(
        ("key_id" = String, Path, description = "The admin key's id."),
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
    Ids(key): Ids<String>,
) -> Result<Json<Deleted>, Problem> {
    let key = living(&app, &admin.scope, &key).await?;
    app.administration.by(&admin.actor).admin_key_delete(&admin.scope, &key.id).await?;
    app.gateway.see_change().await;
    Ok(Json(Deleted::new("organization.admin_api_key.deleted", key.id.as_str())))
}
