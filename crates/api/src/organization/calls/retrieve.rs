//! `GET /v1/organization/calls/{call_id}`

use axum::Json;
use axum::extract::State;

use super::{Call, PATIENCE};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Retrieve the record of a call by the `x-request-id` of its answer. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/calls/{call_id}",
    operation_id = "retrieveCall",
    tag = "Administration",
    params(
        ("call_id" = String, Path, description = "The `x-request-id` of the call's answer."),
    ),
    responses(
        (status = 200, description = "The record.", body = Call),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    admin: Admin,
    Ids(call): Ids<String>,
) -> Result<Json<Call>, Problem> {
    app.gateway.settled_calls_are_stored(PATIENCE).await;
    Ok(Json(app.store.call_get(&admin.scope, &call.into()).await?.into()))
}
