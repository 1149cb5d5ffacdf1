//! `GET /v1/organization/usage/audio_transcriptions`

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
    words: &[],
    groups: &["project_id", "user_id", "api_key_id", "model"],
};

/// What was used in one bucket and group.
#[derive(Serialize, ToSchema)]
pub(crate) struct AudioTranscriptionsUsage {
    /// Always `organization.usage.audio_transcriptions.result`.
    object: &'static str,
    /// Seconds that were listened to.
    seconds: u64,
    /// Requests to the model.
    num_model_requests: u64,
    #[serde(flatten)]
    group: UsageGroup,
}

/// What transcriptions used. No route here listens, so that nothing did.
#[utoipa::path(
    get,
    path = "/v1/organization/usage/audio_transcriptions",
    operation_id = "usageAudioTranscriptions",
    tag = "Administration",
    params(
        TimeParams,
        CallerParams,
        ModelParams,
    ),
    responses(
        (status = 200, description = "A page of buckets.", body = UsageBuckets<AudioTranscriptionsUsage>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn audio_transcriptions(
    State(app): State<App>,
    _: Admin,
    query: Query,
) -> Result<Json<UsageBuckets<AudioTranscriptionsUsage>>, Problem> {
    unrecorded(&app, query, &BESIDE).map(Json)
}
