//! `GET /v1/conversations/{conversation_id}/items`

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::query::Query;
use crate::problem::Problem;
use crate::v1::caller::Caller;
use crate::v1::page::ItemParams;

/// List a conversation's items, the newest first where no order is said.
#[utoipa::path(
    get,
    path = "/v1/conversations/{conversation_id}/items",
    operation_id = "listConversationItems",
    tag = "Conversations",
    params(
        ("conversation_id" = String, Path, description = "The conversation's id."),
        ItemParams,
        ("include" = Option<Vec<String>>, Query, description = "Taken; everything there is is included.", nullable = false),
    ),
    responses(
        (status = 200, description = "A page of items.", body = Object),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    Ids(id): Ids<String>,
    mut query: Query,
) -> Result<Json<Value>, Problem> {
    let page = query.items(true)?;
    query.list("include");
    query.finish()?;
    Ok(Json(app.conversations.list_items(&caller, &id, &page).await?))
}
