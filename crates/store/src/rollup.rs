//! Rollups: the ledger summed by minutes, hours and days, which usage and costs are read from.
//! They are added to in the transaction that writes a record, once for every new one; so at any
//! moment they are exactly the sums of the ledger.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use kernel::{CallRecord, Timestamp};
use sqlx::AssertSqlSafe;

use crate::database::{Engine, Write};
use crate::ledger::{stored_cost, stored_text, stored_tokens};
use crate::many_rows::{in_chunks, insert_statement};
use crate::{Store, StoreError};

/// For how long usage is read from minutes; what is older is read from the ledger.
const MINUTES_READ: Duration = Duration::from_secs(8 * 86_400);
/// For how long minutes are kept: longer, since no two nodes have quite the same time.
const MINUTES_KEPT: Duration = Duration::from_secs(9 * 86_400);

/// A table: what it tells apart, in buckets of one length. Each length has a table of its own, so
/// that the rows of one question lie beside each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rollup {
    pub(crate) by: By,
    pub(crate) grain: Grain,
}

/// How much of a call a table knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum By {
    Model,
    Key,
    User,
}

/// How long a bucket is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Grain {
    Minute,
    Hour,
    Day,
}

/// What the tables tell calls apart by, as it stands in their keys after organisation and
/// bucket. Each table has an end of this list.
pub(crate) const DIMENSIONS: &[&str] =
    &["user_id", "api_key_id", "model", "operation", "project_id", "batch", "service_tier"];

/// What is summed.
pub(crate) const SUMS: [&str; 12] = [
    "requests",
    "estimated",
    "unpriced",
    "cost",
    "input_tokens",
    "input_cached_tokens",
    "input_cache_write_tokens",
    "input_audio_tokens",
    "input_image_tokens",
    "output_tokens",
    "output_reasoning_tokens",
    "output_audio_tokens",
];

impl Rollup {
    /// All of them, in the order in which they are written; by models first, in which two nodes
    /// meet most, so that they wait for each other before they have done much.
    pub(crate) const ALL: [Self; 7] = [
        Self { by: By::Model, grain: Grain::Day },
        Self { by: By::Model, grain: Grain::Hour },
        Self { by: By::Key, grain: Grain::Day },
        Self { by: By::Key, grain: Grain::Hour },
        Self { by: By::Key, grain: Grain::Minute },
        Self { by: By::User, grain: Grain::Day },
        Self { by: By::User, grain: Grain::Hour },
    ];

    pub(crate) const fn table(self) -> &'static str {
        match (self.by, self.grain) {
            (By::Model, Grain::Day) => "usage_by_model_day",
            (By::Model, _) => "usage_by_model_hour",
            (By::Key, Grain::Day) => "usage_by_key_day",
            (By::Key, Grain::Hour) => "usage_by_key_hour",
            (By::Key, Grain::Minute) => "usage_by_key_minute",
            (By::User, Grain::Day) => "usage_by_user_day",
            (By::User, _) => "usage_by_user_hour",
        }
    }

    pub(crate) const fn dimensions(self) -> &'static [&'static str] {
        let without = match self.by {
            By::Model => 2,
            By::Key => 1,
            By::User => 0,
        };
        DIMENSIONS.split_at(without).1
    }

    /// The columns of its key.
    pub(crate) fn key(self) -> Vec<&'static str> {
        [&["organization_id", "bucket"], self.dimensions()].concat()
    }
}

impl Grain {
    /// The length, in microseconds.
    pub(crate) const fn micros(self) -> i64 {
        1_000_000
            * match self {
                Self::Minute => 60,
                Self::Hour => 3_600,
                Self::Day => 86_400,
            }
    }

    /// The beginning of the bucket that a moment lies in; the database rounds as this does.
    pub(crate) const fn floor(self, at: i64) -> i64 {
        at - at % self.micros()
    }
}

/// The key of a row: whose calls, of which time, of which kind. A dimension that its table does not
/// have is empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Cell<'a> {
    organization: &'a str,
    bucket: i64,
    user: Cow<'a, str>,
    api_key: &'a str,
    model: Cow<'a, str>,
    operation: &'static str,
    project: &'a str,
    batch: bool,
    service_tier: &'static str,
}

/// In the order of [`SUMS`].
type Sums = [i64; SUMS.len()];

/// Sums by cell. All nodes lock rows in its order, so no two wait for each other in a circle.
type Cells<'a> = BTreeMap<Cell<'a>, Sums>;

/// Adds new records to all rollups.
pub(crate) async fn add(
    write: &mut Write<'_>,
    engine: Engine,
    now: Timestamp,
    new: &[&CallRecord],
) -> Result<(), StoreError> {
    let summed = Summed::of(new, minutes_kept_since(now));
    for rollup in Rollup::ALL {
        let rows: Vec<_> = summed.rows(rollup).iter().collect();
        for chunk in in_chunks(engine, &rows) {
            upsert(write, engine, rollup, chunk).await?;
        }
    }
    Ok(())
}

/// The first minute that is kept.
pub(crate) fn minutes_kept_since(now: Timestamp) -> i64 {
    minute_before(now, MINUTES_KEPT)
}

/// The first minute that usage is read from.
pub(crate) fn minutes_read_since(now: Timestamp) -> i64 {
    minute_before(now, MINUTES_READ)
}

fn minute_before(now: Timestamp, ago: Duration) -> i64 {
    let ago = Timestamp::default().plus(ago).as_micros();
    Grain::Minute.floor(now.as_micros().saturating_sub(ago))
}

/// Sums of records, by each of the tables.
struct Summed<'a> {
    by_model: [Cells<'a>; 2],
    by_key: [Cells<'a>; 2],
    by_key_minute: Cells<'a>,
    by_user: [Cells<'a>; 2],
}

impl<'a> Summed<'a> {
    /// Every table from the next finer one. Minutes before `minutes_since` are left out.
    fn of(records: &[&'a CallRecord], minutes_since: i64) -> Self {
        let mut finest = Cells::new();
        for record in records {
            add_to(&mut finest, cell_of(record), sums_of(record));
        }
        let hour = |cell: &mut Cell<'_>| cell.bucket = Grain::Hour.floor(cell.bucket);
        let day = |cell: &mut Cell<'_>| cell.bucket = Grain::Day.floor(cell.bucket);
        let any_user = |cell: &mut Cell<'_>| cell.user = Cow::Borrowed("");
        let any_key = |cell: &mut Cell<'_>| cell.api_key = "";

        let hours = coarser(&finest, hour);
        let by_user = [coarser(&hours, day), hours];
        let by_key = by_user.each_ref().map(|cells| coarser(cells, any_user));
        let by_model = by_key.each_ref().map(|cells| coarser(cells, any_key));
        finest.retain(|cell, _| cell.bucket >= minutes_since);
        Self { by_model, by_key, by_key_minute: coarser(&finest, any_user), by_user }
    }

    const fn rows(&self, rollup: Rollup) -> &Cells<'a> {
        let [days, hours] = match rollup.by {
            By::Model => &self.by_model,
            By::Key => &self.by_key,
            By::User => &self.by_user,
        };
        match rollup.grain {
            Grain::Day => days,
            Grain::Hour => hours,
            Grain::Minute => &self.by_key_minute,
        }
    }
}

fn coarser<'a>(cells: &Cells<'a>, change: impl Fn(&mut Cell<'a>)) -> Cells<'a> {
    let mut all = Cells::new();
    for (cell, sums) in cells {
        let mut cell = cell.clone();
        change(&mut cell);
        add_to(&mut all, cell, *sums);
    }
    all
}

fn add_to<'a>(cells: &mut Cells<'a>, cell: Cell<'a>, more: Sums) {
    let sums = cells.entry(cell).or_default();
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum = sum.saturating_add(more);
    }
}

/// The finest cell that a call is in, with what the ledger has in its row.
fn cell_of(record: &CallRecord) -> Cell<'_> {
    let service_account = record.service_account.as_ref().map(kernel::ServiceAccountId::as_str);
    Cell {
        organization: record.organization.as_str(),
        bucket: Grain::Minute.floor(record.started_at.as_micros()),
        user: stored_text(record.end_user.as_deref().or(service_account).unwrap_or_default()),
        api_key: record.api_key.as_str(),
        model: stored_text(&record.model),
        operation: record.operation.as_str(),
        project: record.project.as_str(),
        batch: record.batch.is_some(),
        service_tier: record.service_tier.as_str(),
    }
}

fn sums_of(record: &CallRecord) -> Sums {
    let usage = &record.usage;
    [
        1,
        i64::from(usage.estimated),
        i64::from(record.cost.is_none()),
        record.cost.map_or(0, stored_cost),
        stored_tokens(usage.input),
        stored_tokens(usage.input_cached),
        stored_tokens(usage.input_cache_write),
        stored_tokens(usage.input_audio),
        stored_tokens(usage.input_image),
        stored_tokens(usage.output),
        stored_tokens(usage.output_reasoning),
        stored_tokens(usage.output_audio),
    ]
}

async fn upsert(
    write: &mut Write<'_>,
    engine: Engine,
    rollup: Rollup,
    rows: &[(&Cell<'_>, &Sums)],
) -> Result<(), StoreError> {
    let (table, key) = (rollup.table(), rollup.key());
    let sums = SUMS.map(|sum| format!("{sum} = {table}.{sum} + excluded.{sum}"));
    let insert = insert_statement(engine, table, &[&key[..], &SUMS].concat(), rows.len());
    let sql =
        format!("{insert} ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), sums.join(", "));
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for (cell, sums) in rows {
        query = query.bind(cell.organization).bind(cell.bucket);
        if rollup.by >= By::User {
            query = query.bind(&*cell.user);
        }
        if rollup.by >= By::Key {
            query = query.bind(cell.api_key);
        }
        query = query
            .bind(&*cell.model)
            .bind(cell.operation)
            .bind(cell.project)
            .bind(i64::from(cell.batch))
            .bind(cell.service_tier);
        query = sums.iter().fold(query, |query, sum| query.bind(*sum));
    }
    query.execute(write.connection()).await?;
    Ok(())
}

impl Store {
    /// Lets go of minutes that usage is not read from any more, and says how many rows that were.
    /// Without it nothing is wrong, but the database grows.
    pub async fn rollup_trim(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut write = self.write().await?;
        let sql = "DELETE FROM usage_by_key_minute WHERE bucket < $1";
        let trimmed =
            sqlx::query(sql).bind(minutes_kept_since(now)).execute(write.connection()).await?;
        write.commit().await?;
        Ok(trimmed.rows_affected())
    }
}
