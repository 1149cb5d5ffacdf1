//! `GET /v1/organization/service_levels/{tier}/statement`

use axum::Json;
use axum::extract::State;
use kernel::{Period, Timestamp, Zone};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{Objective, Promise, Tier, tier};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::query::Query;
use crate::problem::Problem;

/// How one tier was served in one month.
#[derive(Serialize, ToSchema)]
pub struct Statement {
    /// Always `organization.service_level.statement`.
    object: &'static str,
    /// The tier.
    tier: Tier,
    /// The time zone that the month is of.
    time_zone: String,
    /// When the month began, in seconds since the Unix epoch.
    start_time: i64,
    /// When it ended; of a month that is not over, now.
    end_time: i64,
    /// Whether the month is over.
    complete: bool,
    /// What is promised at the moment of the statement.
    objective: Objective,
    /// Calls.
    requests: u64,
    /// How well it was kept that calls do not fail.
    availability: Promise,
    /// How well it was kept that answers begin in time; null: nothing is promised.
    #[schema(required)]
    latency: Option<Promise>,
    /// The mean over all five minutes of the share of calls that did not fail.
    uptime: f64,
    /// How long at least half of the calls failed.
    downtime_seconds: u64,
    /// When that was.
    outages: Vec<Outage>,
}

/// A time in which at least half of the calls failed.
#[derive(Serialize, ToSchema)]
struct Outage {
    /// From when, to within five minutes.
    start_time: i64,
    /// To when.
    end_time: i64,
    /// Calls.
    requests: u64,
    /// Of the calls: those that failed.
    failed: u64,
}

/// Which month.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what `statement` reads")]
struct StatementParams {
    /// The month; without it the present one.
    #[param(nullable = false, example = "2026-11")]
    month: Option<String>,
    /// The time zone that the month is of, by its IANA name; without it UTC.
    #[param(nullable = false, example = "Asia/Tokyo")]
    time_zone: Option<String>,
}

/// A month's statement of one service tier. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/service_levels/{tier}/statement",
    operation_id = "serviceLevelStatement",
    tag = "Administration",
    params(
        ("tier" = String, Path, description = "`priority`, `default` or `flex`."),
        StatementParams,
    ),
    responses(
        (status = 200, description = "The statement.", body = Statement),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn statement(
    State(app): State<App>,
    admin: Admin,
    Ids(name): Ids<String>,
    mut query: Query,
) -> Result<Json<Statement>, Problem> {
    let (tier, now) = (tier(&name)?, app.clock.now());
    let month = match query.text("month")? {
        Some(month) => Timestamp::in_month(&month)
            .map_err(|wrong| Problem::invalid("month", wrong.to_string()))?,
        None => now,
    };
    let zone = match query.text("time_zone")? {
        Some(name) => {
            Zone::named(&name).map_err(|wrong| Problem::invalid("time_zone", wrong.to_string()))?
        }
        None => Zone::utc(),
    };
    query.finish()?;
    let said = alerts::Statement::read(&app.store, &admin.scope, tier, month, &zone, now).await?;
    Ok(Json(Statement::new(said, &zone)))
}

impl Statement {
    /// The statement as the API shows it; the shell does the same.
    pub fn new(said: alerts::Statement, zone: &Zone) -> Self {
        let month = Period::Month.around(said.time.start, zone);
        Self {
            object: "organization.service_level.statement",
            tier: said.tier.into(),
            time_zone: zone.name().to_owned(),
            start_time: said.time.start.as_secs(),
            end_time: said.time.end.as_secs(),
            complete: said.time.end >= month.end,
            downtime_seconds: said.downtime().as_secs(),
            objective: said.objective.into(),
            requests: said.requests,
            availability: said.availability.into(),
            latency: said.latency.map(Into::into),
            uptime: said.uptime,
            outages: said.outages.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<alerts::Outage> for Outage {
    fn from(outage: alerts::Outage) -> Self {
        Self {
            start_time: outage.time.start.as_secs(),
            end_time: outage.time.end.as_secs(),
            requests: outage.requests,
            failed: outage.failed,
        }
    }
}
