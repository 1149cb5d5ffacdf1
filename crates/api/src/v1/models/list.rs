//! `GET /v1/models`

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use super::Model;
use crate::App;
use crate::credential::credential;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;

/// All models that the caller may use.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelList {
    /// Always `list`.
    object: &'static str,
    /// The models, by name.
    data: Vec<Model>,
}

/// List the models that your project may use.
#[utoipa::path(
    get,
    path = "/v1/models",
    operation_id = "listModels",
    tag = "Models",
    responses(
        (status = 200, description = "The models.", body = ModelList),
        (status = "4XX", description = "Who are you?", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Json<ModelList>, Problem> {
    let identified = app.gateway.identify(credential(&headers))?;
    let data = identified.models().into_iter().map(|alias| Model::from(&**alias)).collect();
    Ok(Json(ModelList { object: "list", data }))
}
