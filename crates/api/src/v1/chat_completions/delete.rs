//! `DELETE /v1/chat/completions/{completion_id}`

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;
use crate::v1::caller::Caller;

/// Delete a stored chat completion.
#[utoipa::path(
    delete,
    path = "/v1/chat/completions/{completion_id}",
    operation_id = "deleteChatCompletion",
    tag = "Models",
    params(("completion_id" = String, Path, description = "The id of the stored chat completion.")),
    responses(
        (status = 200, description = "It is gone.", body = Object),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Caller(caller): Caller,
    Ids(id): Ids<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(app.chats.delete(&caller, &id).await?))
}
