//! The ledger: one row for every admitted call. How rows get there is in [`crate::call_insert`].

use std::borrow::Cow;

use kernel::{ApiKeyId, CallRecord, Money, ProjectId, RequestId, Scope, Timestamp, Usage};
use sqlx::Any;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;

use crate::columns::{Columns, to_number, unreadable, without_nul};
use crate::scope::project_of;
use crate::{Page, Paged, Store, StoreError};

/// Which calls are listed; each `None` lets every call through.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallFilter {
    /// Calls of this project.
    pub project: Option<ProjectId>,
    /// Calls with this key.
    pub api_key: Option<ApiKeyId>,
    /// Calls of this model alias.
    pub model: Option<String>,
    /// Calls that arrived at this moment or later.
    pub start: Option<Timestamp>,
    /// Calls that arrived before this moment.
    pub end: Option<Timestamp>,
}

pub(crate) const COLUMNS: [&str; 29] = [
    "id",
    "started_at",
    "duration_us",
    "first_byte_us",
    "organization_id",
    "project_id",
    "api_key_id",
    "service_account_id",
    "end_user",
    "operation",
    "model",
    "provider",
    "upstream_model",
    "stream",
    "status",
    "outcome",
    "attempts",
    "input_tokens",
    "input_cached_tokens",
    "input_cache_write_tokens",
    "input_audio_tokens",
    "input_image_tokens",
    "output_tokens",
    "output_reasoning_tokens",
    "output_audio_tokens",
    "estimated",
    "cost",
    "batch",
    "service_tier",
];

/// No call has more tokens of a kind. An upstream that reports more is wrong, and the sum of a few
/// such reports would no longer fit its column.
const MOST_TOKENS: u64 = 1_000_000_000_000;

/// No call costs more: a million dollars. As with tokens, the sum must fit.
const MOST_COST: Money = Money::from_nanos(1_000_000_000_000_000);

/// The longest name of a model or user, in bytes; requests may not have a longer one. An index of
/// PostgreSQL refuses rows whose columns are together longer than 2 704.
const LONGEST_NAME: usize = 1_024;

impl Store {
    /// One call in the scope.
    pub async fn call_get(&self, scope: &Scope, id: &RequestId) -> Result<CallRecord, StoreError> {
        sqlx::query(
            "SELECT * FROM call LEFT JOIN call_origin ON call_origin.call_id = call.id
             WHERE id = $1 AND organization_id = $2 AND ($3 IS NULL OR project_id = $3)",
        )
        .bind(id.as_str())
        .bind(scope.organization.as_str())
        .bind(project_of(scope))
        .fetch_optional(&mut *self.read().await?)
        .await?
        .as_ref()
        .map_or_else(|| Err(StoreError::not_found("call", id.as_str())), record)
    }

    /// Calls in the scope, the newest first; `page.after` is the id of the oldest call of the page
    /// before.
    pub async fn call_list(
        &self,
        scope: &Scope,
        filter: &CallFilter,
        page: &Page,
    ) -> Result<Paged<CallRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT page.*, response_id, batch_id FROM (
                 SELECT * FROM call
                 WHERE organization_id = $1 AND ($2 IS NULL OR project_id = $2)
                   AND ($3 IS NULL OR project_id = $3) AND ($4 IS NULL OR api_key_id = $4)
                   AND ($5 IS NULL OR model = $5) AND started_at >= $6 AND started_at < $7
                   AND ($8 IS NULL OR id < $8)
                 ORDER BY id DESC LIMIT $9
             ) AS page LEFT JOIN call_origin ON call_origin.call_id = page.id
             ORDER BY page.id DESC",
        )
        .bind(scope.organization.as_str())
        .bind(project_of(scope))
        .bind(filter.project.as_ref().map(ProjectId::as_str))
        .bind(filter.api_key.as_ref().map(ApiKeyId::as_str))
        .bind(filter.model.as_deref())
        .bind(filter.start.map_or(i64::MIN, Timestamp::as_micros))
        .bind(filter.end.map_or(i64::MAX, Timestamp::as_micros))
        .bind(page.after.as_deref())
        .bind(page.fetch())
        .fetch_all(&mut *self.read().await?)
        .await?;
        Ok(Paged::cut(rows.iter().map(record).collect::<Result<_, _>>()?, page))
    }
}

type Insert<'q> = Query<'q, Any, AnyArguments>;

/// Binds one record, in the order of [`COLUMNS`].
pub(crate) fn bind<'q>(query: Insert<'q>, record: &'q CallRecord) -> Insert<'q> {
    let usage = &record.usage;
    query
        .bind(record.id.as_str())
        .bind(record.started_at.as_micros())
        .bind(to_number(record.duration_us))
        .bind(record.first_byte_us.map(to_number))
        .bind(record.organization.as_str())
        .bind(record.project.as_str())
        .bind(record.api_key.as_str())
        .bind(record.service_account.as_ref().map(kernel::ServiceAccountId::as_str))
        .bind(record.end_user.as_deref().map(stored_text).as_deref())
        .bind(record.operation.as_str())
        .bind(&*stored_text(&record.model))
        .bind(&*stored_text(&record.provider))
        .bind(&*stored_text(&record.upstream_model))
        .bind(i64::from(record.stream))
        .bind(i64::from(record.status))
        .bind(record.outcome.as_str())
        .bind(i64::from(record.attempts))
        .bind(stored_tokens(usage.input))
        .bind(stored_tokens(usage.input_cached))
        .bind(stored_tokens(usage.input_cache_write))
        .bind(stored_tokens(usage.input_audio))
        .bind(stored_tokens(usage.input_image))
        .bind(stored_tokens(usage.output))
        .bind(stored_tokens(usage.output_reasoning))
        .bind(stored_tokens(usage.output_audio))
        .bind(i64::from(usage.estimated))
        .bind(record.cost.map(stored_cost))
        .bind(i64::from(record.batch.is_some()))
        .bind(record.service_tier.as_str())
}

/// A text as the ledger has it.
pub(crate) fn stored_text(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_NAME && !text.contains('\0') {
        return Cow::Borrowed(text);
    }
    let mut text = without_nul(text);
    text.truncate(text.floor_char_boundary(LONGEST_NAME));
    Cow::Owned(text)
}

/// A count of tokens as the ledger has it.
pub(crate) fn stored_tokens(count: u64) -> i64 {
    to_number(count.min(MOST_TOKENS))
}

/// A cost as the ledger has it.
pub(crate) fn stored_cost(cost: Money) -> i64 {
    cost.min(MOST_COST).as_nanos()
}

fn record(row: &AnyRow) -> Result<CallRecord, StoreError> {
    let small = |column: &str| -> Result<u32, StoreError> {
        u32::try_from(row.number(column)?).map_err(|_| unreadable(column, "it is out of range"))
    };
    let first_byte_us = row.number_or_null("first_byte_us")?;
    Ok(CallRecord {
        id: row.text("id")?.into(),
        started_at: row.time("started_at")?,
        duration_us: row.count("duration_us")?,
        first_byte_us: first_byte_us.and_then(|micros| u64::try_from(micros).ok()),
        organization: row.text("organization_id")?.into(),
        project: row.text("project_id")?.into(),
        api_key: row.text("api_key_id")?.into(),
        service_account: row.text_or_null("service_account_id")?.map(Into::into),
        end_user: row.text_or_null("end_user")?,
        response: row.text_or_null("response_id")?.map(Into::into),
        batch: row.text_or_null("batch_id")?.map(Into::into),
        operation: row.word("operation")?,
        model: row.text("model")?,
        provider: row.text("provider")?,
        upstream_model: row.text("upstream_model")?,
        stream: row.truth("stream")?,
        status: u16::try_from(small("status")?).map_err(|e| unreadable("status", e.to_string()))?,
        outcome: row.word("outcome")?,
        attempts: small("attempts")?,
        service_tier: row.word("service_tier")?,
        usage: Usage {
            input: row.count("input_tokens")?,
            input_cached: row.count("input_cached_tokens")?,
            input_cache_write: row.count("input_cache_write_tokens")?,
            input_audio: row.count("input_audio_tokens")?,
            input_image: row.count("input_image_tokens")?,
            output: row.count("output_tokens")?,
            output_reasoning: row.count("output_reasoning_tokens")?,
            output_audio: row.count("output_audio_tokens")?,
            estimated: row.truth("estimated")?,
        },
        cost: row.number_or_null("cost")?.map(Money::from_nanos),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_stored_as_it_is_unless_no_index_takes_it() {
        assert_eq!(stored_text("gpt-5"), "gpt-5");
        assert_eq!(stored_text("a\0b"), "a\u{fffd}b");
        let long = stored_text(&"本".repeat(1_000)).into_owned();
        assert_eq!(long, "本".repeat(341));
        assert!(stored_text(&"\0".repeat(1_024)).len() <= LONGEST_NAME);
    }

    #[test]
    fn thousands_of_absurd_calls_fit_a_sum() {
        let most = Money::from_nanos(i64::MAX);
        assert!(stored_cost(most).checked_mul(9_000).is_some());
        assert!(stored_tokens(u64::MAX).checked_mul(9_000_000).is_some());
    }
}
