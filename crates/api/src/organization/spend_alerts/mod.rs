//! `/v1/organization/spend_alerts`, and the same of a project: who is told when a month of UTC has
//! cost so much.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod list;
pub(super) mod retrieve;
pub(super) mod update;

use kernel::{Money, Scope};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::admin::Admin;
use super::budgets::Channel;
use super::list::Listed;
use super::spend_limit::{CENT, Currency, Interval};
use crate::App;
use crate::problem::Problem;

/// Who is told when a month has cost so much.
#[derive(Serialize, ToSchema)]
pub(crate) struct SpendAlert {
    /// Its id.
    id: String,
    /// `organization.spend_alert` or `project.spend_alert`.
    object: &'static str,
    /// How much, in cents.
    threshold_amount: i64,
    /// Always `USD`.
    currency: &'static str,
    /// Always `month`.
    interval: &'static str,
    /// How they are told.
    notification_channel: Channel,
}

/// Who is to be told when a month has cost so much.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpendAlertToSet {
    /// How much, in cents.
    #[schema(minimum = 0, example = 10_000)]
    threshold_amount: i64,
    /// Always `USD`.
    #[serde(rename = "currency")]
    _currency: Currency,
    /// Always `month`.
    #[serde(rename = "interval")]
    _interval: Interval,
    /// How they are told.
    notification_channel: Channel,
}

impl SpendAlertToSet {
    fn threshold(&self) -> Result<Money, Problem> {
        let nanos = self.threshold_amount.checked_mul(CENT).filter(|nanos| *nanos >= 0);
        nanos.map(Money::from_nanos).ok_or_else(|| {
            let message = "`threshold_amount` must be a number of cents, 0 or more";
            Problem::invalid("threshold_amount", message)
        })
    }
}

impl From<store::SpendAlert> for SpendAlert {
    fn from(alert: store::SpendAlert) -> Self {
        Self {
            id: alert.id.to_string(),
            object: match alert.project {
                None => "organization.spend_alert",
                Some(_) => "project.spend_alert",
            },
            threshold_amount: alert.threshold.as_nanos() / CENT,
            currency: "USD",
            interval: "month",
            notification_channel: alert.channel.into(),
        }
    }
}

impl Listed for SpendAlert {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A project of the administrator's organisation, whose alerts they are.
async fn project(app: &App, admin: &Admin, project: &str) -> Result<Scope, Problem> {
    app.administration.project_get(&admin.scope, &project.into()).await?;
    Ok(admin.within(project))
}
