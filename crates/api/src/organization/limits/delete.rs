//! `DELETE /v1/organization/limits/{limit_id}`

use axum::Json;
use axum::extract::State;

use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::deleted::Deleted;
use crate::problem::Problem;

/// Delete a limit. Kijun's own.
#[utoipa::path(
    delete,
    path = "/v1/organization/limits/{limit_id}",
    operation_id = "deleteLimit",
    tag = "Administration",
    params(
        ("limit_id" = String, Path, description = "The limit's id."),
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
    Ids(limit): Ids<String>,
) -> Result<Json<Deleted>, Problem> {
    if app.gateway.file_limits().iter().any(|other| other.id.as_str() == limit) {
        let message =
            format!("limit `{limit}` is defined in the configuration file; change it there");
        return Err(Problem::new(409, "invalid_request_error", Some("defined_elsewhere"), message));
    }
    let id = limit.as_str().into();
    admission::limits::delete(&app.store, &admin.scope, &id).await?;
    app.gateway.see_change().await;
    Ok(Json(Deleted::new("organization.limit.deleted", limit)))
}
