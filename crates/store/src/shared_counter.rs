//! Counters that nodes share, where the database is PostgreSQL: buckets that units are drawn from,
//! and places that nodes hold for a while.
//!
//! A bucket's debt is kept as the time in which it flows back, in nanoseconds. All times are the
//! database's.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::AssertSqlSafe;

use crate::columns::{Columns, to_number, unreadable};
use crate::database::Engine;
use crate::{Store, StoreError};

/// Units that are asked of a bucket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CounterDraw {
    /// Which bucket.
    pub key: String,
    /// How many units it holds.
    pub amount: u64,
    /// The microseconds in which it fills.
    pub window_us: u64,
    /// Units to take first, whether they are there or not; below zero: to put back.
    pub charge: i64,
    /// Units that are welcome.
    pub want: u64,
    /// Fewer than these are of no use.
    pub at_least: u64,
    /// Which bucket of this key the asker knows, by when it began.
    pub born: i64,
    /// When that one would have been full; counts where the bucket was lost meanwhile.
    pub full_at: i64,
}

/// Units of a bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CounterDrawn {
    /// How many are given.
    pub granted: u64,
    /// How long until the bucket is full.
    pub reset: Duration,
    /// When this bucket began.
    pub born: i64,
    /// When it would be full.
    pub full_at: i64,
}

/// Places that a node says it holds, and those it asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlaceHold {
    /// Of which counter.
    pub key: String,
    /// How many places there are.
    pub amount: u64,
    /// How many the node holds.
    pub held: u64,
    /// How many more are welcome.
    pub want: u64,
    /// Fewer than these are of no use.
    pub at_least: u64,
}

/// Places.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlaceHeld {
    /// How many more are given.
    pub granted: u64,
    /// How many all nodes hold now.
    pub total: u64,
    /// How many nodes hold any.
    pub holders: u64,
}

/// Microseconds of the database's clock. It is read after the rows are locked.
const NOW: &str = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";

/// The locks of places, among PostgreSQL's advisory locks: this and the numbers after it.
const PLACE_LOCKS: i64 = 0x6b69_6a75_6e00_0000;

/// How many there are. Holds of places that share one wait for each other.
const STRIPES: i64 = 64;

impl Store {
    /// Whether nodes can share counters in this database.
    pub fn shares_counters(&self) -> bool {
        self.database().engine() == Engine::Postgres
    }

    /// Draws units of several buckets, each named once, by one statement; buckets that are not there
    /// are made by another first.
    ///
    /// # Errors
    /// When the database is not available, or is not PostgreSQL.
    pub async fn shared_counter_draw(
        &self,
        draws: &[CounterDraw],
    ) -> Result<Vec<CounterDrawn>, StoreError> {
        const TRIES: usize = 3;
        let mut answers = vec![None; draws.len()];
        for _ in 0..TRIES {
            let missing: Vec<_> =
                draws.iter().zip(&answers).filter(|(_, answer)| answer.is_none()).collect();
            let missing: Vec<_> = missing.into_iter().map(|(draw, _)| draw).collect();
            if missing.is_empty() {
                break;
            }
            let found = self.draw_of_known(&missing).await?;
            for (draw, answer) in draws.iter().zip(&mut answers) {
                let of_draw = found.iter().find(|(key, _)| *key == draw.key);
                *answer = answer.or(of_draw.map(|(_, drawn)| *drawn));
            }
            if found.len() < missing.len() {
                self.make_counters(&missing).await?;
            }
        }
        let all: Option<Vec<_>> = answers.into_iter().collect();
        all.ok_or_else(|| unreadable("shared_counter.key", "it is not there after it was made"))
    }

    /// Says for a node how many places it holds, for as long as it `lives` without saying so again,
    /// and takes more where there are some. Each counter is named once.
    ///
    /// # Errors
    /// As [`Store::shared_counter_draw`].
    pub async fn shared_place_hold(
        &self,
        node: &str,
        lives: Duration,
        holds: &[PlaceHold],
    ) -> Result<Vec<PlaceHeld>, StoreError> {
        let asked = values(holds.len(), 5);
        // A statement sees what was committed before it began, so the locks are taken by one before.
        let sql = format!(
            "WITH asked (key, amount, held, want, at_least) AS (VALUES {asked}),
             clock AS MATERIALIZED (SELECT {NOW} AS now),
             held AS MATERIALIZED (
                 SELECT a.key, a.held, a.want, a.at_least, COALESCE(o.holders, 0) AS holders,
                        COALESCE(o.total, 0) AS others, a.amount - COALESCE(o.total, 0) - a.held AS free
                 FROM asked a LEFT JOIN (
                     SELECT p.key, CAST(SUM(p.held) AS BIGINT) AS total, COUNT(*) AS holders
                     FROM shared_place p, clock
                     WHERE p.key IN (SELECT key FROM asked) AND p.node <> ${node}
                           AND p.held_until > clock.now
                     GROUP BY p.key) o ON o.key = a.key),
             granted AS MATERIALIZED (
                 SELECT key, holders, others, held, CASE
                     WHEN LEAST(want, free) > 0 AND free >= at_least THEN LEAST(want, free) ELSE 0
                     END AS granted
                 FROM held),
             gone AS (
                 DELETE FROM shared_place p USING granted g
                 WHERE p.key = g.key AND p.node = ${node} AND g.held + g.granted = 0),
             kept AS (
                 INSERT INTO shared_place (key, node, held, held_until)
                 SELECT g.key, ${node}, g.held + g.granted, clock.now + ${lives}
                 FROM granted g, clock WHERE g.held + g.granted > 0
                 ON CONFLICT (key, node) DO UPDATE
                 SET held = excluded.held, held_until = excluded.held_until)
             SELECT key, granted, others + held + granted AS total,
                    holders + CASE WHEN held + granted > 0 THEN 1 ELSE 0 END AS holders
             FROM granted",
            node = holds.len() * 5 + 1,
            lives = holds.len() * 5 + 2,
        );
        let mut write = self.write().await?;
        let stripes: BTreeSet<i64> = holds.iter().map(|hold| stripe(&hold.key)).collect();
        let locks: Vec<_> = stripes.iter().map(|stripe| format!("({stripe})")).collect();
        let locks = format!(
            "SELECT pg_advisory_xact_lock({PLACE_LOCKS} + stripe) FROM (VALUES {}) AS s (stripe)",
            locks.join(", ")
        );
        sqlx::query(AssertSqlSafe(locks)).execute(write.connection()).await?;
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for hold in holds {
            let PlaceHold { key, amount, held, want, at_least } = hold;
            query = query.bind(key);
            for number in [amount, held, want, at_least] {
                query = query.bind(to_number(*number));
            }
        }
        let lives = i64::try_from(lives.as_micros()).unwrap_or(i64::MAX);
        let rows = query.bind(node).bind(lives).fetch_all(write.connection()).await?;
        write.commit().await?;
        let of_hold = |hold: &PlaceHold| {
            for row in &rows {
                if row.text("key")? == hold.key {
                    return Ok(PlaceHeld {
                        granted: row.count("granted")?,
                        total: row.count("total")?,
                        holders: row.count("holders")?,
                    });
                }
            }
            Err(unreadable("shared_place.key", "it is not answered"))
        };
        holds.iter().map(of_hold).collect()
    }

    /// Deletes the buckets that have long been full, and the places that nobody holds any more.
    ///
    /// # Errors
    /// As [`Store::shared_counter_draw`].
    pub async fn shared_counter_purge(&self) -> Result<(), StoreError> {
        // A node may know a bucket as less full than it is: it is kept for a while.
        let counters = format!(
            "DELETE FROM shared_counter WHERE key IN (
                 SELECT key FROM shared_counter
                 WHERE counted_at + debt_ns / 1000 < {NOW} - 60000000 FOR UPDATE SKIP LOCKED)"
        );
        let places = format!(
            "DELETE FROM shared_place WHERE (key, node) IN (
                 SELECT key, node FROM shared_place
                 WHERE held_until < {NOW} FOR UPDATE SKIP LOCKED)"
        );
        for sql in [counters, places] {
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *self.read().await?).await?;
        }
        Ok(())
    }

    /// Draws of the buckets that are there. Rows are locked in the order of their keys.
    async fn draw_of_known(
        &self,
        draws: &[&CounterDraw],
    ) -> Result<Vec<(String, CounterDrawn)>, StoreError> {
        // The numbers are floating, so a millionth of a unit is given away where less is missing.
        let sql = format!(
            "WITH asked (key, amount, window_us, charge, want, at_least, born, full_at) AS (
                 VALUES {asked}),
             held AS MATERIALIZED (
                 SELECT * FROM shared_counter WHERE key IN (SELECT key FROM asked)
                 ORDER BY key FOR UPDATE),
             timed AS MATERIALIZED (
                 SELECT a.*, h.debt_ns, h.counted_at, h.amount AS old_amount, h.born AS old_born,
                        GREATEST({NOW}, h.counted_at) AS now,
                        CAST(a.window_us AS FLOAT8) * 1000 AS window_ns
                 FROM held h JOIN asked a ON a.key = h.key),
             refilled AS MATERIALIZED (
                 SELECT *, GREATEST(0,
                     (CASE WHEN old_amount = amount THEN CAST(debt_ns AS FLOAT8)
                           ELSE CAST(debt_ns AS FLOAT8) * old_amount / GREATEST(amount, 1) END)
                     - CAST(now - counted_at AS FLOAT8) * 1000,
                     CASE WHEN old_born = born THEN 0
                          ELSE CAST(full_at - now AS FLOAT8) * 1000 END) AS debt
                 FROM timed),
             charged AS MATERIALIZED (
                 SELECT *, GREATEST(0, debt + charge * window_ns / GREATEST(amount, 1)) AS owed
                 FROM refilled),
             granted AS MATERIALIZED (
                 SELECT *, LEAST(want,
                     FLOOR((window_ns - owed) * amount / window_ns + 0.000001)) AS free
                 FROM charged),
             drawn AS MATERIALIZED (
                 SELECT *, CASE WHEN free > 0 AND free >= at_least THEN free ELSE 0 END AS granted
                 FROM granted)
             UPDATE shared_counter c
             SET amount = d.amount, counted_at = d.now,
                 debt_ns = CAST(LEAST(
                     CEIL(d.owed + d.granted * d.window_ns / GREATEST(d.amount, 1)), 9e15) AS BIGINT)
             FROM drawn d WHERE c.key = d.key
             RETURNING c.key, CAST(d.granted AS BIGINT) AS granted, c.debt_ns, c.counted_at, c.born",
            asked = values(draws.len(), 8),
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for draw in draws {
            query = query
                .bind(&draw.key)
                .bind(to_number(draw.amount))
                .bind(to_number(draw.window_us))
                .bind(draw.charge)
                .bind(to_number(draw.want))
                .bind(to_number(draw.at_least))
                .bind(draw.born)
                .bind(draw.full_at);
        }
        let rows = query.fetch_all(&mut *self.read().await?).await?;
        let read = |row: &sqlx::any::AnyRow| {
            let (debt, counted_at) = (row.count("debt_ns")?, row.number("counted_at")?);
            let full_in = i64::try_from(debt.div_ceil(1_000)).unwrap_or(i64::MAX);
            let drawn = CounterDrawn {
                granted: row.count("granted")?,
                reset: Duration::from_nanos(debt),
                born: row.number("born")?,
                full_at: counted_at.saturating_add(full_in),
            };
            Ok((row.text("key")?, drawn))
        };
        rows.iter().map(read).collect()
    }

    /// Makes buckets where there are none, as they were when the asker last heard of them.
    async fn make_counters(&self, draws: &[&CounterDraw]) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO shared_counter (key, amount, debt_ns, counted_at, born)
             SELECT a.key, a.amount, GREATEST(0, a.full_at - c.now) * 1000, c.now, c.now
             FROM (VALUES {asked}) AS a (key, amount, full_at), (SELECT {NOW} AS now) c
             ORDER BY a.key
             ON CONFLICT (key) DO NOTHING",
            asked = values(draws.len(), 3),
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for draw in draws {
            query = query.bind(&draw.key).bind(to_number(draw.amount)).bind(draw.full_at);
        }
        query.execute(&mut *self.read().await?).await?;
        Ok(())
    }
}

/// The placeholders of `rows` rows of a key and `columns - 1` numbers. The database learns from the
/// first row what they are.
fn values(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let first = row * columns + 1;
        let numbers = (first + 1..first + columns).map(|place| format!("CAST(${place} AS BIGINT)"));
        let all: Vec<_> = [format!("CAST(${first} AS TEXT)")].into_iter().chain(numbers).collect();
        format!("({})", all.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

fn stripe(key: &str) -> i64 {
    let sum = key.bytes().fold(0i64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    sum.rem_euclid(STRIPES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered_through() {
        assert_eq!(
            values(2, 2),
            "(CAST($1 AS TEXT), CAST($2 AS BIGINT)), (CAST($3 AS TEXT), CAST($4 AS BIGINT))"
        );
    }

    #[test]
    fn stripes_are_few() {
        for key in ["", "a", "0123456789abcdef0123456789abcdef"] {
            assert!((0..STRIPES).contains(&stripe(key)));
        }
    }
}
