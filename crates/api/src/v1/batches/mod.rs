//! `/v1/batches`

pub(super) mod cancel;
pub(super) mod create;
pub(super) mod list;
pub(super) mod retrieve;

use std::collections::BTreeMap;

use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use store::BatchStatus;
use utoipa::ToSchema;

use crate::organization::list::Listed;

/// A batch, in OpenAI's shape. Moments are seconds since the Unix epoch.
#[derive(Serialize, ToSchema)]
pub(crate) struct Batch {
    /// Its id.
    id: String,
    /// Always `batch`.
    object: &'static str,
    /// The path that all its lines go to.
    endpoint: String,
    /// The model that its first line asks for.
    model: Option<String>,
    /// What is wrong with its input file.
    errors: Option<BatchErrors>,
    /// The file of its lines.
    input_file_id: String,
    /// The time it may take.
    completion_window: String,
    /// How far it is: `validating`, `failed`, `in_progress`, `finalizing`, `completed`, `expired`, `cancelling` or `cancelled`.
    status: &'static str,
    /// The file of its answers.
    output_file_id: Option<String>,
    /// The file of the lines that failed.
    error_file_id: Option<String>,
    /// When it was made.
    created_at: i64,
    /// When its lines began to be answered.
    in_progress_at: Option<i64>,
    /// When the time it may take is over.
    expires_at: i64,
    /// When its last line had its answer.
    finalizing_at: Option<i64>,
    /// When it was completed.
    completed_at: Option<i64>,
    /// When its input file was found wrong.
    failed_at: Option<i64>,
    /// When it ended because its time was over.
    expired_at: Option<i64>,
    /// When it was told to stop.
    cancelling_at: Option<i64>,
    /// When it had stopped.
    cancelled_at: Option<i64>,
    /// How many lines there are, and how many have their answer.
    request_counts: RequestCounts,
    /// The tokens of its answers so far.
    usage: BatchUsage,
    /// Pairs of your own.
    metadata: Option<BTreeMap<String, String>>,
}

/// What is wrong with an input file.
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchErrors {
    /// Always `list`.
    object: &'static str,
    /// The first mistakes.
    data: Vec<Mistake>,
}

/// One thing that is wrong with an input file.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Mistake {
    /// A word for programs, such as `invalid_json_line`.
    code: String,
    /// What is wrong.
    message: String,
    /// The field.
    param: Option<String>,
    /// The line, counted from 1.
    line: Option<u32>,
}

/// How many lines a batch has.
#[derive(Serialize, ToSchema)]
pub(crate) struct RequestCounts {
    /// In all.
    total: u64,
    /// Answered.
    completed: u64,
    /// Answered with an error, or not in time.
    failed: u64,
}

/// The tokens of a batch.
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchUsage {
    /// Of all inputs.
    input_tokens: u64,
    /// What is known of them.
    input_tokens_details: InputDetails,
    /// Of all outputs.
    output_tokens: u64,
    /// What is known of them.
    output_tokens_details: OutputDetails,
    /// Both together.
    total_tokens: u64,
}

/// What is known of input tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchInputDetails)]
pub(crate) struct InputDetails {
    /// Read from a prompt cache.
    cached_tokens: u64,
}

/// What is known of output tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchOutputDetails)]
pub(crate) struct OutputDetails {
    /// Used for reasoning.
    reasoning_tokens: u64,
}

impl Listed for Batch {
    fn id(&self) -> &str {
        &self.id
    }
}

impl From<store::Batch> for Batch {
    fn from(batch: store::Batch) -> Self {
        let secs = |moment: Option<Timestamp>| moment.map(Timestamp::as_secs);
        let errors = batch.errors.as_deref().map(|errors| BatchErrors {
            object: "list",
            data: serde_json::from_str(errors).unwrap_or_default(),
        });
        let metadata = batch.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok());
        // Lines may be out of time while others still get their answers.
        let expired_at = batch.expired_at.filter(|_| batch.status == BatchStatus::Expired);
        let usage = &batch.usage;
        Self {
            id: batch.id.to_string(),
            object: "batch",
            endpoint: batch.endpoint,
            model: batch.model,
            errors,
            input_file_id: batch.input_file.to_string(),
            completion_window: batch.completion_window,
            status: batch.status.as_str(),
            output_file_id: batch.output_file.map(|file| file.to_string()),
            error_file_id: batch.error_file.map(|file| file.to_string()),
            created_at: batch.created_at.as_secs(),
            in_progress_at: secs(batch.in_progress_at),
            expires_at: batch.expires_at.as_secs(),
            finalizing_at: secs(batch.finalizing_at),
            completed_at: secs(batch.completed_at),
            failed_at: secs(batch.failed_at),
            expired_at: secs(expired_at),
            cancelling_at: secs(batch.cancelling_at),
            cancelled_at: secs(batch.cancelled_at),
            request_counts: RequestCounts {
                total: batch.counts.total,
                completed: batch.counts.completed,
                failed: batch.counts.failed,
            },
            usage: BatchUsage {
                input_tokens: usage.input,
                input_tokens_details: InputDetails { cached_tokens: usage.input_cached },
                output_tokens: usage.output,
                output_tokens_details: OutputDetails { reasoning_tokens: usage.output_reasoning },
                total_tokens: usage.total(),
            },
            metadata,
        }
    }
}
