//! `GET /v1/organization/usage/images`

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
    words: &[
        ("sources", &["image.generation", "image.edit", "image.variation"]),
        ("sizes", &["256x256", "512x512", "1024x1024", "1792x1792", "1024x1792"]),
    ],
    groups: &["project_id", "user_id", "api_key_id", "model", "size", "source"],
};

/// What was used in one bucket and group.
#[derive(Serialize, ToSchema)]
pub(crate) struct ImagesUsage {
    /// Always `organization.usage.images.result`.
    object: &'static str,
    /// Images that were drawn.
    images: u64,
    /// Requests to the model.
    num_model_requests: u64,
    /// What was asked for, where grouped by it.
    #[schema(required)]
    source: Option<String>,
    /// How large, where grouped by it.
    #[schema(required)]
    size: Option<String>,
    #[serde(flatten)]
    group: UsageGroup,
}

/// What images used. No route here draws, so that nothing did.
#[utoipa::path(
    get,
    path = "/v1/organization/usage/images",
    operation_id = "usageImages",
    tag = "Administration",
    params(
        TimeParams,
        CallerParams,
        ModelParams,
        ("sources" = Option<Vec<String>>, Query, description = "Only what was asked for so: `image.generation`, `image.edit`, `image.variation`.", nullable = false),
        ("sizes" = Option<Vec<String>>, Query, description = "Only images of these sizes: `256x256`, `512x512`, `1024x1024`, `1792x1792`, `1024x1792`.", nullable = false),
    ),
    responses(
        (status = 200, description = "A page of buckets.", body = UsageBuckets<ImagesUsage>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn images(
    State(app): State<App>,
    _: Admin,
    query: Query,
) -> Result<Json<UsageBuckets<ImagesUsage>>, Problem> {
    unrecorded(&app, query, &BESIDE).map(Json)
}
