//! How one tier is served at this moment: what came of its promise this month, and how fast its
//! error budgets burn.

use std::time::Duration;

use kernel::{Scope, ServiceTier, Zone};
use store::StoreError;

use crate::burn::{BURN_RULES, Burn, BurnRule};
use crate::service::{Measure, window_start};
use crate::{Alerts, Statement};

/// How one tier of one organisation is served at this moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Standing {
    /// The month so far, in UTC.
    pub month: Statement,
    /// Every rule about everything that is promised.
    pub burns: Vec<BurnRate>,
}

/// How fast an error budget burns, by one rule.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BurnRate {
    /// What is promised: `availability` or `latency`.
    pub measure: &'static str,
    /// The rule.
    pub rule: &'static BurnRule,
    /// Over the rule's long window.
    pub long: f64,
    /// Over its short window.
    pub short: f64,
    /// Whether that is worth an alert.
    pub burning: bool,
}

impl Alerts {
    /// How a tier of the scope's organisation is served at this moment.
    ///
    /// # Errors
    /// When the database is not available, or the scope is a project's.
    pub async fn standing(&self, scope: &Scope, tier: ServiceTier) -> Result<Standing, StoreError> {
        let (store, now) = (self.store(), self.now());
        let month = Statement::read(store, scope, tier, now, &Zone::utc(), now).await?;
        let level = async |window: Duration| {
            // To the end of the bucket that is now under way.
            let time = window_start(now, window)..now.plus(store::LEVEL_BUCKET);
            store.service_level_sum(scope, tier, time).await
        };
        let mut burns = Vec::new();
        for rule in &BURN_RULES {
            let (long, short) = (level(rule.long).await?, level(rule.short).await?);
            for measure in Measure::ALL {
                let Some(ppm) = measure.objective_ppm(month.objective) else { continue };
                let (long, short) = (measure.window(long), measure.window(short));
                let burn = rule.judge(long, short, ppm, self.config().burn_min_calls);
                burns.push(BurnRate {
                    measure: measure.as_str(),
                    rule,
                    long: long.burn_rate(ppm),
                    short: short.burn_rate(ppm),
                    burning: burn == Burn::Burning,
                });
            }
        }
        Ok(Standing { month, burns })
    }
}
