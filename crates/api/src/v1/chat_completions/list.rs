//! `GET /v1/chat/completions`

use axum::Json;
use axum::extract::State;
use serde_json::Value;
use store::ChatFilter;

use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::query::Query;
use crate::problem::Problem;
use crate::v1::caller::Caller;
use crate::v1::page::ItemParams;

/// List the chat completions that were stored, the oldest first where no order is said.
#[utoipa::path(
    get,
    path = "/v1/chat/completions",
    operation_id = "listChatCompletions",
    tag = "Models",
    params(
        ItemParams,
        ("model" = Option<String>, Query, description = "Those of this model.", nullable = false),
        ("metadata" = Option<std::collections::BTreeMap<String, String>>, Query, style = DeepObject, explode, description = "Those with all of these pairs: `metadata[key]=value`.", nullable = false),
    ),
    responses(
        (status = 200, description = "A page of chat completions.", body = Object),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    mut query: Query,
) -> Result<Json<Value>, Problem> {
    let filter = ChatFilter {
        model: query.text("model")?,
        metadata: query.object("metadata"),
        page: query.items(false)?,
    };
    query.finish()?;
    Ok(Json(app.chats.list(&caller, &filter).await?))
}
