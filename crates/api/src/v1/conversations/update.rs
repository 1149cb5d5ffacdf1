//! `POST /v1/conversations/{conversation_id}`

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::schema::MetadataRequest;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;
use crate::v1::caller::Caller;
use crate::v1::sent::Sent;

/// Put other metadata on a conversation.
#[utoipa::path(
    post,
    path = "/v1/conversations/{conversation_id}",
    operation_id = "updateConversation",
    tag = "Conversations",
    params(("conversation_id" = String, Path, description = "The conversation's id.")),
    request_body = MetadataRequest,
    responses(
        (status = 200, description = "The conversation.", body = Object),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn update(
    State(app): State<App>,
    Caller(caller): Caller,
    Ids(id): Ids<String>,
    Sent(body): Sent,
) -> Result<Json<Value>, Problem> {
    Ok(Json(app.conversations.update(&caller, &id, &body).await?))
}
