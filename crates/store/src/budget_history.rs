//! What was spent before a budget was made: read once, when it is made, so that the period that is
//! under way counts from its beginning.
//!
//! A month of calls is read from sums by days and hours. Only the edges of a period that begins
//! within an hour, as some time zones have them, are read from the ledger itself.

use std::ops::Range;

use kernel::limit::LimitScope;
use kernel::{Budget, Timestamp};
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::StoreError;
use crate::columns::Columns;
use crate::rollup::{By, Grain, Rollup};
use crate::spend::{SpendAccount, Sums};

/// Where a stretch of time is read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    Ledger,
    /// Sums of that long.
    Sums(Grain),
}

/// What the period around `now` has spent, by account.
pub(crate) async fn read(
    connection: &mut AnyConnection,
    budget: &Budget,
    now: Timestamp,
) -> Result<Sums, StoreError> {
    let period = budget.period.around(now, &budget.zone);
    let mut sums = Sums::new();
    for (source, stretch) in stretches(&period) {
        let (sql, texts) = statement(budget, source);
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(budget.organization.as_str())
            .bind(stretch.start)
            .bind(stretch.end);
        for text in texts {
            query = query.bind(text);
        }
        for row in &query.fetch_all(&mut *connection).await? {
            let account = SpendAccount {
                budget: budget.id.clone(),
                subject: row.text("account")?,
                period_start: period.start,
            };
            let sum: &mut i64 = sums.entry(account).or_default();
            *sum = sum.saturating_add(row.number("spent")?);
        }
    }
    sums.retain(|_, sum| *sum > 0);
    Ok(sums)
}

/// The period in pieces: whole days, the whole hours around them, and what is around those.
fn stretches(period: &Range<Timestamp>) -> Vec<(Source, Range<i64>)> {
    let (start, end) = (period.start.as_micros(), period.end.as_micros());
    let inner = |within: &Range<i64>, grain: Grain| {
        let width = grain.micros();
        let start = within.start.saturating_add(width - 1).div_euclid(width) * width;
        let end = within.end.div_euclid(width) * width;
        start..end.max(start)
    };
    let hours = inner(&(start..end), Grain::Hour);
    let days = inner(&hours, Grain::Day);
    let pieces = [
        (Source::Ledger, start..hours.start.min(end)),
        (Source::Sums(Grain::Hour), hours.start..days.start.min(hours.end)),
        (Source::Sums(Grain::Day), days.clone()),
        (Source::Sums(Grain::Hour), days.end.max(hours.start)..hours.end),
        (Source::Ledger, hours.end..end),
    ];
    pieces.into_iter().filter(|(_, stretch)| !stretch.is_empty()).collect()
}

/// The statement, and what is bound after the organisation, start and end.
fn statement(budget: &Budget, source: Source) -> (String, Vec<&str>) {
    let (table, time, user) = match source {
        Source::Ledger => ("call", "started_at", "end_user"),
        Source::Sums(grain) => {
            let by = match budget.scope {
                LimitScope::User => By::User,
                LimitScope::Key => By::Key,
                _ => By::Model,
            };
            (Rollup { by, grain }.table(), "bucket", "user_id")
        }
    };
    let column = match budget.scope {
        LimitScope::Organization => None,
        LimitScope::Project => Some("project_id"),
        LimitScope::Key => Some("api_key_id"),
        LimitScope::User => Some(user),
        LimitScope::Model => Some("model"),
    };
    let account = match (budget.scope, column, &budget.subject) {
        (LimitScope::User, ..) => format!("project_id || '/' || {user}"),
        (_, Some(column), None) => column.to_owned(),
        _ => "''".to_owned(),
    };
    let mut filters = String::new();
    if budget.scope == LimitScope::User {
        // Sums have the service account where a call names no user.
        filters = format!(
            " AND {user} IS NOT NULL AND {user} <> ''
              AND {user} NOT IN (SELECT id FROM service_account)"
        );
    }
    let mut texts = Vec::new();
    let named = [(column, &budget.subject), (Some("model"), &budget.model)];
    for (column, name) in named {
        if let (Some(column), Some(name)) = (column, name) {
            filters.push_str(&format!(" AND {column} = ${}", 4 + texts.len()));
            texts.push(name.as_str());
        }
    }
    let sql = format!(
        "SELECT account, CAST(SUM(cost) AS BIGINT) AS spent FROM (
             SELECT {account} AS account, cost FROM {table}
             WHERE organization_id = $1 AND {time} >= $2 AND {time} < $3 AND cost IS NOT NULL
                 {filters}
         ) AS costs GROUP BY account"
    );
    (sql, texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{Period, Zone};

    #[test]
    fn the_pieces_are_the_period() {
        for zone in ["UTC", "Asia/Tokyo", "Asia/Kathmandu", "America/St_Johns"] {
            let zone = Zone::named(zone).unwrap();
            for period in [Period::Day, Period::Month] {
                let period = period.around(Timestamp::from_secs(1_800_000_000), &zone);
                let pieces = stretches(&period);
                assert_eq!(pieces.first().unwrap().1.start, period.start.as_micros());
                assert_eq!(pieces.last().unwrap().1.end, period.end.as_micros());
                for pair in pieces.windows(2) {
                    assert_eq!(pair[0].1.end, pair[1].1.start);
                }
                for (source, stretch) in pieces {
                    if let Source::Sums(grain) = source {
                        assert_eq!(stretch.start, grain.floor(stretch.start), "{source:?}");
                        assert_eq!(stretch.end, grain.floor(stretch.end), "{source:?}");
                    }
                }
            }
        }
    }
}
