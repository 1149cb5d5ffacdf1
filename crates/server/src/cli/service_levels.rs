//! `kijun service-levels`: what is promised for the calls of each tier, and what came of it.

use std::time::Duration;

use alerts::{Kept, Statement};
use api::organization::service_levels::statement::Statement as Told;
use clap::{Args, Subcommand, ValueEnum};
use kernel::{ServiceTier, Timestamp, Zone};
use store::{LatencyObjective, ServiceObjective};

use super::session::Session;
use super::{Failed, print};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show what is promised, and how it is kept this month.
    List,
    /// Say what is promised for a tier from now on.
    Set(Promise),
    /// A month's statement for every tier.
    Statement(Month),
}

#[derive(Debug, Args)]
pub(super) struct Promise {
    /// The tier.
    #[arg(value_enum)]
    tier: Tier,
    /// How many calls of a million do not fail: 999000 is 99.9 %. Left out: nothing is promised.
    #[arg(long, value_name = "PPM")]
    availability: Option<u32>,
    /// In how many milliseconds an answer begins. Left out: nothing is promised.
    #[arg(long, value_name = "MS", requires = "latency")]
    within: Option<u64>,
    /// How many answers of a million begin in that time.
    #[arg(long, value_name = "PPM", requires = "within")]
    latency: Option<u32>,
}

#[derive(Debug, Args)]
pub(super) struct Month {
    /// The month.
    #[arg(long, value_name = "YYYY-MM")]
    month: String,
    /// Where the month begins.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    /// Print what the API answers: a line of JSON for each tier.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Tier {
    Priority,
    Default,
    Flex,
}

pub(super) async fn run(verb: Verb, session: Session) -> Result<(), Failed> {
    let (scope, store, now) = (session.scope(), &session.store, session.clock.now());
    let (month, zone, json) = match verb {
        Verb::Set(promise) => {
            let tier = promise.tier.into();
            return Ok(store.service_objective_put(&scope, tier, promise.into()).await?);
        }
        Verb::List => (now, Zone::utc(), false),
        Verb::Statement(Month { month, time_zone, json }) => {
            (Timestamp::in_month(&month)?, Zone::named(&time_zone)?, json)
        }
    };
    let mut rows = Vec::new();
    for tier in ServiceTier::ALL {
        let said = Statement::read(store, &scope, tier, month, &zone, now).await?;
        match json {
            true => print::line(&serde_json::to_string(&Told::new(said, &zone))?),
            false => rows.push(row(&said)),
        }
    }
    if !json {
        let heading = [
            "TIER",
            "FROM",
            "TO",
            "CALLS",
            "FAILED",
            "AVAILABLE",
            "PROMISED",
            "BUDGET LEFT",
            "LATENCY",
            "DOWN",
        ];
        print::table(heading, &rows);
    }
    Ok(())
}

fn row(said: &Statement) -> [String; 10] {
    let none = || "-".to_owned();
    let percent = |share: f64| format!("{:.3} %", share * 100.0);
    let share = |kept: &Kept| kept.share.map_or_else(none, percent);
    let promised = said.availability.objective_ppm;
    [
        said.tier.to_string(),
        said.time.start.to_string(),
        said.time.end.to_string(),
        said.requests.to_string(),
        said.availability.broken.to_string(),
        share(&said.availability),
        promised.map_or_else(none, |ppm| percent(f64::from(ppm) / 1e6)),
        said.availability.budget_left.map_or_else(none, |left| format!("{:.1} %", left * 100.0)),
        said.latency.as_ref().map_or_else(none, share),
        format!("{} min", said.downtime().as_secs() / 60),
    ]
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

impl From<Promise> for ServiceObjective {
    fn from(promise: Promise) -> Self {
        let latency = promise
            .within
            .zip(promise.latency)
            .map(|(ms, ppm)| LatencyObjective { within: Duration::from_millis(ms), ppm });
        Self { availability_ppm: promise.availability, latency }
    }
}
