//! `POST /v1/conversations/{conversation_id}/items`

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::super::schema::ItemsRequest;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::query::Query;
use crate::problem::Problem;
use crate::v1::caller::Caller;
use crate::v1::sent::Sent;

/// Add up to 20 items to the end of a conversation.
#[utoipa::path(
    post,
    path = "/v1/conversations/{conversation_id}/items",
    operation_id = "createConversationItems",
    tag = "Conversations",
    params(
        ("conversation_id" = String, Path, description = "The conversation's id."),
        ("include" = Option<Vec<String>>, Query, description = "Taken; everything there is is included.", nullable = false),
    ),
    request_body = ItemsRequest,
    responses(
        (status = 200, description = "The items that were added.", body = Object),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    Caller(caller): Caller,
    Ids(id): Ids<String>,
    mut query: Query,
    Sent(body): Sent,
) -> Result<Json<Value>, Problem> {
    query.list("include");
    query.finish()?;
    Ok(Json(app.conversations.create_items(&caller, &id, &body).await?))
}
