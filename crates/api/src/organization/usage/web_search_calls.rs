//! `GET /v1/organization/usage/web_search_calls`

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::ask::{CallerParams, ModelParams, TimeParams};
use super::unrecorded::{Beside, unrecorded};
use super::{UsageBuckets, UsageGroup};
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::query::Query;
use crate::problem::Problem;

const BESIDE: Beside = Beside {
    ids: &["user_ids", "api_key_ids", "models"],
    words: &[("context_levels", &["low", "medium", "high"])],
    groups: &["project_id", "user_id", "api_key_id", "model", "context_level"],
};

/// What was used in one bucket and group.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebSearchCallsUsage {
    /// Always `organization.usage.web_searches.result`.
    object: &'static str,
    /// Requests to the model.
    num_model_requests: u64,
    /// Searches.
    num_requests: u64,
    /// How much of what was found is shown to the model, where grouped by it.
    #[schema(required)]
    context_level: Option<String>,
    #[serde(flatten)]
    group: UsageGroup,
}

/// What web searches used. This node makes none, so that nothing did.
#[utoipa::path(
    get,
    path = "/v1/organization/usage/web_search_calls",
    operation_id = "usageWebSearchCalls",
    tag = "Administration",
    params(
        TimeParams,
        CallerParams,
        ModelParams,
        ("context_levels" = Option<Vec<String>>, Query, description = "Only searches of these context sizes: `low`, `medium`, `high`.", nullable = false),
    ),
    responses(
        (status = 200, description = "A page of buckets.", body = UsageBuckets<WebSearchCallsUsage>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn web_search_calls(
    State(app): State<App>,
    _: Admin,
    query: Query,
) -> Result<Json<UsageBuckets<WebSearchCallsUsage>>, Problem> {
    unrecorded(&app, query, &BESIDE).map(Json)
}
