//! Reading usage: each piece of the time from the smallest table that tells apart what is asked
//! for, and the pieces put together.

use std::borrow::Cow;

use kernel::{ApiKeyId, Money, ProjectId, Scope};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use crate::columns::{Columns, places, to_number, unreadable};
use crate::ledger::stored_text;
use crate::rollup::{DIMENSIONS, Grain, Rollup, SUMS, minutes_read_since};
use crate::scope::project_of;
use crate::span::Span;
use crate::usage_plan::{Kept, Source, pieces};
use crate::{GroupBy, Store, StoreError, UsageQuery, UsageRow};

/// The rows of a page, each with the start of its bucket, in the order of buckets and groups. When
/// there are more than `most`, only so many that there is at least one too many; then the last
/// bucket may not be whole.
pub(crate) async fn rows(
    store: &Store,
    scope: &Scope,
    query: &UsageQuery,
    span: &Span,
    most: usize,
) -> Result<Vec<(i64, UsageRow)>, StoreError> {
    let filters = filters(scope, query);
    let groups = groups(query);
    let rollups = rollups(query, &filters, &groups, minutes_read_since(store.now()));
    let mut rows = Vec::new();
    for piece in pieces(span.start, span.page_end, &rollups) {
        let sql = statement(piece.source, query, &filters, &groups, most + 1);
        let mut sql = sqlx::query(AssertSqlSafe(sql))
            .persistent(false)
            .bind(scope.organization.as_str())
            .bind(piece.start)
            .bind(piece.end);
        for text in filters.iter().flat_map(|filter| &filter.texts) {
            sql = sql.bind(&**text);
        }
        for row in sql.fetch_all(&mut *store.read().await?).await? {
            rows.push((row.number("start")?, usage_row(&row, query)?));
        }
        merge(&mut rows);
        if rows.len() > most {
            break;
        }
    }
    Ok(rows)
}

/// A column, and the values of it that are let through.
struct Filter<'a> {
    column: &'static str,
    texts: Vec<Cow<'a, str>>,
}

fn filters<'a>(scope: &'a Scope, query: &'a UsageQuery) -> Vec<Filter<'a>> {
    let mut filters = Vec::new();
    let mut only = |column, texts: Vec<Cow<'a, str>>| {
        if !texts.is_empty() {
            filters.push(Filter { column, texts });
        }
    };
    let plain = Cow::Borrowed;
    only("operation", query.operations.iter().map(|operation| plain(operation.as_str())).collect());
    only("project_id", project_of(scope).map(plain).into_iter().collect());
    only("project_id", query.project_ids.iter().map(ProjectId::as_str).map(plain).collect());
    only("api_key_id", query.api_key_ids.iter().map(ApiKeyId::as_str).map(plain).collect());
    only("user_id", query.user_ids.iter().map(|user| stored_text(user)).collect());
    only("model", query.models.iter().map(|model| stored_text(model)).collect());
    only("service_tier", query.service_tiers.iter().map(|tier| plain(tier.as_str())).collect());
    filters
}

/// The columns that the rows are apart by, in the order of the rollups' keys, so that they need not
/// be sorted.
fn groups(query: &UsageQuery) -> Vec<&'static str> {
    let of = |column: &str| {
        query.group_by.iter().any(|group| match group {
            GroupBy::Project => column == "project_id",
            GroupBy::User => column == "user_id",
            GroupBy::ApiKey => column == "api_key_id",
            GroupBy::Model => column == "model",
            GroupBy::Batch => column == "batch",
            GroupBy::ServiceTier => column == "service_tier",
            GroupBy::LineItem => matches!(column, "model" | "operation"),
        })
    };
    DIMENSIONS.iter().copied().filter(|column| of(column)).collect()
}

/// Where whole buckets are read, the coarsest first: rollups that know the columns of the question,
/// in buckets no longer than its own.
fn rollups(
    query: &UsageQuery,
    filters: &[Filter<'_>],
    groups: &[&'static str],
    minutes_since: i64,
) -> Vec<Kept> {
    let asked = filters.iter().map(|filter| filter.column).chain(groups.iter().copied());
    let knows = |rollup: &Rollup| asked.clone().all(|column| rollup.dimensions().contains(&column));
    let smallest = |(grain, since)| {
        let mut of_grain = Rollup::ALL.into_iter().filter(|rollup| rollup.grain == grain);
        Some(Kept { rollup: of_grain.find(knows)?, since })
    };
    [(Grain::Day, 0), (Grain::Hour, 0), (Grain::Minute, minutes_since)]
        .into_iter()
        .filter(|(grain, _)| grain.micros() <= query.bucket.micros())
        .filter_map(smallest)
        .collect()
}

/// The statement. Organisation, start and end are bound first, then the texts of the filters.
fn statement(
    source: Source,
    query: &UsageQuery,
    filters: &[Filter<'_>],
    groups: &[&'static str],
    most: usize,
) -> String {
    let width = query.bucket.micros();
    let (table, time) = match source {
        Source::Ledger => ("call", "started_at"),
        Source::Rollup(rollup) => (rollup.table(), "bucket"),
    };
    let bucket = match source {
        // As it stands it is in the order of the key, and need not be sorted.
        Source::Rollup(rollup) if rollup.grain.micros() == width => time.to_owned(),
        _ => format!("{time} - {time} % {width}"),
    };
    let mut only = String::new();
    let mut place = 4;
    for Filter { column, texts } in filters {
        let column = expression(source, column);
        only.push_str(&format!(" AND {column} IN ({})", places(place, texts.len())));
        place += texts.len();
    }
    if let Some(batch) = query.batch {
        only.push_str(&format!(" AND batch = {}", i64::from(batch)));
    }
    let mut columns = format!("{bucket} AS start");
    for column in groups {
        columns.push_str(&format!(", {} AS {column}", expression(source, column)));
    }
    // One column: a row of many costs the driver more than the database.
    let sums = SUMS.map(|sum| sum_of(source, sum)).join(", ");
    columns.push_str(&format!(", concat_ws(' ', {sums}) AS sums"));
    let places: Vec<_> = (1..=groups.len() + 1).map(|place| place.to_string()).collect();
    format!(
        "SELECT {columns} FROM {table}
         WHERE organization_id = $1 AND {time} >= $2 AND {time} < $3{only}
         GROUP BY {} ORDER BY 1 LIMIT {most}",
        places.join(", ")
    )
}

/// A column of the rollups, as the ledger has it.
pub(crate) fn expression(source: Source, column: &'static str) -> &'static str {
    match (source, column) {
        (Source::Ledger, "user_id") => "COALESCE(end_user, service_account_id, '')",
        _ => column,
    }
}

/// A sum of the rollups, as it is made of the ledger or of the rollups' own rows.
pub(crate) fn sum_of(source: Source, sum: &str) -> String {
    let sum = match (source, sum) {
        (Source::Ledger, "requests") => return "COUNT(*)".into(),
        (Source::Ledger, "unpriced") => return "COUNT(*) - COUNT(cost)".into(),
        (Source::Ledger, "cost") => "COALESCE(SUM(cost), 0)".into(),
        _ => format!("SUM({sum})"),
    };
    // PostgreSQL's sum of numbers is of a type of its own.
    format!("CAST({sum} AS BIGINT)")
}

fn usage_row(row: &AnyRow, query: &UsageQuery) -> Result<UsageRow, StoreError> {
    let grouped = |by: GroupBy, column: &str| match query.group_by.contains(&by) {
        true => Ok::<_, StoreError>(Some(row.text(column)?)),
        false => Ok(None),
    };
    let line_item = match query.group_by.contains(&GroupBy::LineItem) {
        true => Some(format!("{}, {}", row.text("model")?, row.text("operation")?)),
        false => None,
    };
    let batch = match query.group_by.contains(&GroupBy::Batch) {
        true => Some(row.truth("batch")?),
        false => None,
    };
    let [
        requests,
        estimated_requests,
        unpriced_requests,
        cost,
        input,
        input_cached,
        input_cache_write,
        input_audio,
        input_image,
        output,
        output_reasoning,
        output_audio,
    ] = numbers(&row.text("sums")?)?;
    Ok(UsageRow {
        input,
        input_cached,
        input_cache_write,
        input_audio,
        input_image,
        output,
        output_reasoning,
        output_audio,
        requests,
        estimated_requests,
        cost: Money::from_nanos(to_number(cost)),
        unpriced_requests,
        project_id: grouped(GroupBy::Project, "project_id")?.map(Into::into),
        user_id: grouped(GroupBy::User, "user_id")?.filter(|user| !user.is_empty()),
        api_key_id: grouped(GroupBy::ApiKey, "api_key_id")?.map(Into::into),
        model: grouped(GroupBy::Model, "model")?,
        batch,
        service_tier: grouped(GroupBy::ServiceTier, "service_tier")?,
        line_item,
    })
}

/// The numbers of a row, in the order of [`SUMS`].
fn numbers(text: &str) -> Result<[u64; SUMS.len()], StoreError> {
    let mut numbers = [0; SUMS.len()];
    let mut words = text.split(' ');
    for number in &mut numbers {
        let word = words.next().and_then(|word| word.parse().ok());
        *number = word.ok_or_else(|| unreadable("sums", format!("`{text}` is no list of sums")))?;
    }
    Ok(numbers)
}

/// Puts rows of the same bucket and group together, which two pieces may have, and all in order.
fn merge(rows: &mut Vec<(i64, UsageRow)>) {
    rows.sort_by(|(a, left), (b, right)| a.cmp(b).then_with(|| left.group().cmp(&right.group())));
    rows.dedup_by(|(at, row), (kept_at, kept)| {
        let same = at == kept_at && row.group() == kept.group();
        if same {
            kept.add(row);
        }
        same
    });
}
