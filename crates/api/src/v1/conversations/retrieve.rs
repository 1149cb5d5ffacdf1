//! `GET /v1/conversations/{conversation_id}`

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;
use crate::v1::caller::Caller;

/// Retrieve a conversation.
#[utoipa::path(
    get,
    path = "/v1/conversations/{conversation_id}",
    operation_id = "getConversation",
    tag = "Conversations",
    params(("conversation_id" = String, Path, description = "The conversation's id.")),
    responses(
        (status = 200, description = "The conversation.", body = Object),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    Caller(caller): Caller,
    Ids(id): Ids<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(app.conversations.retrieve(&caller, &id).await?))
}
