//! Watching over spending: spend alerts over a month of UTC, and the shares of budgets.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::time::Duration;

use kernel::{
    Budget, BudgetId, Enforcement, Money, OrganizationId, Period, ProjectId, Scope, Timestamp, Zone,
};
use serde_json::json;
use store::{
    BudgetRow, BudgetStanding, Firing, NotificationChannel, SpendAlert, StoreError, UsageQuery,
};

use crate::Alerts;
use crate::event::{BUDGET_REACHED, Event, SPEND_ALERT_TRIGGERED, dollars};

/// For so long after its end a day or a month is still looked at: its last records may come late.
const LATE: Duration = Duration::from_secs(86_400);
/// Days of the longest month.
const MOST_DAYS: u32 = 31;

/// Whose month it is, and when that began.
type Month<'a> = (&'a OrganizationId, Option<&'a ProjectId>, Timestamp);

impl Alerts {
    /// Tells of spend alerts whose threshold was passed.
    pub(crate) async fn watch_spend_alerts(&self) -> Result<(), StoreError> {
        let alerts = self.store().spend_alert_list_all().await?;
        let mut costs = HashMap::new();
        for month in months(self.now()) {
            for alert in &alerts {
                Self::pass_over(self.watch_spend_alert(alert, &month, &mut costs).await)?;
            }
        }
        Ok(())
    }

    async fn watch_spend_alert<'a>(
        &self,
        alert: &'a SpendAlert,
        month: &Range<Timestamp>,
        costs: &mut HashMap<Month<'a>, Money>,
    ) -> Result<(), StoreError> {
        let told = self.store().alert_fired(alert.id.as_str(), month.start).await?;
        if told.iter().any(|firing| firing.period_start == month.start) {
            return Ok(());
        }
        let key = (&alert.organization, alert.project.as_ref(), month.start);
        let cost = match costs.get(&key) {
            Some(known) => *known,
            None => self.cost(alert, month).await?,
        };
        costs.insert(key, cost);
        match cost >= alert.threshold && cost > Money::ZERO {
            true => self.tell_spend_alert(alert, month, cost).await,
            false => Ok(()),
        }
    }

    async fn cost(
        &self,
        alert: &SpendAlert,
        month: &Range<Timestamp>,
    ) -> Result<Money, StoreError> {
        let (organization, project) = (alert.organization.clone(), alert.project.clone());
        let scope = Scope { organization, project };
        let query = UsageQuery {
            end: Some(month.end),
            limit: Some(MOST_DAYS),
            ..UsageQuery::new(Vec::new(), month.start)
        };
        let page = self.store().usage(&scope, &query).await?;
        let rows = page.buckets.iter().flat_map(|bucket| &bucket.results);
        Ok(rows.fold(Money::ZERO, |sum, row| sum + row.cost))
    }

    async fn tell_spend_alert(
        &self,
        alert: &SpendAlert,
        month: &Range<Timestamp>,
        cost: Money,
    ) -> Result<(), StoreError> {
        let (id, threshold) = (&alert.id, alert.threshold);
        let whose = match &alert.project {
            Some(project) => format!("Project {project}"),
            None => format!("Organisation {}", alert.organization),
        };
        let subject = format!("{whose} has spent {} this month", dollars(cost));
        let event = Event {
            kind: SPEND_ALERT_TRIGGERED,
            log: subject.clone(),
            subject,
            text: format!(
                "{whose} has spent {spent} in the month from {start} to {end}. You asked to be told \
                 at {threshold}.\n\nCalls go on. To stop them at an amount, set a hard budget.\n\n\
                 Spend alert: {id}\n",
                spent = dollars(cost),
                start = month.start,
                end = month.end,
                threshold = dollars(threshold),
            ),
            data: json!({
                "alert_id": id.as_str(),
                "organization_id": alert.organization.as_str(),
                "project_id": alert.project.as_ref().map(ProjectId::as_str),
                "currency": "USD",
                "interval": "month",
                "period_start": month.start.as_secs(),
                "period_end": month.end.as_secs(),
                "threshold": threshold.to_string(),
                "spent": cost.to_string(),
            }),
        };
        let firing =
            Firing { source: id.to_string(), subject: String::new(), period_start: month.start };
        self.tell(&firing, &event, &alert.organization, &[&alert.channel]).await
    }

    /// Tells of budgets of which a share is used up that somebody asked for, or all of it.
    pub(crate) async fn watch_budgets(&self) -> Result<(), StoreError> {
        let mut tenants: BTreeMap<OrganizationId, Vec<BudgetRow>> = BTreeMap::new();
        for row in self.store().budget_list_all().await? {
            tenants.entry(row.budget.organization.clone()).or_default().push(row);
        }
        for (organization, rows) in tenants {
            Self::pass_over(self.watch_tenant(organization, &rows).await)?;
        }
        Ok(())
    }

    async fn watch_tenant(
        &self,
        organization: OrganizationId,
        rows: &[BudgetRow],
    ) -> Result<(), StoreError> {
        let scope = Scope::organization(organization);
        let hears = !self.listeners(&scope.organization, BUDGET_REACHED).await?.is_empty();
        let rows: Vec<_> = rows.iter().filter(|row| hears || !row.alerts.is_empty()).collect();
        let now = self.now();
        let late = Timestamp::from_micros(now.as_micros() - micros(LATE));
        let of_an_ended_period = |row: &&&BudgetRow| {
            let Budget { period, zone, .. } = &row.budget;
            late < period.around(now, zone).start
        };
        let id = |row: &&BudgetRow| row.budget.id.clone();
        let ended: Vec<BudgetId> = rows.iter().filter(of_an_ended_period).map(id).collect();
        let all: Vec<BudgetId> = rows.iter().map(id).collect();
        let mut accounts: HashMap<BudgetId, Vec<BudgetStanding>> = HashMap::new();
        for (ids, at) in [(ended, late), (all, now)] {
            for standing in self.store().budget_standing_at(&scope, &ids, at).await? {
                accounts.entry(standing.account.budget.clone()).or_default().push(standing);
            }
        }
        for row in rows {
            if let Some(accounts) = accounts.get(&row.budget.id) {
                self.watch_budget(row, accounts).await?;
            }
        }
        Ok(())
    }

    async fn watch_budget(
        &self,
        row: &BudgetRow,
        accounts: &[BudgetStanding],
    ) -> Result<(), StoreError> {
        let now = self.now();
        // What was asked for in a period that ended before a change is not known any more.
        let known = accounts
            .iter()
            .filter(|standing| standing.period.end > now || row.updated_at < standing.period.end);
        let reached: Vec<_> = known
            .map(|standing| (standing, reached(row, standing)))
            .filter(|(_, shares)| !shares.is_empty())
            .collect();
        let starts = reached.iter().map(|(standing, _)| standing.period.start);
        let Some(since) = starts.min() else { return Ok(()) };
        let told = self.store().alert_fired(row.budget.id.as_str(), since).await?;
        let told: HashSet<Firing> = told.into_iter().collect();
        for (standing, shares) in reached {
            for (percent, channels) in shares {
                // With another amount the same share is another sum.
                let amount = standing.amount.as_nanos();
                let firing = Firing {
                    source: row.budget.id.to_string(),
                    subject: format!("{percent} {amount} {}", standing.account.subject),
                    period_start: standing.period.start,
                };
                if !told.contains(&firing) {
                    let event = budget_event(&row.budget, standing, percent, now);
                    self.tell(&firing, &event, &row.budget.organization, &channels).await?;
                }
            }
        }
        Ok(())
    }
}

fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

/// The months that may still have something to tell, the older one first.
fn months(now: Timestamp) -> Vec<Range<Timestamp>> {
    let utc = Zone::utc();
    let this = Period::Month.around(now, &utc);
    let before = Timestamp::from_micros(this.start.as_micros().saturating_sub(1));
    let last = Period::Month.around(before, &utc);
    let is_late = now.since(this.start) < LATE;
    is_late.then_some(last).into_iter().chain([this]).collect()
}

/// The shares that are used up, each with those who asked to be told of it.
fn reached<'a>(
    row: &'a BudgetRow,
    standing: &BudgetStanding,
) -> BTreeMap<u32, Vec<&'a NotificationChannel>> {
    // That all is used up is always told, and that calls are refused before it is, because they may
    // cost more than what is left.
    let mut all: BTreeMap<u32, Vec<&NotificationChannel>> = BTreeMap::from([(100, Vec::new())]);
    for alert in &row.alerts {
        all.entry(alert.percent).or_default().push(&alert.channel);
    }
    let nanos = |money: Money| i128::from(money.as_nanos());
    let spent = nanos(standing.spent) * 100;
    let refuses = refuses(&row.budget, standing);
    all.retain(|percent, _| {
        let reached = spent >= nanos(standing.amount) * i128::from(*percent);
        standing.spent > Money::ZERO && reached || *percent == 100 && refuses
    });
    all
}

/// Whether calls are refused for the sake of the budget.
fn refuses(budget: &Budget, standing: &BudgetStanding) -> bool {
    budget.enforcement == Enforcement::Hard && standing.refuses()
}

fn budget_event(budget: &Budget, standing: &BudgetStanding, percent: u32, now: Timestamp) -> Event {
    let (id, scope, period) = (&budget.id, budget.scope, budget.period);
    let name = match standing.account.subject.as_str() {
        "" => budget.subject.as_deref().unwrap_or(budget.organization.as_str()),
        name => name,
    };
    let of_model =
        budget.model.as_ref().map(|model| format!(", calls of {model}")).unwrap_or_default();
    let hard = budget.enforcement == Enforcement::Hard;
    let spent = dollars(standing.spent);
    let ended = standing.period.end <= now;
    let (is, lasts) = if ended { ("was", "lasted") } else { ("is", "lasts") };
    let what_now = match (hard, percent >= 100) {
        _ if ended => "That period is over: calls count to the next one.",
        (true, true) => {
            "Calls that may cost more than what is left are refused until the period ends, or the budget \
             is raised."
        }
        (true, false) => "At 100 % calls are refused. Raise the budget if that must not happen.",
        (false, _) => "Calls go on: the budget is soft.",
    };
    let whose = format!("{period}'s budget");
    let (subject, log) = match percent == 100 && standing.spent < standing.amount {
        true => (
            format!("The {whose} of {scope} {name} refuses calls: {spent} {is} spent"),
            format!("a {whose} refuses calls: {id}"),
        ),
        false => (
            format!("{percent} % of the {whose} of {scope} {name} {is} spent"),
            format!("{percent} % of a {whose} {is} spent: {id}"),
        ),
    };
    Event {
        kind: BUDGET_REACHED,
        subject,
        log,
        text: format!(
            "The budget of {scope} {name}{of_model} is {amount} a {period}. {spent} of it {is} \
             spent.\n\nThe period {lasts} from {start} to {end} ({zone} counts).\n\
             {what_now}\n\nBudget: {id}\n",
            amount = dollars(standing.amount),
            start = standing.period.start,
            end = standing.period.end,
            zone = budget.zone.name(),
        ),
        data: json!({
            "budget_id": id.as_str(),
            "organization_id": budget.organization.as_str(),
            "scope": scope.as_str(),
            "subject": name,
            "model": budget.model,
            "period": period.as_str(),
            "time_zone": budget.zone.name(),
            "period_start": standing.period.start.as_secs(),
            "period_end": standing.period.end.as_secs(),
            "enforcement": if hard { "hard" } else { "soft" },
            "percent": percent,
            "refuses_calls": refuses(budget, standing),
            "amount": standing.amount.to_string(),
            "spent": standing.spent.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_month_before_is_looked_at_for_a_day() {
        // 2026-03-01T00:00:00Z
        let march = 1_772_323_200;
        let starts = |secs| {
            let months = months(Timestamp::from_secs(secs));
            months.iter().map(|month| month.start.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(starts(march), ["2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"]);
        assert_eq!(starts(march + 86_399).len(), 2);
        assert_eq!(starts(march + 86_400), ["2026-03-01T00:00:00Z"]);
    }
}
