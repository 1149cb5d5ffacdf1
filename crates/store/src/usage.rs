//! Usage in buckets of time, summed by the database from the ledger, as
//! `/v1/organization/usage/completions` and `/embeddings` show it.

use std::time::Duration;

use kernel::{ApiKeyId, Money, Operation, ProjectId, Scope, Timestamp};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use crate::columns::Columns;
use crate::scope::project_of;
use crate::span::Span;
use crate::{Store, StoreError};

/// Which usage is wanted, and how it is cut up. An empty list lets everything through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageQuery {
    /// Calls of these operations.
    pub operations: Vec<Operation>,
    /// Calls that arrived at this moment or later.
    pub start: Timestamp,
    /// Calls that arrived before this moment; `None`: up to now.
    pub end: Option<Timestamp>,
    /// How long a bucket is.
    pub bucket: BucketWidth,
    /// Calls of these projects.
    pub project_ids: Vec<ProjectId>,
    /// Calls with these keys.
    pub api_key_ids: Vec<ApiKeyId>,
    /// Calls for these users: the end user that the client named, else the key's service account.
    pub user_ids: Vec<String>,
    /// Calls of these model aliases.
    pub models: Vec<String>,
    /// Only batch jobs, or none of them; `None`: both.
    pub batch: Option<bool>,
    /// What a bucket's rows are apart by.
    pub group_by: Vec<GroupBy>,
    /// How many buckets; `None`: as many as the width's default.
    pub limit: Option<u32>,
    /// `next_page` of the page before.
    pub page: Option<String>,
}

impl UsageQuery {
    /// All usage of some operations from `start` to now, by days.
    pub const fn new(operations: Vec<Operation>, start: Timestamp) -> Self {
        Self {
            operations,
            start,
            end: None,
            bucket: BucketWidth::Day,
            project_ids: Vec::new(),
            api_key_ids: Vec::new(),
            user_ids: Vec::new(),
            models: Vec::new(),
            batch: None,
            group_by: Vec::new(),
            limit: None,
            page: None,
        }
    }
}

/// How long a bucket is. Buckets start at whole minutes, hours or days of UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BucketWidth {
    /// `1m`
    Minute,
    /// `1h`
    Hour,
    /// `1d`
    Day,
}

impl BucketWidth {
    /// The length.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        })
    }

    /// Buckets of a page when the caller does not say how many.
    pub const fn default_limit(self) -> u32 {
        match self {
            Self::Minute => 60,
            Self::Hour => 24,
            Self::Day => 7,
        }
    }

    /// The most buckets of a page.
    pub const fn max_limit(self) -> u32 {
        match self {
            Self::Minute => 1_440,
            Self::Hour => 168,
            Self::Day => 31,
        }
    }

    pub(crate) const fn micros(self) -> i64 {
        self.duration().as_secs() as i64 * 1_000_000
    }
}

/// What a bucket's rows are apart by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupBy {
    /// `project_id`
    Project,
    /// `user_id`
    User,
    /// `api_key_id`
    ApiKey,
    /// `model`
    Model,
    /// `batch`; there are no batch jobs yet, so every row says `false`.
    Batch,
    /// `service_tier`; calls are recorded without one, so every row says nothing.
    ServiceTier,
}

/// One page of buckets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsagePage {
    /// Every bucket of the time asked for, the empty ones too.
    pub buckets: Vec<Bucket>,
    /// What to ask for the next page with, if there is one.
    pub next_page: Option<String>,
}

/// The usage of one stretch of time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// When it begins; the first one begins where the query does.
    pub start: Timestamp,
    /// When it ends; the last one ends where the query does.
    pub end: Timestamp,
    /// One row, or one per group; none when there were no calls.
    pub results: Vec<UsageRow>,
}

/// Sums over the calls of one bucket and group. Token counts are as in [`kernel::Usage`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "the token counts are named and documented in kernel::Usage")]
pub struct UsageRow {
    pub input: u64,
    pub input_cached: u64,
    pub input_cache_write: u64,
    pub input_audio: u64,
    pub input_image: u64,
    pub output: u64,
    pub output_reasoning: u64,
    pub output_audio: u64,
    /// Calls.
    pub requests: u64,
    /// Of the calls: those whose tokens were counted here, because the provider reported none.
    pub estimated_requests: u64,
    /// What the calls cost that had a price.
    pub cost: Money,
    /// Of the calls: those for which the price table has no price.
    pub unpriced_requests: u64,
    /// The project, when grouped by it.
    pub project_id: Option<ProjectId>,
    /// The user, when grouped by it and known.
    pub user_id: Option<String>,
    /// The key, when grouped by it.
    pub api_key_id: Option<ApiKeyId>,
    /// The model alias, when grouped by it.
    pub model: Option<String>,
    /// Whether the calls were batch jobs, when grouped by it.
    pub batch: Option<bool>,
    /// The service tier, when grouped by it and known.
    pub service_tier: Option<String>,
}

/// The most rows of a page: a page with more ends at an earlier bucket.
const MOST_ROWS: usize = 50_000;

/// The most values that the filters of one query name.
const MOST_FILTERS: usize = 1_000;

const SUMS: &str = "COUNT(*) AS requests, COUNT(*) - COUNT(cost) AS unpriced_requests, \
    CAST(COALESCE(SUM(cost), 0) AS BIGINT) AS cost, \
    CAST(SUM(estimated) AS BIGINT) AS estimated_requests, \
    CAST(SUM(input_tokens) AS BIGINT) AS input_tokens, \
    CAST(SUM(input_cached_tokens) AS BIGINT) AS input_cached_tokens, \
    CAST(SUM(input_cache_write_tokens) AS BIGINT) AS input_cache_write_tokens, \
    CAST(SUM(input_audio_tokens) AS BIGINT) AS input_audio_tokens, \
    CAST(SUM(input_image_tokens) AS BIGINT) AS input_image_tokens, \
    CAST(SUM(output_tokens) AS BIGINT) AS output_tokens, \
    CAST(SUM(output_reasoning_tokens) AS BIGINT) AS output_reasoning_tokens, \
    CAST(SUM(output_audio_tokens) AS BIGINT) AS output_audio_tokens";

impl Store {
    /// Usage in the scope, one page of buckets at a time.
    pub async fn usage(&self, scope: &Scope, query: &UsageQuery) -> Result<UsagePage, StoreError> {
        let filters = [
            query.project_ids.len(),
            query.api_key_ids.len(),
            query.user_ids.len(),
            query.models.len(),
        ];
        if filters.iter().sum::<usize>() > MOST_FILTERS {
            let reason = format!("must not name more than {MOST_FILTERS} ids and models");
            return Err(StoreError::invalid("a usage query", reason));
        }
        let mut span = Span::new(query, self.now())?;
        // There are no batch jobs yet.
        let rows = match query.batch {
            Some(true) => Vec::new(),
            _ => self.usage_rows(scope, query, &span).await?,
        };
        let rows = span.cut_at_most(rows, MOST_ROWS)?;

        let mut rows = rows.into_iter().peekable();
        let mut buckets = Vec::new();
        for (start, end) in span.buckets() {
            let mut results = Vec::new();
            while let Some((_, row)) = rows.next_if(|(at, _)| *at < end.as_micros()) {
                results.push(row);
            }
            results.sort_by(|a, b| group_of(a).cmp(&group_of(b)));
            buckets.push(Bucket { start, end, results });
        }
        Ok(UsagePage { buckets, next_page: span.next_page() })
    }

    /// The rows of a page, each with the start of its bucket, in the buckets' order; one more than
    /// [`MOST_ROWS`] when there are too many.
    async fn usage_rows(
        &self,
        scope: &Scope,
        query: &UsageQuery,
        span: &Span,
    ) -> Result<Vec<(i64, UsageRow)>, StoreError> {
        let (sql, texts) = statement(scope, query);
        let mut sql = sqlx::query(AssertSqlSafe(sql))
            .persistent(false)
            .bind(scope.organization.as_str())
            .bind(span.start)
            .bind(span.page_end);
        for text in texts {
            sql = sql.bind(text);
        }
        let rows = sql.fetch_all(&mut *self.read().await?).await?;
        rows.iter().map(|row| Ok((row.number("bucket")?, usage_row(row, query)?))).collect()
    }
}

/// The statement, and what is bound after the organisation, start and end.
fn statement<'a>(scope: &'a Scope, query: &'a UsageQuery) -> (String, Vec<&'a str>) {
    const USER: &str = "COALESCE(end_user, service_account_id)";
    let mut texts = Vec::new();
    let mut filters = String::new();
    let mut only = |column: &str, values: Vec<&'a str>| {
        if values.is_empty() {
            return;
        }
        let places: Vec<_> =
            (0..values.len()).map(|n| format!("${}", 4 + texts.len() + n)).collect();
        filters.push_str(&format!(" AND {column} IN ({})", places.join(", ")));
        texts.extend(values);
    };
    only("operation", query.operations.iter().map(|operation| operation.as_str()).collect());
    only("project_id", project_of(scope).into_iter().collect());
    only("project_id", query.project_ids.iter().map(ProjectId::as_str).collect());
    only("api_key_id", query.api_key_ids.iter().map(ApiKeyId::as_str).collect());
    only(USER, query.user_ids.iter().map(String::as_str).collect());
    only("model", query.models.iter().map(String::as_str).collect());

    let mut columns = String::new();
    let mut groups = String::from("bucket");
    for group in &query.group_by {
        let (column, name) = match group {
            GroupBy::Project => ("project_id", "group_project"),
            GroupBy::User => (USER, "group_user"),
            GroupBy::ApiKey => ("api_key_id", "group_api_key"),
            GroupBy::Model => ("model", "group_model"),
            GroupBy::Batch | GroupBy::ServiceTier => continue,
        };
        if !groups.contains(name) {
            columns.push_str(&format!("{column} AS {name}, "));
            groups.push_str(&format!(", {name}"));
        }
    }
    let width = query.bucket.micros();
    let most = MOST_ROWS + 1;
    let sql = format!(
        "SELECT started_at - started_at % {width} AS bucket, {columns}{SUMS} FROM call
         WHERE organization_id = $1 AND started_at >= $2 AND started_at < $3{filters}
         GROUP BY {groups} ORDER BY bucket LIMIT {most}"
    );
    (sql, texts)
}

fn usage_row(row: &AnyRow, query: &UsageQuery) -> Result<UsageRow, StoreError> {
    let grouped = |by: GroupBy, column: &str| match query.group_by.contains(&by) {
        true => row.text_or_null(column),
        false => Ok(None),
    };
    Ok(UsageRow {
        input: row.count("input_tokens")?,
        input_cached: row.count("input_cached_tokens")?,
        input_cache_write: row.count("input_cache_write_tokens")?,
        input_audio: row.count("input_audio_tokens")?,
        input_image: row.count("input_image_tokens")?,
        output: row.count("output_tokens")?,
        output_reasoning: row.count("output_reasoning_tokens")?,
        output_audio: row.count("output_audio_tokens")?,
        requests: row.count("requests")?,
        estimated_requests: row.count("estimated_requests")?,
        cost: Money::from_nanos(row.number("cost")?),
        unpriced_requests: row.count("unpriced_requests")?,
        project_id: grouped(GroupBy::Project, "group_project")?.map(Into::into),
        user_id: grouped(GroupBy::User, "group_user")?,
        api_key_id: grouped(GroupBy::ApiKey, "group_api_key")?.map(Into::into),
        model: grouped(GroupBy::Model, "group_model")?,
        batch: query.group_by.contains(&GroupBy::Batch).then_some(false),
        service_tier: None,
    })
}

/// Databases sort texts by their own rules; this order is the same on all of them.
fn group_of(
    row: &UsageRow,
) -> (&Option<ProjectId>, &Option<String>, &Option<ApiKeyId>, &Option<String>) {
    (&row.project_id, &row.user_id, &row.api_key_id, &row.model)
}
