//! The ledger: one row for every admitted call, written exactly once.

use kernel::{
    ApiKeyId, BatchId, CallRecord, Money, ProjectId, RequestId, ResponseId, Scope, Timestamp, Usage,
};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};

use crate::columns::{Columns, to_number, unreadable, without_nul};
use crate::database::Engine;
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

const COLUMNS: [&str; 27] = [
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
];

/// The columns of what a call was made for, which most calls have nothing in.
const ORIGIN_COLUMNS: [&str; 3] = ["call_id", "response_id", "batch_id"];

/// Rows per statement, in turn until no record is left. A few sizes that come again and again stay
/// prepared. The largest binds 6 912 values, under the 32 766 of SQLite and the 65 535 of
/// PostgreSQL; more make the statement no cheaper per row.
const CHUNKS: [usize; 5] = [256, 64, 16, 4, 1];

/// No call has more tokens of a kind. An upstream that reports more is wrong, and the sum of a few
/// such reports would no longer fit its column.
const MOST_TOKENS: u64 = 1_000_000_000_000;

impl Store {
    /// Writes records, all of them or none, and says how many were new. A record whose id is
    /// already in the ledger changes nothing, so a batch may be sent again after a failure.
    pub async fn call_insert(&self, records: &[CallRecord]) -> Result<u64, StoreError> {
        let engine = self.database().engine();
        let mut new = 0;
        let mut write = self.write().await?;
        for chunk in in_chunks(records) {
            let sql = insert_statement(engine, "call", &COLUMNS, chunk.len());
            let query = chunk.iter().fold(sqlx::query(AssertSqlSafe(sql)), bind);
            new += query.execute(write.connection()).await?.rows_affected();
        }
        let made = |record: &&CallRecord| record.response.is_some() || record.batch.is_some();
        let origins: Vec<_> = records.iter().filter(made).collect();
        for chunk in in_chunks(&origins) {
            let sql = insert_statement(engine, "call_origin", &ORIGIN_COLUMNS, chunk.len());
            let query = chunk.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, record| {
                query
                    .bind(record.id.as_str())
                    .bind(record.response.as_ref().map(ResponseId::as_str))
                    .bind(record.batch.as_ref().map(BatchId::as_str))
            });
            query.execute(write.connection()).await?;
        }
        write.commit().await?;
        Ok(new)
    }

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

/// All rows, in runs of the sizes of [`CHUNKS`].
fn in_chunks<T>(rows: &[T]) -> Vec<&[T]> {
    let mut rest = rows;
    let mut all = Vec::new();
    for size in CHUNKS {
        let chunks = rest.chunks_exact(size);
        rest = chunks.remainder();
        all.extend(chunks);
    }
    all
}

/// `INSERT` of that many rows, of which the known ones change nothing; the first column is the key.
/// SQLite finds a numbered placeholder by search, which over thousands of them costs more than the
/// insert; so there they have no numbers.
fn insert_statement(engine: Engine, table: &str, columns: &[&str], rows: usize) -> String {
    let mut sql = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
    for place in 0..rows * columns.len() {
        sql.push_str(match (place, place % columns.len()) {
            (0, _) => "(",
            (_, 0) => "), (",
            _ => ", ",
        });
        match engine {
            Engine::Sqlite => sql.push('?'),
            Engine::Postgres => sql.push_str(&format!("${}", place + 1)),
        }
    }
    let key = columns.first().unwrap_or(&"id");
    sql.push_str(&format!(") ON CONFLICT ({key}) DO NOTHING"));
    sql
}

type Insert<'q> = Query<'q, Any, AnyArguments>;

/// Binds one record, in the order of [`COLUMNS`].
fn bind<'q>(query: Insert<'q>, record: &'q CallRecord) -> Insert<'q> {
    let usage = &record.usage;
    let tokens = |count: u64| to_number(count.min(MOST_TOKENS));
    query
        .bind(record.id.as_str())
        .bind(record.started_at.as_micros())
        .bind(to_number(record.duration_us))
        .bind(record.first_byte_us.map(to_number))
        .bind(record.organization.as_str())
        .bind(record.project.as_str())
        .bind(record.api_key.as_str())
        .bind(record.service_account.as_ref().map(kernel::ServiceAccountId::as_str))
        .bind(record.end_user.as_deref().map(without_nul))
        .bind(record.operation.as_str())
        .bind(without_nul(&record.model))
        .bind(without_nul(&record.provider))
        .bind(without_nul(&record.upstream_model))
        .bind(i64::from(record.stream))
        .bind(i64::from(record.status))
        .bind(record.outcome.as_str())
        .bind(i64::from(record.attempts))
        .bind(tokens(usage.input))
        .bind(tokens(usage.input_cached))
        .bind(tokens(usage.input_cache_write))
        .bind(tokens(usage.input_audio))
        .bind(tokens(usage.input_image))
        .bind(tokens(usage.output))
        .bind(tokens(usage.output_reasoning))
        .bind(tokens(usage.output_audio))
        .bind(i64::from(usage.estimated))
        .bind(record.cost.map(Money::as_nanos))
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
    fn a_whole_chunk_stays_under_what_sqlite_binds() {
        assert!(CHUNKS.iter().all(|rows| rows * COLUMNS.len() <= 32_766));
    }

    #[test]
    fn every_row_is_in_one_chunk() {
        let rows: Vec<_> = (0..600).collect();
        let chunks = in_chunks(&rows);
        assert!(chunks.iter().all(|chunk| CHUNKS.contains(&chunk.len())));
        assert_eq!(chunks.concat(), rows);
    }

    #[test]
    fn the_statement_has_a_place_for_every_value() {
        let numbered = insert_statement(Engine::Postgres, "call", &COLUMNS, 2);
        assert!(numbered.contains("$26, $27), ($28, $29"), "{numbered}");
        assert!(numbered.ends_with("$54) ON CONFLICT (id) DO NOTHING"), "{numbered}");
        let plain = insert_statement(Engine::Sqlite, "call", &COLUMNS, 2);
        assert_eq!(plain.matches('?').count(), 54);
    }
}
