//! `GET /v1/chat/completions/{completion_id}/messages`

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

/// List the messages that a stored chat completion answered.
#[utoipa::path(
    get,
    path = "/v1/chat/completions/{completion_id}/messages",
    operation_id = "getChatCompletionMessages",
    tag = "Models",
    params(
        ("completion_id" = String, Path, description = "The id of the stored chat completion."),
        ItemParams,
    ),
    responses(
        (status = 200, description = "A page of messages.", body = Object),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn messages(
    State(app): State<App>,
    Caller(caller): Caller,
    Ids(id): Ids<String>,
    mut query: Query,
) -> Result<Json<Value>, Problem> {
    let page = query.items(false)?;
    query.finish()?;
    Ok(Json(app.chats.messages(&caller, &id, &page).await?))
}
