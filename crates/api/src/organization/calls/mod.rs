//! `/v1/organization/calls`: Kijun's own. The ledger: one record for every admitted call.

pub(super) mod list;
pub(super) mod retrieve;

use std::time::Duration;

use kernel::{CallRecord, Money, Usage};
use serde::Serialize;
use utoipa::ToSchema;

use super::list::Listed;

/// How long a question about calls waits for the newest of them to be stored.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// The record of a call. It holds no content: no prompt, no answer.
#[derive(Serialize, ToSchema)]
pub(crate) struct Call {
    /// Always `organization.call`.
    object: &'static str,
    /// Its id: the `x-request-id` of its answer.
    id: String,
    /// When it arrived, in seconds since the Unix epoch.
    started_at: i64,
    /// Microseconds from its arrival to the end of its answer.
    duration_us: u64,
    /// Microseconds from its arrival to the first byte of its answer.
    #[schema(required)]
    first_byte_us: Option<u64>,
    /// In which project.
    project_id: String,
    /// With which key.
    api_key_id: String,
    /// Whose key, where a service account owns it.
    #[schema(required)]
    service_account_id: Option<String>,
    /// The end user that the client named.
    #[schema(required)]
    end_user: Option<String>,
    /// What was asked for.
    operation: &'static str,
    /// The model that was asked for.
    model: String,
    /// The provider that answered last; empty if none was reached.
    provider: String,
    /// The model's name there.
    upstream_model: String,
    /// How urgent it was: `priority`, `default` or `flex`.
    service_tier: &'static str,
    /// The batch that it is of; null: of none.
    #[schema(required)]
    batch_id: Option<String>,
    /// Whether the answer came as a stream.
    stream: bool,
    /// The HTTP status that the client got.
    status: u16,
    /// How it ended: `completed`, `client_closed`, `upstream_error`, `upstream_broken`,
    /// `timed_out`, `stopped` or `shed`.
    outcome: &'static str,
    /// Attempts at providers, all targets and retries together.
    attempts: u32,
    /// Its tokens.
    usage: CallUsage,
    /// What it cost in US dollars, as a decimal number; null where it has no price.
    #[schema(required)]
    cost_usd: Option<String>,
}

/// The tokens of a call, counted as OpenAI counts them.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallUsage {
    input_tokens: u64,
    input_cached_tokens: u64,
    input_cache_write_tokens: u64,
    input_audio_tokens: u64,
    input_image_tokens: u64,
    output_tokens: u64,
    output_reasoning_tokens: u64,
    output_audio_tokens: u64,
    /// True where the provider reported nothing and Kijun counted.
    estimated: bool,
}

impl From<Usage> for CallUsage {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.input,
            input_cached_tokens: usage.input_cached,
            input_cache_write_tokens: usage.input_cache_write,
            input_audio_tokens: usage.input_audio,
            input_image_tokens: usage.input_image,
            output_tokens: usage.output,
            output_reasoning_tokens: usage.output_reasoning,
            output_audio_tokens: usage.output_audio,
            estimated: usage.estimated,
        }
    }
}

impl From<CallRecord> for Call {
    fn from(record: CallRecord) -> Self {
        Self {
            object: "organization.call",
            id: record.id.to_string(),
            started_at: record.started_at.as_secs(),
            duration_us: record.duration_us,
            first_byte_us: record.first_byte_us,
            project_id: record.project.to_string(),
            api_key_id: record.api_key.to_string(),
            service_account_id: record.service_account.map(|id| id.to_string()),
            end_user: record.end_user,
            operation: record.operation.as_str(),
            model: record.model,
            provider: record.provider,
            upstream_model: record.upstream_model,
            service_tier: record.service_tier.as_str(),
            batch_id: record.batch.map(|id| id.to_string()),
            stream: record.stream,
            status: record.status,
            outcome: record.outcome.as_str(),
            attempts: record.attempts,
            usage: record.usage.into(),
            cost_usd: record.cost.as_ref().map(Money::to_string),
        }
    }
}

impl Listed for Call {
    fn id(&self) -> &str {
        &self.id
    }
}
