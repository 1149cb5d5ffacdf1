//! `GET /v1/organization/models/{name}`

use axum::Json;
use axum::extract::State;
use store::StoreError;

use super::ModelAlias;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Retrieve what serves a model. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/models/{name}",
    operation_id = "retrieveModelAlias",
    tag = "Administration",
    params(
        ("name" = String, Path, description = "The model's name, percent-encoded: a slash is `%2F`."),
    ),
    responses(
        (status = 200, description = "The model.", body = ModelAlias),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    _admin: Admin,
    Ids(name): Ids<String>,
) -> Result<Json<ModelAlias>, Problem> {
    let mut all = app.gateway.model_list().await?.into_iter();
    match all.find(|spec| spec.name == name) {
        Some(spec) => Ok(Json(spec.into())),
        None => Err(StoreError::NotFound { what: "model", id: name }.into()),
    }
}
