//! `/v1/organization/service_levels`: what is promised for each service tier, and what came of it.
//! Kijun's own.

pub(super) mod list;
pub(super) mod put;
pub(super) mod retrieve;
pub mod statement;

use std::time::Duration;

use alerts::{BurnRate, Kept, Standing};
use kernel::{Scope, ServiceTier};
use serde::{Deserialize, Serialize};
use store::{LatencyObjective, ServiceObjective};
use utoipa::ToSchema;

use super::list::Listed;
use crate::App;
use crate::problem::Problem;

/// How the calls of one tier are served.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServiceLevel {
    /// Always `organization.service_level`.
    object: &'static str,
    /// The tier.
    tier: Tier,
    /// What is promised.
    objective: Objective,
    /// Calls of this month so far, in UTC.
    requests: u64,
    /// How well it is kept this month that calls do not fail.
    availability: Promise,
    /// How well it is kept this month that answers begin in time; null: nothing is promised.
    #[schema(required)]
    latency: Option<Promise>,
    /// How fast the error budgets burn at this moment, by each rule.
    burn_rates: Vec<Burn>,
}

/// What is promised for the calls of one tier.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Objective {
    /// How many calls of a million do not fail: 999000 is 99.9 %. Null: nothing is promised.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required, minimum = 1, maximum = 999_999, example = 999_500)]
    availability_ppm: Option<u32>,
    /// How soon answers begin. Null: nothing is promised.
    latency: Option<Latency>,
}

/// How soon answers begin.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Latency {
    /// The time to the first byte, in milliseconds.
    #[schema(minimum = 1, maximum = 3_600_000, example = 800)]
    within_ms: u64,
    /// How many calls of a million have it in that time.
    #[schema(minimum = 1, maximum = 999_999, example = 950_000)]
    ppm: u32,
}

/// How well one promise was kept.
#[derive(Serialize, ToSchema)]
struct Promise {
    /// How many calls of a million it was promised to; null: to none.
    #[schema(required)]
    objective_ppm: Option<u32>,
    /// Calls that it could be kept or broken to.
    total: u64,
    /// Of those: the calls that it was broken to.
    broken: u64,
    /// The share of calls that it was kept to; null without calls.
    #[schema(required)]
    share: Option<f64>,
    /// Where the true share lies, with a confidence of 95 %: from and to.
    #[schema(required)]
    interval: Option<[f64; 2]>,
    /// Whether it was kept; null: there was none, or there were no calls.
    #[schema(required)]
    met: Option<bool>,
    /// What is left of the error budget: 1 is all of it, less than 0 that it was overrun.
    #[schema(required)]
    error_budget_left: Option<f64>,
}

/// How fast an error budget burns, by one rule.
#[derive(Serialize, ToSchema)]
struct Burn {
    /// `availability` or `latency`.
    measure: &'static str,
    /// The rule's name.
    #[schema(example = "fast")]
    rule: &'static str,
    /// `page` or `ticket`.
    urgency: &'static str,
    /// The rate that both windows must reach.
    threshold: f64,
    /// The long window, in seconds.
    long_seconds: u64,
    /// The rate over it.
    long_rate: f64,
    /// The short window, in seconds.
    short_seconds: u64,
    /// The rate over it.
    short_rate: f64,
    /// Whether that is worth an alert.
    burning: bool,
}

/// How urgent calls are.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tier {
    /// What was promised to somebody.
    Priority,
    /// What every call is unless something else is said.
    Default,
    /// Nobody waits for it.
    Flex,
}

impl From<Tier> for ServiceTier {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Priority => Self::Priority,
            Tier::Default => Self::Default,
            Tier::Flex => Self::Flex,
        }
    }
}

impl From<ServiceTier> for Tier {
    fn from(tier: ServiceTier) -> Self {
        match tier {
            ServiceTier::Priority => Self::Priority,
            ServiceTier::Default => Self::Default,
            ServiceTier::Flex => Self::Flex,
        }
    }
}

impl From<Objective> for ServiceObjective {
    fn from(objective: Objective) -> Self {
        let latency = objective.latency.map(|Latency { within_ms, ppm }| LatencyObjective {
            within: Duration::from_millis(within_ms),
            ppm,
        });
        Self { availability_ppm: objective.availability_ppm, latency }
    }
}

impl From<ServiceObjective> for Objective {
    fn from(objective: ServiceObjective) -> Self {
        let latency = objective.latency.map(|LatencyObjective { within, ppm }| Latency {
            within_ms: u64::try_from(within.as_millis()).unwrap_or(u64::MAX),
            ppm,
        });
        Self { availability_ppm: objective.availability_ppm, latency }
    }
}

impl From<Kept> for Promise {
    fn from(kept: Kept) -> Self {
        Self {
            objective_ppm: kept.objective_ppm,
            total: kept.total,
            broken: kept.broken,
            share: kept.share,
            interval: kept.interval.map(<[f64; 2]>::from),
            met: kept.met,
            error_budget_left: kept.budget_left,
        }
    }
}

impl From<BurnRate> for Burn {
    fn from(burn: BurnRate) -> Self {
        Self {
            measure: burn.measure,
            rule: burn.rule.name,
            urgency: burn.rule.urgency.as_str(),
            threshold: burn.rule.rate,
            long_seconds: burn.rule.long.as_secs(),
            long_rate: burn.long,
            short_seconds: burn.rule.short.as_secs(),
            short_rate: burn.short,
            burning: burn.burning,
        }
    }
}

impl From<Standing> for ServiceLevel {
    fn from(Standing { month, burns }: Standing) -> Self {
        Self {
            object: "organization.service_level",
            tier: month.tier.into(),
            objective: month.objective.into(),
            requests: month.requests,
            availability: month.availability.into(),
            latency: month.latency.map(Into::into),
            burn_rates: burns.into_iter().map(Into::into).collect(),
        }
    }
}

impl Listed for ServiceLevel {
    fn id(&self) -> &str {
        ServiceTier::from(self.tier).as_str()
    }
}

/// The tier that a path names.
fn tier(name: &str) -> Result<ServiceTier, Problem> {
    ServiceTier::ALL.into_iter().find(|tier| tier.as_str() == name).ok_or_else(|| {
        let message =
            format!("there is no service tier `{name}`; there are priority, default, flex");
        Problem::new(404, "invalid_request_error", Some("not_found"), message)
    })
}

/// How a tier is served, the calls that just ended not yet included.
async fn standing(app: &App, scope: &Scope, tier: ServiceTier) -> Result<ServiceLevel, Problem> {
    Ok(app.alerts.standing(scope, tier).await?.into())
}
