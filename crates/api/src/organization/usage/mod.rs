//! `/v1/organization/usage`: what was used, in buckets of time.

mod ask;
pub(super) mod audio_speeches;
pub(super) mod audio_transcriptions;
pub(super) mod code_interpreter_sessions;
pub(super) mod completions;
pub(super) mod costs;
pub(super) mod embeddings;
pub(super) mod file_search_calls;
pub(super) mod images;
pub(super) mod moderations;
mod unrecorded;
pub(super) mod vector_stores;
pub(super) mod web_search_calls;

use kernel::{Operation, Scope};
use serde::Serialize;
use store::{UsagePage, UsageRow};
use utoipa::ToSchema;

use self::ask::{GROUPS, ask, read};
use super::query::Query;
use crate::App;
use crate::problem::Problem;

/// One page of buckets.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsageBuckets<T> {
    /// Always `page`.
    object: &'static str,
    /// The buckets, the empty ones too.
    data: Vec<UsageBucket<T>>,
    /// Whether there is another page.
    has_more: bool,
    /// `page` of the next page.
    #[schema(required)]
    next_page: Option<String>,
}

/// The usage of one stretch of time.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsageBucket<T> {
    /// Always `bucket`.
    object: &'static str,
    /// Where it begins, in seconds since the Unix epoch.
    start_time: i64,
    /// Where it ends.
    end_time: i64,
    /// One result, or one per group; none where there were no calls.
    results: Vec<T>,
}

/// What a result is grouped by; null where it is not.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsageGroup {
    /// The project.
    #[schema(required)]
    project_id: Option<String>,
    /// The end user that the client named, else the key's service account.
    #[schema(required)]
    user_id: Option<String>,
    /// The key.
    #[schema(required)]
    api_key_id: Option<String>,
    /// The model.
    #[schema(required)]
    model: Option<String>,
}

/// What Kijun knows beyond OpenAI's fields.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsageExtras {
    /// Of the requests: those whose tokens Kijun counted, because the provider reported none.
    num_estimated_requests: u64,
    /// What the requests cost that have a price, in US dollars, as a decimal number.
    cost_usd: String,
    /// Of the requests: those that have no price.
    num_unpriced_requests: u64,
}

/// What calls that give back no tokens used in one bucket and group.
#[derive(Serialize, ToSchema)]
pub(crate) struct InputUsage {
    /// `organization.usage.embeddings.result` or `organization.usage.moderations.result`.
    object: &'static str,
    /// All input tokens.
    input_tokens: u64,
    /// Requests to the model.
    num_model_requests: u64,
    #[serde(flatten)]
    group: UsageGroup,
    #[serde(flatten)]
    extras: UsageExtras,
}

/// Answers a question for what one operation used, each result marked with `object`.
async fn of_input(
    app: &App,
    scope: &Scope,
    mut query: Query,
    operation: Operation,
    object: &'static str,
) -> Result<UsageBuckets<InputUsage>, Problem> {
    let question = read(&mut query, vec![operation], &GROUPS)?;
    query.finish()?;
    let page = ask(app, scope, &question).await?;
    Ok(UsageBuckets::new(page, |row| InputUsage {
        object,
        input_tokens: row.input,
        num_model_requests: row.requests,
        group: UsageGroup::from(&row),
        extras: UsageExtras::from(&row),
    }))
}

impl<T> UsageBuckets<T> {
    fn new(page: UsagePage, shape: impl Fn(UsageRow) -> T) -> Self {
        Self::of(page, |rows| rows.into_iter().map(&shape).collect())
    }

    fn of(page: UsagePage, shape: impl Fn(Vec<UsageRow>) -> Vec<T>) -> Self {
        let data = page.buckets.into_iter().map(|bucket| UsageBucket {
            object: "bucket",
            start_time: bucket.start.as_secs(),
            end_time: bucket.end.as_secs(),
            results: shape(bucket.results),
        });
        Self {
            object: "page",
            data: data.collect(),
            has_more: page.next_page.is_some(),
            next_page: page.next_page,
        }
    }
}

impl From<&UsageRow> for UsageGroup {
    fn from(row: &UsageRow) -> Self {
        Self {
            project_id: row.project_id.as_ref().map(ToString::to_string),
            user_id: row.user_id.clone(),
            api_key_id: row.api_key_id.as_ref().map(ToString::to_string),
            model: row.model.clone(),
        }
    }
}

impl From<&UsageRow> for UsageExtras {
    fn from(row: &UsageRow) -> Self {
        Self {
            num_estimated_requests: row.estimated_requests,
            cost_usd: row.cost.to_string(),
            num_unpriced_requests: row.unpriced_requests,
        }
    }
}
