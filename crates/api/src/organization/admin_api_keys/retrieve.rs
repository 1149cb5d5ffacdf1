//! `GET /v1/organization/admin_api_keys/{key_id}`

use axum::Json;
use axum::extract::State;

use super::{AdminApiKey, living};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Retrieve an admin key.
#[utoipa::path(
    get,
    path = "/v1/organization/admin_api_keys/{key_id}",
    operation_id = "retrieveAdminApiKey",
    tag = "Administration",
    params(
        ("key_id" = String, Path, description = "The admin key's id."),
    ),
    responses(
        (status = 200, description = "The admin key.", body = AdminApiKey),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    admin: Admin,
    Ids(key): Ids<String>,
) -> Result<Json<AdminApiKey>, Problem> {
    Ok(Json(living(&app, &admin.scope, &key).await?.into()))
}
