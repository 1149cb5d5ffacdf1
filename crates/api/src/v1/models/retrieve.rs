//! `GET /v1/models/{model}`

use axum::Json;
use axum::extract::State;
use gateway::Refusal;
use http::HeaderMap;

use super::Model;
use crate::App;
use crate::credential::credential;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;

/// Retrieve a model that your project may use. Names may hold slashes.
#[utoipa::path(
    get,
    path = "/v1/models/{*model}",
    operation_id = "retrieveModel",
    tag = "Models",
    params(("model" = String, Path, description = "The model's name.")),
    responses(
        (status = 200, description = "The model.", body = Model),
        (status = "4XX", description = "No such model for you.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    Ids(model): Ids<String>,
    headers: HeaderMap,
) -> Result<Json<Model>, Problem> {
    let identified = app.gateway.identify(credential(&headers))?;
    let models = identified.models();
    let alias = models.into_iter().find(|alias| *alias.name == *model);
    let alias =
        alias.ok_or_else(|| Refusal::ModelNotFound { model: model.chars().take(100).collect() })?;
    Ok(Json(Model::from(&**alias)))
}
