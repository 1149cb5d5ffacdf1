//! A month's statement of service: what was promised for a tier, and what came of it.

use std::ops::Range;
use std::time::Duration;

use kernel::{OrganizationId, Period, Scope, ServiceTier, Timestamp, Zone};
use store::{LEVEL_BUCKET, LevelBucket, ServiceObjective, Store, StoreError};

/// How one tier of one organisation was served in one month.
#[derive(Clone, PartialEq, Debug)]
pub struct Statement {
    /// The organisation.
    pub organization: OrganizationId,
    /// The tier.
    pub tier: ServiceTier,
    /// The month, in the time zone that was asked for. Of a month that is not over, this is only
    /// what has passed of it.
    pub time: Range<Timestamp>,
    /// What is promised at the moment of the statement.
    pub objective: ServiceObjective,
    /// Calls.
    pub requests: u64,
    /// Of the calls: those that did not fail, against the promise.
    pub availability: Kept,
    /// Of the calls that did not fail: those whose answer began in time, against the promise.
    pub latency: Option<Kept>,
    /// The mean over all five minutes of the share of calls that did not fail, where five minutes
    /// without a call count as served. Contracts on uptime are written so.
    pub uptime: f64,
    /// When at least half of the calls failed, to within five minutes.
    pub outages: Vec<Outage>,
}

/// How well one promise was kept.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Kept {
    /// How many calls of a million it was promised to; `None`: to none.
    pub objective_ppm: Option<u32>,
    /// Calls that it could be kept or broken to.
    pub total: u64,
    /// Of those: the calls that it was broken to.
    pub broken: u64,
    /// The share of calls that it was kept to; `None` without calls.
    pub share: Option<f64>,
    /// Where the true share lies, with a confidence of 95 % (Wilson's interval).
    pub interval: Option<(f64, f64)>,
    /// Whether the promise was kept; `None`: there was none, or there were no calls.
    pub met: Option<bool>,
    /// What is left of the error budget: 1 is all of it, 0 none, less than 0 that it was overrun.
    pub budget_left: Option<f64>,
}

/// A time in which at least half of the calls failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outage {
    /// From when to when, to within five minutes.
    pub time: Range<Timestamp>,
    /// Calls.
    pub requests: u64,
    /// Of the calls: those that failed.
    pub failed: u64,
}

impl Statement {
    /// The month around a moment, for one tier of the scope's organisation.
    ///
    /// # Errors
    /// When the database is not available, or the scope is a project's.
    pub async fn read(
        store: &Store,
        scope: &Scope,
        tier: ServiceTier,
        month: Timestamp,
        zone: &Zone,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let whole = Period::Month.around(month, zone);
        let time = whole.start..whole.end.min(now.max(whole.start));
        let objective = store.service_objective_get(scope, tier).await?;
        let buckets = store.service_level_buckets(scope, tier, time.clone()).await?;
        Ok(Self::of(scope.organization.clone(), tier, time, objective, &buckets))
    }

    /// From the buckets of its time.
    pub fn of(
        organization: OrganizationId,
        tier: ServiceTier,
        time: Range<Timestamp>,
        objective: ServiceObjective,
        buckets: &[LevelBucket],
    ) -> Self {
        let sum = |count: fn(&LevelBucket) -> u64| buckets.iter().map(count).sum::<u64>();
        let requests = sum(|bucket| bucket.level.requests);
        let failed = sum(|bucket| bucket.level.failed);
        let slow = sum(|bucket| bucket.level.slow);
        Self {
            organization,
            tier,
            objective,
            requests,
            availability: Kept::of(objective.availability_ppm, requests, failed),
            latency: objective
                .latency
                .map(|latency| Kept::of(Some(latency.ppm), requests - failed, slow)),
            uptime: uptime(&time, buckets),
            outages: outages(buckets),
            time,
        }
    }

    /// How long at least half of the calls failed, all outages together.
    pub fn downtime(&self) -> Duration {
        self.outages.iter().map(|outage| outage.time.end.since(outage.time.start)).sum()
    }
}

impl Kept {
    fn of(objective_ppm: Option<u32>, total: u64, broken: u64) -> Self {
        let known = total > 0;
        let kept = total.saturating_sub(broken);
        // In whole numbers: 99.9 % is a promise, not an approximation.
        let allowed = |ppm: u32| u128::from(total) * u128::from(1_000_000 - ppm);
        let used = u128::from(broken) * 1_000_000;
        Self {
            objective_ppm,
            total,
            broken,
            share: known.then(|| kept as f64 / total as f64),
            interval: known.then(|| wilson(kept, total)),
            met: objective_ppm.filter(|_| known).map(|ppm| used <= allowed(ppm)),
            budget_left: objective_ppm
                .filter(|_| known)
                .map(|ppm| 1.0 - used as f64 / allowed(ppm) as f64),
        }
    }
}

/// Wilson's interval of a share: unlike the plain one it is right for shares near 1, and for few
/// calls.
fn wilson(kept: u64, total: u64) -> (f64, f64) {
    /// Of the normal distribution, for a confidence of 95 %.
    const Z: f64 = 1.959_963_984_540_054;
    let (n, share) = (total as f64, kept as f64 / total as f64);
    let middle = share + Z * Z / (2.0 * n);
    let width = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    (((middle - width) / scale).max(0.0), ((middle + width) / scale).min(1.0))
}

fn uptime(time: &Range<Timestamp>, buckets: &[LevelBucket]) -> f64 {
    let all = time.end.since(time.start).as_secs_f64() / LEVEL_BUCKET.as_secs_f64();
    let lost: f64 = buckets
        .iter()
        .filter(|bucket| bucket.level.requests > 0)
        .map(|bucket| bucket.level.failed as f64 / bucket.level.requests as f64)
        .sum();
    // The last bucket of a month that is not over is not over either.
    (1.0 - lost / all.ceil().max(1.0)).max(0.0)
}

fn outages(buckets: &[LevelBucket]) -> Vec<Outage> {
    let mut outages: Vec<Outage> = Vec::new();
    let is_down = |bucket: &&LevelBucket| bucket.level.failed * 2 >= bucket.level.requests.max(1);
    for bucket in buckets.iter().filter(is_down) {
        let end = bucket.start.plus(LEVEL_BUCKET);
        let level = bucket.level;
        match outages.last_mut().filter(|last| last.time.end == bucket.start) {
            Some(last) => {
                last.time.end = end;
                last.requests += level.requests;
                last.failed += level.failed;
            }
            None => outages.push(Outage {
                time: bucket.start..end,
                requests: level.requests,
                failed: level.failed,
            }),
        }
    }
    outages
}

#[cfg(test)]
mod tests {
    use store::{LatencyObjective, Level};

    use super::*;

    fn bucket(number: u32, requests: u64, failed: u64, slow: u64) -> LevelBucket {
        let start = Timestamp::from_secs(1_795_000_200).plus(LEVEL_BUCKET * number);
        LevelBucket { start, level: Level { requests, failed, slow } }
    }

    fn statement(objective: ServiceObjective, buckets: &[LevelBucket]) -> Statement {
        let start = bucket(0, 0, 0, 0).start;
        let time = start..start.plus(LEVEL_BUCKET * 1_000);
        Statement::of("org-1".into(), ServiceTier::Priority, time, objective, buckets)
    }

    const fn promised(ppm: u32) -> ServiceObjective {
        ServiceObjective { availability_ppm: Some(ppm), latency: None }
    }

    #[test]
    fn a_promise_is_kept_to_the_last_call() {
        let kept = statement(promised(999_000), &[bucket(0, 2_000, 2, 0)]).availability;
        assert_eq!((kept.met, kept.budget_left), (Some(true), Some(0.0)));
        let broken = statement(promised(999_000), &[bucket(0, 2_000, 3, 0)]).availability;
        assert_eq!((broken.met, broken.share), (Some(false), Some(0.9985)));
        assert!((broken.budget_left.unwrap() + 0.5).abs() < 1e-9, "overrun by half");
    }

    #[test]
    fn nothing_is_said_of_what_did_not_happen() {
        let none = statement(promised(999_000), &[]);
        assert_eq!((none.availability.met, none.availability.share), (None, None));
        assert_eq!((none.uptime, none.downtime()), (1.0, Duration::ZERO));
        let unpromised = ServiceObjective { availability_ppm: None, latency: None };
        let kept = statement(unpromised, &[bucket(0, 10, 5, 0)]).availability;
        assert_eq!((kept.met, kept.budget_left, kept.share), (None, None, Some(0.5)));
    }

    #[test]
    fn latency_counts_the_calls_that_did_not_fail() {
        let latency = LatencyObjective { within: Duration::from_millis(800), ppm: 950_000 };
        let objective = ServiceObjective { availability_ppm: None, latency: Some(latency) };
        let kept = statement(objective, &[bucket(0, 110, 10, 5)]).latency.unwrap();
        assert_eq!((kept.total, kept.broken, kept.met), (100, 5, Some(true)));
        let late = statement(objective, &[bucket(0, 110, 10, 6)]).latency.unwrap();
        assert_eq!(late.met, Some(false));
    }

    #[test]
    fn outages_are_joined_and_measured() {
        let buckets = [
            bucket(1, 10, 1, 0),
            bucket(2, 10, 5, 0),
            bucket(3, 10, 10, 0),
            bucket(5, 2, 2, 0),
            bucket(6, 0, 0, 0),
        ];
        let said = statement(promised(999_000), &buckets);
        let spans: Vec<_> = said
            .outages
            .iter()
            .map(|outage| (outage.time.start, outage.requests, outage.failed))
            .collect();
        assert_eq!(spans, [(buckets[1].start, 20, 15), (buckets[3].start, 2, 2)]);
        assert_eq!(said.downtime(), LEVEL_BUCKET * 3);
        // 0.1 + 0.5 + 1 + 1 buckets of 1000 were lost.
        assert!((said.uptime - 0.9974).abs() < 1e-9, "{}", said.uptime);
    }

    /// Against values of R's `binom.confint(..., methods = "wilson")`.
    #[test]
    fn the_interval_is_wilsons() {
        for (kept, total, low, high) in [
            (0, 10, 0.0, 0.277_532_8),
            (8, 10, 0.490_162_5, 0.943_317_8),
            (10, 10, 0.722_467_2, 1.0),
        ] {
            let (found_low, found_high) = wilson(kept, total);
            assert!((found_low - low).abs() < 1e-6, "{kept} of {total}: {found_low}");
            assert!((found_high - high).abs() < 1e-6, "{kept} of {total}: {found_high}");
        }
    }
}
