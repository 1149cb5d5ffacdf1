//! What is promised for an organisation's calls, tier by tier.

use std::collections::HashMap;
use std::time::Duration;

use kernel::{OrganizationId, Scope, ServiceTier};
use serde_json::{Value, json};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::columns::{Columns, unreadable};
use crate::event::Event;
use crate::scope::whole_organization;
use crate::{Store, StoreError, organization};

/// A million: shares of calls are counted in parts of it, so that 99.95 % is a whole number.
const MILLION: u32 = 1_000_000;

/// What is promised for the calls of one tier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServiceObjective {
    /// How many calls of a million do not fail; `None`: nothing is promised.
    pub availability_ppm: Option<u32>,
    /// How soon answers begin; `None`: nothing is promised.
    pub latency: Option<LatencyObjective>,
}

/// How soon answers begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LatencyObjective {
    /// The time to the first byte of an answer.
    pub within: Duration,
    /// How many calls of a million have it in that time.
    pub ppm: u32,
}

impl ServiceObjective {
    /// What holds for a tier for which nothing was set: 99.9 % of calls do not fail, but nothing is
    /// promised to those for which nobody waits.
    pub const fn default_of(tier: ServiceTier) -> Self {
        let availability_ppm = match tier {
            ServiceTier::Priority | ServiceTier::Default => Some(999_000),
            ServiceTier::Flex => None,
        };
        Self { availability_ppm, latency: None }
    }

    fn check(&self) -> Result<(), StoreError> {
        let shares = [self.availability_ppm, self.latency.map(|latency| latency.ppm)];
        // All of a million leaves no error budget, so that every rule about it divides by nothing.
        if shares.into_iter().flatten().any(|ppm| !(1..MILLION).contains(&ppm)) {
            return Err(StoreError::invalid(
                "an objective's share",
                "must be more than 0 % and less than 100 %",
            ));
        }
        let longest = Duration::from_secs(3_600);
        let ms = self.latency.map(|latency| latency.within);
        if ms.is_some_and(|ms| ms < Duration::from_millis(1) || ms > longest) {
            let reason = "must be between 1 millisecond and an hour";
            return Err(StoreError::invalid("an objective's latency", reason));
        }
        Ok(())
    }
}

/// What was set for one tier of one organisation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectiveRow {
    /// The organisation.
    pub organization: OrganizationId,
    /// The tier.
    pub tier: ServiceTier,
    /// What is promised.
    pub objective: ServiceObjective,
}

/// What is promised to everybody.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Objectives(HashMap<OrganizationId, HashMap<ServiceTier, ServiceObjective>>);

impl Objectives {
    /// What is promised for the calls of one tier of one organisation.
    pub fn of(&self, organization: &OrganizationId, tier: ServiceTier) -> ServiceObjective {
        let set = self.0.get(organization).and_then(|tiers| tiers.get(&tier));
        set.copied().unwrap_or_else(|| ServiceObjective::default_of(tier))
    }

    /// As it stands in the database.
    pub(crate) async fn load(connection: &mut AnyConnection) -> Result<Self, StoreError> {
        let rows = sqlx::query("SELECT * FROM service_objective").fetch_all(connection).await?;
        rows.iter().map(objective).collect()
    }
}

impl FromIterator<ObjectiveRow> for Objectives {
    fn from_iter<T: IntoIterator<Item = ObjectiveRow>>(rows: T) -> Self {
        let mut all = Self::default();
        for row in rows {
            all.0.entry(row.organization).or_default().insert(row.tier, row.objective);
        }
        all
    }
}

impl Store {
    /// What is promised for a tier of the scope's organisation.
    pub async fn service_objective_get(
        &self,
        scope: &Scope,
        tier: ServiceTier,
    ) -> Result<ServiceObjective, StoreError> {
        let row =
            sqlx::query("SELECT * FROM service_objective WHERE organization_id = $1 AND tier = $2")
                .bind(whole_organization(scope, "service objectives")?)
                .bind(tier.as_str())
                .fetch_optional(&mut *self.read().await?)
                .await?;
        let set = row.as_ref().map(objective).transpose()?.map(|row| row.objective);
        Ok(set.unwrap_or_else(|| ServiceObjective::default_of(tier)))
    }

    /// Sets what is promised for a tier of the scope's organisation. It holds from now on: calls that
    /// were recorded before stay fast or slow as they were.
    pub async fn service_objective_put(
        &self,
        scope: &Scope,
        tier: ServiceTier,
        objective: ServiceObjective,
    ) -> Result<(), StoreError> {
        let id = whole_organization(scope, "service objectives")?;
        objective.check()?;
        let latency = objective.latency;
        let now = self.now();
        let mut change = self.change().await?;
        organization::find(change.connection(), &scope.organization).await?;
        let row =
            sqlx::query("SELECT * FROM service_objective WHERE organization_id = $1 AND tier = $2");
        let row = row.bind(id).bind(tier.as_str()).fetch_optional(change.connection()).await?;
        let found = row.as_ref().map(self::objective).transpose()?;
        if found.as_ref().is_some_and(|found| found.objective == objective) {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO service_objective
             (organization_id, tier, availability_ppm, latency_ms, latency_ppm, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (organization_id, tier) DO UPDATE SET
              availability_ppm = excluded.availability_ppm, latency_ms = excluded.latency_ms,
              latency_ppm = excluded.latency_ppm, updated_at = excluded.updated_at",
        )
        .bind(id)
        .bind(tier.as_str())
        .bind(objective.availability_ppm.map(i64::from))
        .bind(latency.map(|latency| i64::try_from(latency.within.as_millis()).unwrap_or(i64::MAX)))
        .bind(latency.map(|latency| i64::from(latency.ppm)))
        .bind(now.as_micros())
        .execute(change.connection())
        .await?;
        let event =
            Event::of(scope, "kijun.service_objective.updated").on("service_tier", tier.as_str());
        let event = match found {
            Some(found) => event.before(shown(found.objective)),
            None => event,
        };
        change.commit(event.after(shown(objective))).await
    }

    /// What is promised to everybody, for the nodes that watch over it.
    pub async fn service_objectives(&self) -> Result<Objectives, StoreError> {
        Objectives::load(&mut *self.read().await?).await
    }
}

/// What the audit log shows of a promise.
fn shown(objective: ServiceObjective) -> Value {
    json!({
        "availability_ppm": objective.availability_ppm,
        "latency_us": objective.latency.map(|latency| latency.within.as_micros().to_string()),
        "latency_ppm": objective.latency.map(|latency| latency.ppm),
    })
}

fn objective(row: &AnyRow) -> Result<ObjectiveRow, StoreError> {
    let latency = match (row.number_or_null("latency_ms")?, ppm(row, "latency_ppm")?) {
        (Some(ms), Some(ppm)) => {
            let ms = u64::try_from(ms).map_err(|_| unreadable("latency_ms", "it is negative"))?;
            Some(LatencyObjective { within: Duration::from_millis(ms), ppm })
        }
        _ => None,
    };
    Ok(ObjectiveRow {
        organization: row.text("organization_id")?.into(),
        tier: row.word("tier")?,
        objective: ServiceObjective { availability_ppm: ppm(row, "availability_ppm")?, latency },
    })
}

fn ppm(row: &AnyRow, column: &str) -> Result<Option<u32>, StoreError> {
    let number = row.number_or_null(column)?.map(u32::try_from).transpose();
    number.map_err(|_| unreadable(column, "it is out of range"))
}
