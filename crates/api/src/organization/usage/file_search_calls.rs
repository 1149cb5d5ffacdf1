//! `GET /v1/organization/usage/file_search_calls`

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::UsageBuckets;
use super::ask::{CallerParams, TimeParams};
use super::unrecorded::{Beside, unrecorded};
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::query::Query;
use crate::problem::Problem;

const BESIDE: Beside = Beside {
    ids: &["user_ids", "api_key_ids", "vector_store_ids"],
    words: &[],
    groups: &["project_id", "user_id", "api_key_id", "vector_store_id"],
};

/// What was used in one bucket and group.
#[derive(Serialize, ToSchema)]
pub(crate) struct FileSearchCallsUsage {
    /// Always `organization.usage.file_searches.result`.
    object: &'static str,
    /// Searches.
    num_requests: u64,
    /// The project, where grouped by it.
    #[schema(required)]
    project_id: Option<String>,
    /// The user, where grouped by it.
    #[schema(required)]
    user_id: Option<String>,
    /// The key, where grouped by it.
    #[schema(required)]
    api_key_id: Option<String>,
    /// The vector store, where grouped by it.
    #[schema(required)]
    vector_store_id: Option<String>,
}

/// What file searches used. This node makes none, so that nothing did.
#[utoipa::path(
    get,
    path = "/v1/organization/usage/file_search_calls",
    operation_id = "usageFileSearchCalls",
    tag = "Administration",
    params(
        TimeParams,
        CallerParams,
        ("vector_store_ids" = Option<Vec<String>>, Query, description = "Searches in these vector stores.", nullable = false),
    ),
    responses(
        (status = 200, description = "A page of buckets.", body = UsageBuckets<FileSearchCallsUsage>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn file_search_calls(
    State(app): State<App>,
    _: Admin,
    query: Query,
) -> Result<Json<UsageBuckets<FileSearchCallsUsage>>, Problem> {
    unrecorded(&app, query, &BESIDE).map(Json)
}
