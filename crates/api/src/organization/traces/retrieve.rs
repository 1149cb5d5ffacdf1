//! `GET /v1/organization/traces/{trace_id}`

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::calls::PATIENCE;
use crate::organization::query::Query;
use crate::problem::Problem;

/// Retrieve a trace with its spans; a span for which a response was made has the `call_id` of it.
/// Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/traces/{trace_id}",
    operation_id = "retrieveTrace",
    tag = "Administration",
    params(
        ("trace_id" = String, Path, description = "The id that the agent gave it."),
        ("project_id" = String, Query, description = "The project."),
    ),
    responses(
        (status = 200, description = "The trace and its spans.", body = Object),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    admin: Admin,
    Ids(trace): Ids<String>,
    mut query: Query,
) -> Result<Json<Value>, Problem> {
    let scope = super::project(&admin, &mut query)?;
    query.finish()?;
    // The calls that it tells of may have ended just now.
    app.gateway.settled_calls_are_stored(PATIENCE).await;
    Ok(Json(app.traces.retrieve(&scope, &trace).await?))
}
