//! Usage and costs in buckets of time, as `/v1/organization/usage/*` and `/costs` show them: what is
//! asked and what is answered. How it is read is in [`crate::usage_read`].

use std::time::Duration;

use kernel::{ApiKeyId, Money, Operation, ProjectId, Scope, ServiceTier, Timestamp};

use crate::span::Span;
use crate::usage_read::rows;
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
    /// Only calls of batches, or none of them; `None`: both.
    pub batch: Option<bool>,
    /// Calls of these tiers.
    pub service_tiers: Vec<ServiceTier>,
    /// What a bucket's rows are apart by.
    pub group_by: Vec<GroupBy>,
    /// How many buckets; `None`: as many as the width's default.
    pub limit: Option<u32>,
    /// The largest `limit`; `None`: the width's own.
    pub most_buckets: Option<u32>,
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
            service_tiers: Vec::new(),
            group_by: Vec::new(),
            limit: None,
            most_buckets: None,
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
    /// `batch`
    Batch,
    /// `service_tier`
    ServiceTier,
    /// `line_item`: what an invoice would say, which is model alias and operation.
    LineItem,
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
    /// Whether the calls were of batches, when grouped by it.
    pub batch: Option<bool>,
    /// The service tier, when grouped by it.
    pub service_tier: Option<String>,
    /// Model alias and operation, as in `gpt-5, chat_completions`, when grouped by them.
    pub line_item: Option<String>,
}

impl UsageRow {
    /// What the row is apart from the others of its bucket by. Databases sort texts by their own
    /// rules; this order is the same on all of them.
    pub(crate) fn group(&self) -> impl Ord + '_ {
        (
            (&self.project_id, &self.user_id, &self.api_key_id),
            (&self.model, &self.line_item, &self.batch, &self.service_tier),
        )
    }

    /// Adds the calls of another row of the same group.
    pub(crate) fn add(&mut self, other: &Self) {
        self.input += other.input;
        self.input_cached += other.input_cached;
        self.input_cache_write += other.input_cache_write;
        self.input_audio += other.input_audio;
        self.input_image += other.input_image;
        self.output += other.output;
        self.output_reasoning += other.output_reasoning;
        self.output_audio += other.output_audio;
        self.requests += other.requests;
        self.estimated_requests += other.estimated_requests;
        self.cost += other.cost;
        self.unpriced_requests += other.unpriced_requests;
    }
}

/// The most rows of a page: a page with more ends at an earlier bucket.
const MOST_ROWS: usize = 50_000;

/// The most values that the filters of one query name.
const MOST_FILTERS: usize = 1_000;

impl Store {
    /// The page of a query for something that no call does: its buckets, all empty.
    ///
    /// # Errors
    /// As [`Store::usage`] has them for the query's time and page.
    pub fn usage_of_nothing(&self, query: &UsageQuery) -> Result<UsagePage, StoreError> {
        let span = Span::new(query, self.now())?;
        let empty = |(start, end)| Bucket { start, end, results: Vec::new() };
        Ok(UsagePage { buckets: span.buckets().map(empty).collect(), next_page: span.next_page() })
    }

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
        let rows = rows(self, scope, query, &span, MOST_ROWS).await?;
        let mut rows = span.cut_at_most(rows, MOST_ROWS)?.into_iter().peekable();
        let mut buckets = Vec::new();
        for (start, end) in span.buckets() {
            let mut results = Vec::new();
            while let Some((_, row)) = rows.next_if(|(at, _)| *at < end.as_micros()) {
                results.push(row);
            }
            buckets.push(Bucket { start, end, results });
        }
        Ok(UsagePage { buckets, next_page: span.next_page() })
    }
}
