//! `DELETE /v1/organization/limits/{limit_id}`

use axum::Json;
use axum::extract::State;

use super::not_of_the_file;
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
    not_of_the_file(&app, &limit)?;
    let id = limit.as_str().into();
    admission::limits::delete(&app.store.by(&admin.actor), &admin.scope, &id).await?;
    app.gateway.see_change().await;
    Ok(Json(Deleted::new("organization.limit.deleted", limit)))
}
