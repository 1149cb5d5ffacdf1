//! `GET /v1/organization/calls`

use axum::Json;
use axum::extract::State;
use store::CallFilter;

use super::{Call, PATIENCE};
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::list::{List, PageParams};
use crate::organization::query::Query;
use crate::problem::Problem;

/// List the calls, the newest first. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/calls",
    operation_id = "listCalls",
    tag = "Administration",
    params(
        PageParams,
        ("project_id" = Option<String>, Query, description = "Calls of this project.", nullable = false),
        ("api_key_id" = Option<String>, Query, description = "Calls with this key.", nullable = false),
        ("model" = Option<String>, Query, description = "Calls of this model.", nullable = false),
        ("start_time" = Option<i64>, Query, description = "Calls that arrived at this second or later.", nullable = false),
        ("end_time" = Option<i64>, Query, description = "Calls that arrived before this second.", nullable = false),
    ),
    responses(
        (status = 200, description = "A page of calls.", body = List<Call>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    admin: Admin,
    mut query: Query,
) -> Result<Json<List<Call>>, Problem> {
    let page = query.page()?;
    let filter = CallFilter {
        project: query.text("project_id")?.map(Into::into),
        api_key: query.text("api_key_id")?.map(Into::into),
        model: query.text("model")?,
        start: query.moment("start_time")?,
        end: query.moment("end_time")?,
    };
    query.finish()?;
    app.gateway.settled_calls_are_stored(PATIENCE).await;
    let calls = app.store.call_list(&admin.scope, &filter, &page).await?;
    Ok(Json(List::of(calls, Call::from)))
}
