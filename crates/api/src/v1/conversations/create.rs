//! `POST /v1/conversations`

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::schema::ConversationRequest;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;
use crate::v1::caller::Caller;
use crate::v1::sent::Sent;

/// Create a conversation.
#[utoipa::path(
    post,
    path = "/v1/conversations",
    operation_id = "createConversation",
    tag = "Conversations",
    request_body = ConversationRequest,
    responses(
        (status = 200, description = "The conversation.", body = Object),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    Caller(caller): Caller,
    Sent(body): Sent,
) -> Result<Json<Value>, Problem> {
    Ok(Json(app.conversations.create(&caller, &body).await?))
}
