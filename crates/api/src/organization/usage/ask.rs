//! What all questions about usage share.

use std::time::Duration;

use kernel::{Operation, Scope, Timestamp};
use store::{BucketWidth, GroupBy, UsagePage, UsageQuery};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::organization::query::Query;
use crate::problem::Problem;

/// How long a question waits for the newest calls to be stored.
const PATIENCE: Duration = Duration::from_secs(2);

/// What results may be grouped by, whatever was used.
pub(super) const GROUPS: [(&str, GroupBy); 4] = [
    ("project_id", GroupBy::Project),
    ("user_id", GroupBy::User),
    ("api_key_id", GroupBy::ApiKey),
    ("model", GroupBy::Model),
];

const WIDTHS: [(&str, BucketWidth); 3] =
    [("1m", BucketWidth::Minute), ("1h", BucketWidth::Hour), ("1d", BucketWidth::Day)];

/// Which time, and how it is cut up.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what `read_time` reads")]
pub(super) struct TimeParams {
    /// Calls that arrived at this second since the Unix epoch or later.
    #[param(minimum = 0, maximum = 253_402_300_799_i64, example = 1_767_225_600)]
    start_time: i64,
    /// Calls that arrived before this second; without it, up to now.
    #[param(nullable = false, minimum = 0, maximum = 253_402_300_799_i64)]
    end_time: Option<i64>,
    /// How long a bucket is: `1m`, `1h` or `1d`, which is the default.
    #[param(nullable = false, inline)]
    bucket_width: Option<WidthWord>,
    /// Calls of these projects.
    #[param(nullable = false)]
    project_ids: Option<Vec<String>>,
    /// What results are apart by.
    #[param(nullable = false)]
    group_by: Option<Vec<String>>,
    /// How many buckets: up to 1440 of minutes, 168 of hours, 31 of days.
    #[param(nullable = false, minimum = 1, maximum = 1440)]
    limit: Option<u32>,
    /// `next_page` of the page before.
    #[param(nullable = false)]
    page: Option<String>,
}

/// Whose calls.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what `read` reads")]
pub(super) struct CallerParams {
    /// Calls for these end users or service accounts.
    #[param(nullable = false)]
    user_ids: Option<Vec<String>>,
    /// Calls with these keys.
    #[param(nullable = false)]
    api_key_ids: Option<Vec<String>>,
}

/// Which models.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what `read` reads")]
pub(super) struct ModelParams {
    /// Calls of these models.
    #[param(nullable = false)]
    models: Option<Vec<String>>,
}

/// What the words of [`WIDTHS`] are.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the words that are read")]
enum WidthWord {
    #[schema(rename = "1m")]
    Minute,
    #[schema(rename = "1h")]
    Hour,
    #[schema(rename = "1d")]
    Day,
}

/// Reads what every question has: [`TimeParams`] without `group_by`.
pub(super) fn read_time(query: &mut Query) -> Result<UsageQuery, Problem> {
    let start = start(query)?;
    let limit = query.number("limit", 1..=i64::from(BucketWidth::Minute.max_limit()))?;
    Ok(UsageQuery {
        end: query.moment("end_time")?,
        bucket: query.word("bucket_width", &WIDTHS)?.unwrap_or(BucketWidth::Day),
        project_ids: query.list("project_ids").into_iter().map(Into::into).collect(),
        limit: limit.and_then(|limit| u32::try_from(limit).ok()),
        page: query.text("page")?,
        ..UsageQuery::new(Vec::new(), start)
    })
}

/// Reads a question about calls. `groups` are the words that `group_by` may have.
pub(super) fn read(
    query: &mut Query,
    operations: Vec<Operation>,
    groups: &[(&'static str, GroupBy)],
) -> Result<UsageQuery, Problem> {
    Ok(UsageQuery {
        operations,
        api_key_ids: query.list("api_key_ids").into_iter().map(Into::into).collect(),
        user_ids: query.list("user_ids"),
        models: query.list("models"),
        group_by: query.words("group_by", groups)?,
        ..read_time(query)?
    })
}

/// When the time asked about begins, which every question says.
pub(super) fn start(query: &mut Query) -> Result<Timestamp, Problem> {
    query.moment("start_time")?.ok_or_else(|| {
        let message = "`start_time` is missing: seconds since the Unix epoch";
        Problem::invalid("start_time", message)
    })
}

/// Answers the question, the calls that just ended included.
pub(super) async fn ask(
    app: &App,
    scope: &Scope,
    question: &UsageQuery,
) -> Result<UsagePage, Problem> {
    if !app.gateway.settled_calls_are_stored(PATIENCE).await {
        tracing::warn!("usage is told without the calls that the database does not have yet");
    }
    Ok(app.store.usage(scope, question).await?)
}
