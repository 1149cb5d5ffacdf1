//! Finds out whether rollups are the sums of the ledger, and makes them so again. They always are,
//! unless somebody changed the database by hand.

use std::ops::Range;

use kernel::{Scope, Timestamp};
use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::columns::Columns;
use crate::event::Event;
use crate::rollup::{Grain, Rollup, SUMS, minutes_kept_since};
use crate::scope::whole_organization;
use crate::usage_plan::Source;
use crate::usage_read::{expression, sum_of};
use crate::{Store, StoreError};

/// Where a rollup is not the sum of the ledger.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageDifference {
    /// The table.
    pub table: &'static str,
    /// The day (UTC) that the buckets are in.
    pub day: Timestamp,
    /// How many rows are wrong, missing or too many.
    pub rows: u64,
}

impl Store {
    /// Compares the rollups of an organisation with its ledger, for every day that has a part in
    /// `range`. It reads every call of that time.
    pub async fn usage_check(
        &self,
        scope: &Scope,
        range: Range<Timestamp>,
    ) -> Result<Vec<UsageDifference>, StoreError> {
        let organization = whole_organization(scope, "rollups of usage")?;
        let mut found = Vec::new();
        for day in days(range) {
            for part in Part::all(day, minutes_kept_since(self.now())) {
                let row = sqlx::query(AssertSqlSafe(part.count_differences()))
                    .bind(organization)
                    .bind(part.start)
                    .bind(part.end)
                    .fetch_one(&mut *self.read().await?)
                    .await?;
                let rows = row.count("differences")?;
                if rows > 0 {
                    let day = Timestamp::from_micros(day);
                    let table = part.rollup.table();
                    found.push(UsageDifference { table, day, rows });
                }
            }
        }
        Ok(found)
    }

    /// Sums the ledger of an organisation into its rollups anew, for every day that has a part in
    /// `range`, and says how many rows were written. Each day is one transaction, in which no node
    /// writes records.
    pub async fn usage_rebuild(
        &self,
        scope: &Scope,
        range: Range<Timestamp>,
    ) -> Result<u64, StoreError> {
        let organization = whole_organization(scope, "rollups of usage")?;
        let mut written = 0;
        for day in days(range) {
            // A change is made while no record is being written: whoever writes records
            // holds a share of the row that it changes first.
            let mut change = self.change().await?;
            let mut of_day = 0;
            for part in Part::all(day, minutes_kept_since(self.now())) {
                let mut run = async |sql| {
                    let query = sqlx::query(AssertSqlSafe(sql)).bind(organization);
                    query.bind(part.start).bind(part.end).execute(change.connection()).await
                };
                run(part.delete()).await?;
                of_day += run(part.insert()).await?.rows_affected();
            }
            let event = Event::of(scope, "kijun.usage.rebuilt")
                .on("usage", Timestamp::from_micros(day))
                .after(json!({"rows": of_day}));
            change.commit(event).await?;
            written += of_day;
        }
        Ok(written)
    }
}

/// The beginnings of all days that have a part in the range.
fn days(range: Range<Timestamp>) -> impl Iterator<Item = i64> {
    let first = Grain::Day.floor(range.start.as_micros().max(0));
    std::iter::successors(Some(first), |day| day.checked_add(Grain::Day.micros()))
        .take_while(move |day| *day < range.end.as_micros())
}

/// The rows of one rollup, for a day or what is kept of it.
#[derive(Clone, Copy, Debug)]
struct Part {
    rollup: Rollup,
    start: i64,
    end: i64,
}

impl Part {
    fn all(day: i64, minutes_since: i64) -> impl Iterator<Item = Self> {
        let end = day.saturating_add(Grain::Day.micros());
        let of_day = move |rollup: Rollup| match rollup.grain {
            Grain::Minute => Self { rollup, start: day.max(minutes_since), end },
            Grain::Hour | Grain::Day => Self { rollup, start: day, end },
        };
        Rollup::ALL.into_iter().map(of_day).filter(|part| part.start < part.end)
    }

    /// The rows as they should be.
    fn of_ledger(&self) -> String {
        let width = self.rollup.grain.micros();
        let dimensions =
            self.rollup.dimensions().iter().map(|column| expression(Source::Ledger, column));
        let sums = SUMS.map(|sum| sum_of(Source::Ledger, sum));
        let places: Vec<_> = (1..=self.rollup.key().len()).map(|place| place.to_string()).collect();
        format!(
            "SELECT organization_id, started_at - started_at % {width}, {dimensions}, {sums}
             FROM call
             WHERE organization_id = $1 AND started_at >= $2 AND started_at < $3
             GROUP BY {places}",
            dimensions = dimensions.collect::<Vec<_>>().join(", "),
            sums = sums.join(", "),
            places = places.join(", "),
        )
    }

    /// The rows that are there.
    fn of_rollup(&self) -> String {
        format!("SELECT {} FROM {}", self.columns(), self.where_it_is())
    }

    fn columns(&self) -> String {
        [&self.rollup.key()[..], &SUMS].concat().join(", ")
    }

    fn where_it_is(&self) -> String {
        format!(
            "{} WHERE organization_id = $1 AND bucket >= $2 AND bucket < $3",
            self.rollup.table()
        )
    }

    fn delete(&self) -> String {
        format!("DELETE FROM {}", self.where_it_is())
    }

    fn insert(&self) -> String {
        format!("INSERT INTO {} ({}) {}", self.rollup.table(), self.columns(), self.of_ledger())
    }

    /// A row with a wrong sum is in both differences; it counts once.
    fn count_differences(&self) -> String {
        let key = self.rollup.key().join(", ");
        let (ledger, rollup, columns) = (self.of_ledger(), self.of_rollup(), self.columns());
        format!(
            "WITH ledger ({columns}) AS ({ledger}), rollup ({columns}) AS ({rollup}),
                 missing AS (SELECT * FROM ledger EXCEPT SELECT * FROM rollup),
                 extra AS (SELECT * FROM rollup EXCEPT SELECT * FROM ledger)
             SELECT COUNT(*) AS differences FROM (
                 SELECT {key} FROM missing UNION SELECT {key} FROM extra
             ) AS wrong"
        )
    }
}
