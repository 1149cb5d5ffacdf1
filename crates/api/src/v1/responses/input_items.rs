//! `GET /v1/responses/{response_id}/input_items`

use axum::Json;
use axum::extract::State;
use responses::ItemPage;
use serde_json::Value;

use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::query::Query;
use crate::problem::Problem;
use crate::v1::caller::Caller;

/// List what a response was asked.
#[utoipa::path(
    get,
    path = "/v1/responses/{response_id}/input_items",
    operation_id = "listInputItems",
    tag = "Responses",
    params(
        ("response_id" = String, Path, description = "The response's id."),
        ("after" = Option<String>, Query, description = "The last item of the page before."),
        ("limit" = Option<u32>, Query, description = "1 to 100; 20 where it is not said."),
        ("order" = Option<String>, Query, description = "`asc`, or `desc` where it is not said."),
        ("include" = Option<Vec<String>>, Query, description = "Taken; everything there is is included."),
    ),
    responses(
        (status = 200, description = "The items.", body = Object),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn input_items(
    State(app): State<App>,
    Caller(caller): Caller,
    Ids(id): Ids<String>,
    mut query: Query,
) -> Result<Json<Value>, Problem> {
    let page = ItemPage {
        after: query.text("after")?,
        limit: query
            .number("limit", 1..=100)?
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(20),
        ascending: query.word("order", &[("asc", true), ("desc", false)])?.unwrap_or(false),
    };
    query.list("include");
    query.finish()?;
    Ok(Json(app.responses.input_items(&caller, &id, &page).await?))
}
