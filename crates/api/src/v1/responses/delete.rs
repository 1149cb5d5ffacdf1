//! `DELETE /v1/responses/{response_id}`

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;
use crate::v1::caller::Caller;

/// Delete a response.
#[utoipa::path(
    delete,
    path = "/v1/responses/{response_id}",
    operation_id = "deleteResponse",
    tag = "Responses",
    params(("response_id" = String, Path, description = "The response's id.")),
    responses(
        (status = 200, description = "It is gone.", body = Object),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Caller(caller): Caller,
    Ids(id): Ids<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(app.responses.delete(&caller, &id).await?))
}
