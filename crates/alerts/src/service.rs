//! Watching over service levels: error budgets that burn too fast, tier by tier.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use kernel::{OrganizationId, ServiceTier, Timestamp};
use serde_json::json;
use store::{Firing, Level, NotificationChannel, ServiceObjective, StoreError};

use crate::Alerts;
use crate::burn::{BURN_RULES, Burn, BurnRule, Window};
use crate::event::{Event, SERVICE_LEVEL_BURNING, SERVICE_LEVEL_RECOVERED};

/// The source of these alerts.
const SOURCE: &str = "service_level";
/// A burn belongs to no period: it lasts until it is over.
const NO_PERIOD: Timestamp = Timestamp::from_micros(0);

/// What was promised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Measure {
    Availability,
    Latency,
}

impl Measure {
    pub(crate) const ALL: [Self; 2] = [Self::Availability, Self::Latency];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Availability => "availability",
            Self::Latency => "latency",
        }
    }

    pub(crate) fn objective_ppm(self, objective: ServiceObjective) -> Option<u32> {
        match self {
            Self::Availability => objective.availability_ppm,
            Self::Latency => objective.latency.map(|latency| latency.ppm),
        }
    }

    pub(crate) const fn window(self, level: Level) -> Window {
        match self {
            Self::Availability => Window { total: level.requests, bad: level.failed },
            Self::Latency => {
                Window { total: level.requests.saturating_sub(level.failed), bad: level.slow }
            }
        }
    }
}

/// One promise to one organisation, watched by one rule.
struct Watched<'a> {
    organization: &'a OrganizationId,
    tier: ServiceTier,
    measure: Measure,
    ppm: u32,
    rule: &'a BurnRule,
    long: Window,
    short: Window,
}

/// How everybody's calls of a window went.
type Levels = BTreeMap<(OrganizationId, ServiceTier), Level>;

impl Alerts {
    /// Tells of error budgets that burn too fast, and of those that do no more.
    pub(crate) async fn watch_service_levels(&self) -> Result<(), StoreError> {
        let objectives = self.store().service_objectives().await?;
        let told = self.store().alert_fired(SOURCE, NO_PERIOD).await?;
        let mut told: HashSet<Firing> = told.into_iter().collect();
        for rule in &BURN_RULES {
            let (long, short) = (self.levels(rule.long).await?, self.levels(rule.short).await?);
            for ((organization, tier), level) in &long {
                let objective = objectives.of(organization, *tier);
                let key = (organization.clone(), *tier);
                let now = short.get(&key).copied().unwrap_or_default();
                for measure in Measure::ALL {
                    let Some(ppm) = measure.objective_ppm(objective) else { continue };
                    let watched = Watched {
                        organization,
                        tier: *tier,
                        measure,
                        ppm,
                        rule,
                        long: measure.window(*level),
                        short: measure.window(now),
                    };
                    let was_told = told.remove(&watched.firing());
                    Self::pass_over(self.watch_service_level(&watched, was_told).await)?;
                }
            }
        }
        // What has no calls left in its long window, or is promised no more.
        for firing in told {
            self.store().alert_end(&firing, Vec::new()).await?;
        }
        Ok(())
    }

    async fn levels(&self, window: Duration) -> Result<Levels, StoreError> {
        let start = window_start(self.now(), window);
        let levels = self.store().service_level_since(start).await?;
        Ok(levels.into_iter().map(|of| ((of.organization, of.tier), of.level)).collect())
    }

    async fn watch_service_level(
        &self,
        watched: &Watched<'_>,
        was_told: bool,
    ) -> Result<(), StoreError> {
        let min_bad = self.config().burn_min_calls;
        let burn = watched.rule.judge(watched.long, watched.short, watched.ppm, min_bad);
        let (event, firing) = (watched.event(burn), watched.firing());
        let operators = NotificationChannel::Email {
            recipients: self.config().operators.clone(),
            subject_prefix: None,
        };
        match (burn, was_told) {
            (Burn::Burning, false) => {
                self.tell(&firing, &event, watched.organization, &[&operators]).await
            }
            (Burn::Over, true) => {
                let notices = self.notices(&event, watched.organization, &[&operators]).await?;
                self.store().alert_end(&firing, notices).await.map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// Where a window that ends now begins. The bucket that it begins in counts whole.
pub(crate) fn window_start(now: Timestamp, window: Duration) -> Timestamp {
    let micros = |length: Duration| i64::try_from(length.as_micros()).unwrap_or(i64::MAX);
    let start = now.as_micros().saturating_sub(micros(window));
    Timestamp::from_micros(start - start.rem_euclid(micros(store::LEVEL_BUCKET)))
}

impl Watched<'_> {
    fn firing(&self) -> Firing {
        let (organization, tier, rule) = (self.organization, self.tier, self.rule.name);
        Firing {
            source: SOURCE.to_owned(),
            subject: format!("{organization} {tier} {} {rule}", self.measure.as_str()),
            period_start: NO_PERIOD,
        }
    }

    fn event(&self, burn: Burn) -> Event {
        let Self { organization, tier, rule, long, short, .. } = self;
        let measure = self.measure.as_str();
        let bad = match self.measure {
            Measure::Availability => "failed",
            Measure::Latency => "began too late",
        };
        let (fast, now) = (long.burn_rate(self.ppm), short.burn_rate(self.ppm));
        let promise = f64::from(self.ppm) / 10_000.0;
        let (kind, subject, what_now) = match burn {
            Burn::Burning => (
                SERVICE_LEVEL_BURNING,
                format!("{tier} calls of {organization} miss their {measure} objective"),
                "Look at the providers' failures and latency, and at the targets that calls go to.",
            ),
            Burn::Over | Burn::Unclear => (
                SERVICE_LEVEL_RECOVERED,
                format!("{tier} calls of {organization} meet their {measure} objective again"),
                "There is nothing to do.",
            ),
        };
        Event {
            kind,
            log: subject.clone(),
            subject,
            text: format!(
                "Promised: {promise} % of {tier} calls of organisation {organization} \
                 ({measure}).\n\n\
                 Last {long_window}: {} of {} calls {bad}; the error budget burns {fast:.1} times as \
                 fast as it may.\n\
                 Last {short_window}: {} of {} calls {bad}; {now:.1} times.\n\n{what_now}\n\
                 Rule: {}, {} times over {long_window} ({}).\n",
                long.bad,
                long.total,
                short.bad,
                short.total,
                rule.name,
                rule.rate,
                rule.urgency.as_str(),
                long_window = span(rule.long),
                short_window = span(rule.short),
            ),
            data: json!({
                "organization_id": organization.as_str(),
                "service_tier": tier.as_str(),
                "measure": measure,
                "objective": f64::from(self.ppm) / 1_000_000.0,
                "rule": rule.name,
                "urgency": rule.urgency.as_str(),
                "burn_rate_limit": rule.rate,
                "long": { "seconds": rule.long.as_secs(), "requests": long.total,
                          "bad": long.bad, "burn_rate": fast },
                "short": { "seconds": rule.short.as_secs(), "requests": short.total,
                           "bad": short.bad, "burn_rate": now },
            }),
        }
    }
}

fn span(length: Duration) -> String {
    match length.as_secs() / 60 {
        minutes if minutes % 1_440 == 0 => format!("{} days", minutes / 1_440),
        60 => "hour".to_owned(),
        minutes if minutes % 60 == 0 => format!("{} hours", minutes / 60),
        minutes => format!("{minutes} minutes"),
    }
}
