//! `GET /v1/organization/usage/moderations`

use axum::Json;
use axum::extract::State;
use kernel::Operation;

use super::ask::{CallerParams, ModelParams, TimeParams};
use super::{InputUsage, UsageBuckets, of_input};
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::query::Query;
use crate::problem::Problem;

/// What moderations used.
#[utoipa::path(
    get,
    path = "/v1/organization/usage/moderations",
    operation_id = "usageModerations",
    tag = "Administration",
    params(
        TimeParams,
        CallerParams,
        ModelParams,
    ),
    responses(
        (status = 200, description = "A page of buckets.", body = UsageBuckets<InputUsage>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn moderations(
    State(app): State<App>,
    admin: Admin,
    query: Query,
) -> Result<Json<UsageBuckets<InputUsage>>, Problem> {
    let object = "organization.usage.moderations.result";
    of_input(&app, &admin.scope, query, Operation::Moderations, object).await.map(Json)
}
