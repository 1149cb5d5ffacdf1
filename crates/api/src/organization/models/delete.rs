//! `DELETE /v1/organization/models/{name}`

use axum::Json;
use axum::extract::State;

use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::deleted::Deleted;
use crate::problem::Problem;

/// Delete a model. Kijun's own.
#[utoipa::path(
    delete,
    path = "/v1/organization/models/{name}",
    operation_id = "deleteModelAlias",
    tag = "Administration",
    params(
        ("name" = String, Path, description = "The model's name, percent-encoded: a slash is `%2F`."),
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
    Ids(name): Ids<String>,
) -> Result<Json<Deleted>, Problem> {
    app.gateway.model_delete(&admin.actor, &name).await?;
    Ok(Json(Deleted::new("organization.model.deleted", name)))
}
