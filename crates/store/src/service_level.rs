//! How calls went, in five minutes each: what service levels are measured by.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use kernel::{CallRecord, OrganizationId, Outcome, Scope, ServiceTier, Timestamp};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use crate::columns::{Columns, to_number};
use crate::database::{Engine, Write};
use crate::many_rows::{in_chunks, insert_statement};
use crate::scope::whole_organization;
use crate::{Objectives, ServiceObjective, Store, StoreError};

/// How long a bucket is.
pub const LEVEL_BUCKET: Duration = Duration::from_secs(300);

/// How many calls there were, and how they went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Level {
    /// Calls.
    pub requests: u64,
    /// Of the calls: those that failed through no fault of their client.
    pub failed: u64,
    /// Of those that did not fail: those whose answer began later than was promised at the time.
    pub slow: u64,
}

impl Level {
    /// How one call went. A client that hangs up, or whose request is wrong, is nobody's failure; a
    /// refusal of one's own for want of room is.
    pub fn of(record: &CallRecord, objective: ServiceObjective) -> Self {
        let failed = record.status >= 500
            || matches!(
                record.outcome,
                Outcome::UpstreamBroken | Outcome::TimedOut | Outcome::Stopped | Outcome::Shed
            );
        let waited = Duration::from_micros(record.first_byte_us.unwrap_or(record.duration_us));
        let late = objective.latency.is_some_and(|promised| waited > promised.within);
        Self { requests: 1, failed: u64::from(failed), slow: u64::from(late && !failed) }
    }

    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.slow += other.slow;
    }
}

/// How the calls of one stretch of five minutes went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LevelBucket {
    /// When it begins.
    pub start: Timestamp,
    /// Its calls.
    pub level: Level,
}

/// How the calls of one tier of one organisation went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TierLevel {
    /// The organisation.
    pub organization: OrganizationId,
    /// The tier.
    pub tier: ServiceTier,
    /// Its calls.
    pub level: Level,
}

const SUMS: &str = "CAST(COALESCE(SUM(requests), 0) AS BIGINT) AS requests, \
    CAST(COALESCE(SUM(failed), 0) AS BIGINT) AS failed, \
    CAST(COALESCE(SUM(slow), 0) AS BIGINT) AS slow";

impl Store {
    /// How the calls of a tier went that ended in this time, whose ends are those of buckets.
    pub async fn service_level_sum(
        &self,
        scope: &Scope,
        tier: ServiceTier,
        time: Range<Timestamp>,
    ) -> Result<Level, StoreError> {
        let row = sqlx::query(AssertSqlSafe(format!(
            "SELECT {SUMS} FROM service_level
             WHERE organization_id = $1 AND tier = $2 AND bucket >= $3 AND bucket < $4"
        )))
        .bind(whole_organization(scope, "service levels")?)
        .bind(tier.as_str())
        .bind(time.start.as_micros())
        .bind(time.end.as_micros())
        .fetch_one(&mut *self.read().await?)
        .await?;
        level(&row)
    }

    /// The same, bucket by bucket; those without a call are left out.
    pub async fn service_level_buckets(
        &self,
        scope: &Scope,
        tier: ServiceTier,
        time: Range<Timestamp>,
    ) -> Result<Vec<LevelBucket>, StoreError> {
        let rows = sqlx::query(
            "SELECT bucket, requests, failed, slow FROM service_level
             WHERE organization_id = $1 AND tier = $2 AND bucket >= $3 AND bucket < $4
             ORDER BY bucket",
        )
        .bind(whole_organization(scope, "service levels")?)
        .bind(tier.as_str())
        .bind(time.start.as_micros())
        .bind(time.end.as_micros())
        .fetch_all(&mut *self.read().await?)
        .await?;
        let bucket =
            |row: &AnyRow| Ok(LevelBucket { start: row.time("bucket")?, level: level(row)? });
        rows.iter().map(bucket).collect()
    }

    /// How everybody's calls went since then, for the node that watches over them.
    pub async fn service_level_since(
        &self,
        start: Timestamp,
    ) -> Result<Vec<TierLevel>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT organization_id, tier, {SUMS} FROM service_level WHERE bucket >= $1
             GROUP BY organization_id, tier ORDER BY organization_id, tier"
        )))
        .bind(start.as_micros())
        .fetch_all(&mut *self.read().await?)
        .await?;
        let of_tier = |row: &AnyRow| {
            Ok(TierLevel {
                organization: row.text("organization_id")?.into(),
                tier: row.word("tier")?,
                level: level(row)?,
            })
        };
        rows.iter().map(of_tier).collect()
    }

    /// Forgets how calls went that ended before then.
    pub async fn service_level_trim(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut write = self.write().await?;
        let deleted = sqlx::query("DELETE FROM service_level WHERE bucket < $1")
            .bind(before.as_micros())
            .execute(write.connection())
            .await?;
        write.commit().await?;
        Ok(deleted.rows_affected())
    }
}

const COLUMNS: [&str; 6] = ["organization_id", "tier", "bucket", "requests", "failed", "slow"];

/// Adds calls that are new in the ledger, in the transaction that writes them there.
pub(crate) async fn record(
    write: &mut Write<'_>,
    engine: Engine,
    objectives: &Objectives,
    records: &[&CallRecord],
) -> Result<(), StoreError> {
    // In the order of their keys, so that two nodes never wait for each other in a circle.
    let mut sums: BTreeMap<(&OrganizationId, &str, i64), Level> = BTreeMap::new();
    for record in records {
        let (organization, tier) = (&record.organization, record.service_tier);
        let ended = record.started_at.plus(Duration::from_micros(record.duration_us));
        let key = (organization, tier.as_str(), bucket_of(ended).as_micros());
        sums.entry(key).or_default().add(Level::of(record, objectives.of(organization, tier)));
    }
    let sums: Vec<_> = sums.into_iter().collect();
    for chunk in in_chunks(engine, &sums) {
        let insert = insert_statement(engine, "service_level", &COLUMNS, chunk.len());
        let sql = format!(
            "{insert} ON CONFLICT (organization_id, tier, bucket) DO UPDATE SET
              requests = service_level.requests + excluded.requests,
              failed = service_level.failed + excluded.failed,
              slow = service_level.slow + excluded.slow"
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for ((organization, tier, bucket), level) in chunk {
            query = query.bind(organization.as_str()).bind(*tier).bind(*bucket);
            for count in [level.requests, level.failed, level.slow] {
                query = query.bind(to_number(count));
            }
        }
        query.execute(write.connection()).await?;
    }
    Ok(())
}

/// The beginning of the bucket that a moment lies in.
fn bucket_of(at: Timestamp) -> Timestamp {
    let length = i64::try_from(LEVEL_BUCKET.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(at.as_micros() - at.as_micros().rem_euclid(length))
}

fn level(row: &AnyRow) -> Result<Level, StoreError> {
    Ok(Level {
        requests: row.count("requests")?,
        failed: row.count("failed")?,
        slow: row.count("slow")?,
    })
}
