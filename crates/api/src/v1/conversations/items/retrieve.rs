//! `GET /v1/conversations/{conversation_id}/items/{item_id}`

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::query::Query;
use crate::problem::Problem;
use crate::v1::caller::Caller;

/// Retrieve one item of a conversation.
#[utoipa::path(
    get,
    path = "/v1/conversations/{conversation_id}/items/{item_id}",
    operation_id = "getConversationItem",
    tag = "Conversations",
    params(
        ("conversation_id" = String, Path, description = "The conversation's id."),
        ("item_id" = String, Path, description = "The item's id."),
        ("include" = Option<Vec<String>>, Query, description = "Taken; everything there is is included.", nullable = false),
    ),
    responses(
        (status = 200, description = "The item.", body = Object),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    Caller(caller): Caller,
    Ids((id, item)): Ids<(String, String)>,
    mut query: Query,
) -> Result<Json<Value>, Problem> {
    query.list("include");
    query.finish()?;
    Ok(Json(app.conversations.retrieve_item(&caller, &id, &item).await?))
}
