//! `GET /v1/organization/usage/completions`

use axum::Json;
use axum::extract::State;
use kernel::{Operation, ServiceTier};
use serde::Serialize;
use store::{GroupBy, UsageRow};
use utoipa::ToSchema;

use super::ask::{CallerParams, GROUPS, ModelParams, TimeParams, ask, read};
use super::{UsageBuckets, UsageExtras, UsageGroup};
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::query::Query;
use crate::problem::Problem;

const MORE_GROUPS: [(&str, GroupBy); 2] =
    [("batch", GroupBy::Batch), ("service_tier", GroupBy::ServiceTier)];

/// What completions used in one bucket and group.
#[derive(Serialize, ToSchema)]
pub(crate) struct CompletionsUsage {
    /// Always `organization.usage.completions.result`.
    object: &'static str,
    /// All input tokens.
    input_tokens: u64,
    /// Of the input: read from a prompt cache.
    input_cached_tokens: u64,
    /// Of the input: written to a prompt cache.
    input_cache_write_tokens: u64,
    /// Of the input: neither read from nor written to a prompt cache.
    input_uncached_tokens: u64,
    /// All output tokens.
    output_tokens: u64,
    /// Of the uncached input: text.
    input_text_tokens: u64,
    /// Of the output: text.
    output_text_tokens: u64,
    /// Of the input: audio.
    input_audio_tokens: u64,
    /// Of the output: audio.
    output_audio_tokens: u64,
    /// Of the input: images.
    input_image_tokens: u64,
    /// Of the output: reasoning. Kijun's own field.
    output_reasoning_tokens: u64,
    /// Requests to the model.
    num_model_requests: u64,
    #[serde(flatten)]
    group: UsageGroup,
    /// Whether they were batch jobs, where grouped by it.
    #[schema(required)]
    batch: Option<bool>,
    /// The service tier, where grouped by it and known.
    #[schema(required)]
    service_tier: Option<String>,
    #[serde(flatten)]
    extras: UsageExtras,
}

/// What completions used. Results may be grouped by `batch` and `service_tier`, too.
#[utoipa::path(
    get,
    path = "/v1/organization/usage/completions",
    operation_id = "usageCompletions",
    tag = "Administration",
    params(
        TimeParams,
        CallerParams,
        ModelParams,
        ("batch" = Option<bool>, Query, description = "Only batch jobs, or none of them.", nullable = false),
        ("service_tiers" = Option<Vec<String>>, Query, description = "Calls of these service tiers. Kijun's own.", nullable = false),
    ),
    responses(
        (status = 200, description = "A page of buckets.", body = UsageBuckets<CompletionsUsage>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn completions(
    State(app): State<App>,
    admin: Admin,
    mut query: Query,
) -> Result<Json<UsageBuckets<CompletionsUsage>>, Problem> {
    let groups = [GROUPS.as_slice(), &MORE_GROUPS].concat();
    let mut question = read(
        &mut query,
        vec![Operation::ChatCompletions, Operation::Completions, Operation::Responses],
        &groups,
    )?;
    question.batch = query.flag("batch")?;
    let tiers = ServiceTier::ALL.map(|tier| (tier.as_str(), tier));
    question.service_tiers = query.words("service_tiers", &tiers)?;
    query.finish()?;
    let page = ask(&app, &admin.scope, &question).await?;
    Ok(Json(UsageBuckets::new(page, CompletionsUsage::from)))
}

impl From<UsageRow> for CompletionsUsage {
    fn from(row: UsageRow) -> Self {
        let uncached =
            row.input.saturating_sub(row.input_cached).saturating_sub(row.input_cache_write);
        let text = uncached.saturating_sub(row.input_audio).saturating_sub(row.input_image);
        Self {
            object: "organization.usage.completions.result",
            input_tokens: row.input,
            input_cached_tokens: row.input_cached,
            input_cache_write_tokens: row.input_cache_write,
            input_uncached_tokens: uncached,
            output_tokens: row.output,
            input_text_tokens: text,
            output_text_tokens: row.output.saturating_sub(row.output_audio),
            input_audio_tokens: row.input_audio,
            output_audio_tokens: row.output_audio,
            input_image_tokens: row.input_image,
            output_reasoning_tokens: row.output_reasoning,
            num_model_requests: row.requests,
            group: UsageGroup::from(&row),
            batch: row.batch,
            extras: UsageExtras::from(&row),
            service_tier: row.service_tier,
        }
    }
}
