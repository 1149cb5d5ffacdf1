//! `GET /v1/organization/usage/vector_stores`

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::UsageBuckets;
use super::ask::TimeParams;
use super::unrecorded::{Beside, unrecorded};
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::query::Query;
use crate::problem::Problem;

const BESIDE: Beside = Beside { ids: &[], words: &[], groups: &["project_id"] };

/// What was used in one bucket and group.
#[derive(Serialize, ToSchema)]
pub(crate) struct VectorStoresUsage {
    /// Always `organization.usage.vector_stores.result`.
    object: &'static str,
    /// Bytes that were kept.
    usage_bytes: u64,
    /// The project, where grouped by it.
    #[schema(required)]
    project_id: Option<String>,
}

/// What vector stores used. There are none here, so that nothing did.
#[utoipa::path(
    get,
    path = "/v1/organization/usage/vector_stores",
    operation_id = "usageVectorStores",
    tag = "Administration",
    params(
        TimeParams,
    ),
    responses(
        (status = 200, description = "A page of buckets.", body = UsageBuckets<VectorStoresUsage>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn vector_stores(
    State(app): State<App>,
    _: Admin,
    query: Query,
) -> Result<Json<UsageBuckets<VectorStoresUsage>>, Problem> {
    unrecorded(&app, query, &BESIDE).map(Json)
}
