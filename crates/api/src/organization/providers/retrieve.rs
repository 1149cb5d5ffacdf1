//! `GET /v1/organization/providers/{name}`

use axum::Json;
use axum::extract::State;
use store::StoreError;

use super::Provider;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Retrieve a provider. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/providers/{name}",
    operation_id = "retrieveProvider",
    tag = "Administration",
    params(
        ("name" = String, Path, description = "The provider's name."),
    ),
    responses(
        (status = 200, description = "The provider.", body = Provider),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    _admin: Admin,
    Ids(name): Ids<String>,
) -> Result<Json<Provider>, Problem> {
    let mut all = app.gateway.provider_list().await?.into_iter();
    match all.find(|spec| spec.name == name) {
        Some(spec) => Ok(Json(spec.into())),
        None => Err(StoreError::NotFound { what: "provider", id: name }.into()),
    }
}
