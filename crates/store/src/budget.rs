//! Budgets: how much money may be spent in a day or a month, and who is told before it is.

use kernel::limit::LimitScope;
use kernel::{Budget, BudgetId, Enforcement, Money, Period, Scope, Timestamp, Zone};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::columns::{Columns, checked_name, places, to_json, unreadable};
use crate::database::Engine;
use crate::event::Event;
use crate::scope::whole_organization;
use crate::spend;
use crate::{NotificationChannel, Store, StoreError, budget_history, organization};

/// A budget, and what is kept about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BudgetRow {
    /// The budget.
    pub budget: Budget,
    /// Who is told, and when.
    pub alerts: Vec<BudgetAlert>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Somebody to be told when a part of a budget is spent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BudgetAlert {
    /// The part, in hundredths of the amount.
    pub percent: u32,
    /// Who is told, and how.
    pub channel: NotificationChannel,
}

/// A budget to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewBudget {
    /// Whose spending is counted together.
    pub scope: LimitScope,
    /// Only this one of that scope; `None`: each one, counted apart.
    pub subject: Option<String>,
    /// Only calls of this model alias; `None`: of all models together.
    pub model: Option<String>,
    /// Day or month.
    pub period: Period,
    /// Where its days and months begin.
    pub zone: Zone,
    /// How much may be spent in one period.
    pub amount: Money,
    /// What happens then.
    pub enforcement: Enforcement,
    /// Who is told before.
    pub alerts: Vec<BudgetAlert>,
}

/// What is to be changed of a budget; each `None` leaves it as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BudgetChange {
    /// How much may be spent in one period. What is spent stays spent.
    pub amount: Option<Money>,
    /// What happens then.
    pub enforcement: Option<Enforcement>,
    /// Who is told before.
    pub alerts: Option<Vec<BudgetAlert>>,
}

/// No budget is larger: a billion dollars. Sums of them and of costs beyond them fit their columns.
const MOST: Money = Money::from_nanos(1_000_000_000_000_000_000);

/// Alerts of one budget.
const MOST_ALERTS: usize = 20;

impl Store {
    /// Makes a budget in the scope's organisation. What its present period has spent already
    /// counts.
    pub async fn budget_create(
        &self,
        scope: &Scope,
        new: NewBudget,
    ) -> Result<BudgetRow, StoreError> {
        whole_organization(scope, "budgets")?;
        let now = self.now();
        let row = BudgetRow {
            budget: Budget {
                id: BudgetId::new(now, self.rng()),
                organization: scope.organization.clone(),
                scope: new.scope,
                subject: new.subject,
                model: new.model,
                period: new.period,
                zone: new.zone,
                amount: new.amount,
                enforcement: new.enforcement,
            },
            alerts: new.alerts,
            created_at: now,
            updated_at: now,
        };
        check(&row)?;
        let budget = &row.budget;
        let alerts = self.sealed_alerts(&budget.id, &row.alerts)?;
        let mut change = self.change().await?;
        organization::find(change.connection(), &scope.organization).await?;
        sqlx::query(
            "INSERT INTO budget (id, organization_id, scope, subject, model, period, time_zone,
                 amount, enforcement, alerts, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)",
        )
        .bind(budget.id.as_str())
        .bind(budget.organization.as_str())
        .bind(budget.scope.as_str())
        .bind(budget.subject.as_deref())
        .bind(budget.model.as_deref())
        .bind(budget.period.as_str())
        .bind(budget.zone.name())
        .bind(budget.amount.as_nanos())
        .bind(word(budget.enforcement))
        .bind(alerts)
        .bind(now.as_micros())
        .execute(change.connection())
        .await
        .map_err(|error| StoreError::unless_duplicate(error, || duplicate(budget)))?;
        // The generation's row is locked: until this is committed no record is added that does not
        // count to the new budget.
        let spent = budget_history::read(change.connection(), budget, now).await?;
        spend::add(change.connection(), self.database().engine(), &spent).await?;
        let created = Event::of(scope, "kijun.budget.created").on("budget", &budget.id);
        change.commit(created.after(shown(&row))).await?;
        Ok(row)
    }

    /// The budgets of the scope's organisation.
    pub async fn budget_list(&self, scope: &Scope) -> Result<Vec<BudgetRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM budget WHERE organization_id = $1 ORDER BY id")
            .bind(whole_organization(scope, "budgets")?)
            .fetch_all(&mut *self.read().await?)
            .await?;
        rows.iter().map(|row| self.budget_row(row)).collect()
    }

    /// The budgets of all organisations, for the nodes that enforce them and tell of them.
    pub async fn budget_list_all(&self) -> Result<Vec<BudgetRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM budget ORDER BY id")
            .fetch_all(&mut *self.read().await?)
            .await?;
        rows.iter().map(|row| self.budget_row(row)).collect()
    }

    /// One budget of the scope's organisation.
    pub async fn budget_get(&self, scope: &Scope, id: &BudgetId) -> Result<BudgetRow, StoreError> {
        self.budget_find(&mut *self.read().await?, scope, id).await
    }

    /// Changes a budget. What is spent of it stays spent.
    pub async fn budget_update(
        &self,
        scope: &Scope,
        id: &BudgetId,
        to: BudgetChange,
    ) -> Result<BudgetRow, StoreError> {
        let now = self.now();
        let mut change = self.change().await?;
        let mut row = self.budget_find(change.connection(), scope, id).await?;
        let before = shown(&row);
        row.budget.amount = to.amount.unwrap_or(row.budget.amount);
        row.budget.enforcement = to.enforcement.unwrap_or(row.budget.enforcement);
        row.alerts = to.alerts.unwrap_or(row.alerts);
        row.updated_at = now;
        check(&row)?;
        sqlx::query(
            "UPDATE budget SET amount = $1, enforcement = $2, alerts = $3, updated_at = $4
             WHERE id = $5",
        )
        .bind(row.budget.amount.as_nanos())
        .bind(word(row.budget.enforcement))
        .bind(self.sealed_alerts(id, &row.alerts)?)
        .bind(now.as_micros())
        .bind(id.as_str())
        .execute(change.connection())
        .await
        .map_err(|error| StoreError::unless_duplicate(error, || duplicate(&row.budget)))?;
        let updated = Event::of(scope, "kijun.budget.updated").on("budget", id).before(before);
        change.commit(updated.after(shown(&row))).await?;
        Ok(row)
    }

    /// Deletes a budget, and what is known of its spending. The ledger stays as it is.
    pub async fn budget_delete(&self, scope: &Scope, id: &BudgetId) -> Result<(), StoreError> {
        let mut change = self.change().await?;
        let row = self.budget_find(change.connection(), scope, id).await?;
        for sql in [
            "DELETE FROM budget WHERE id = $1",
            "DELETE FROM spend WHERE budget_id = $1",
            "DELETE FROM spend_lease WHERE budget_id = $1",
        ] {
            sqlx::query(sql).bind(id.as_str()).execute(change.connection()).await?;
        }
        let deleted = Event::of(scope, "kijun.budget.deleted").on("budget", id);
        change.commit(deleted.before(shown(&row))).await
    }

    async fn budget_find(
        &self,
        connection: &mut AnyConnection,
        scope: &Scope,
        id: &BudgetId,
    ) -> Result<BudgetRow, StoreError> {
        let row = sqlx::query("SELECT * FROM budget WHERE id = $1 AND organization_id = $2")
            .bind(id.as_str())
            .bind(whole_organization(scope, "budgets")?)
            .fetch_optional(connection)
            .await?
            .ok_or_else(|| StoreError::not_found("budget", id.as_str()))?;
        self.budget_row(&row)
    }

    /// Alerts name people, so they are sealed.
    fn sealed_alerts(&self, id: &BudgetId, alerts: &[BudgetAlert]) -> Result<Vec<u8>, StoreError> {
        let alerts = to_json("alerts", &alerts)?;
        self.seal("budget", "alerts", id.as_str(), alerts.as_bytes())
    }

    fn budget_row(&self, row: &AnyRow) -> Result<BudgetRow, StoreError> {
        let budget = budget(row)?;
        let alerts = self.unseal("budget", "alerts", budget.id.as_str(), &row.bytes("alerts")?)?;
        Ok(BudgetRow {
            alerts: serde_json::from_slice(&alerts)
                .map_err(|error| unreadable("alerts", error.to_string()))?,
            created_at: row.time("created_at")?,
            updated_at: row.time("updated_at")?,
            budget,
        })
    }
}

/// The amounts of those budgets that are there. PostgreSQL keeps them there until the transaction
/// is over.
pub(crate) async fn amounts(
    connection: &mut AnyConnection,
    engine: Engine,
    ids: &[&BudgetId],
) -> Result<Vec<(BudgetId, Money)>, StoreError> {
    let lock = match engine {
        Engine::Sqlite => "",
        Engine::Postgres => "FOR SHARE",
    };
    let places = places(1, ids.len());
    let sql = format!("SELECT id, amount FROM budget WHERE id IN ({places}) ORDER BY id {lock}");
    let query = ids.iter().fold(sqlx::query(AssertSqlSafe(sql)), |sql, id| sql.bind(id.as_str()));
    let rows = query.fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok((row.text("id")?.into(), Money::from_nanos(row.number("amount")?))))
        .collect()
}

pub(crate) fn budget(row: &AnyRow) -> Result<Budget, StoreError> {
    let zone = Zone::named(&row.text("time_zone")?);
    Ok(Budget {
        id: row.text("id")?.into(),
        organization: row.text("organization_id")?.into(),
        scope: row.word("scope")?,
        subject: row.text_or_null("subject")?,
        model: row.text_or_null("model")?,
        period: row.word("period")?,
        zone: zone.map_err(|error| unreadable("time_zone", error.to_string()))?,
        amount: Money::from_nanos(row.number("amount")?),
        enforcement: row.word("enforcement")?,
    })
}

fn check(row: &BudgetRow) -> Result<(), StoreError> {
    let budget = &row.budget;
    for (what, name) in
        [("a budget's subject", &budget.subject), ("a budget's model", &budget.model)]
    {
        if let Some(name) = name {
            checked_name(what, name)?;
        }
    }
    if !(Money::ZERO..=MOST).contains(&budget.amount) {
        let reason = "must be between nothing and a billion dollars";
        return Err(StoreError::invalid("a budget's amount", reason));
    }
    if row.alerts.len() > MOST_ALERTS {
        let reason = format!("must not be more than {MOST_ALERTS}");
        return Err(StoreError::invalid("a budget's alerts", reason));
    }
    for alert in &row.alerts {
        if !(1..=1_000).contains(&alert.percent) {
            let reason = "must be between 1 and 1000 percent of the amount";
            return Err(StoreError::invalid("a budget's alert", reason));
        }
        alert.channel.check()?;
    }
    Ok(())
}

/// A budget as the audit log shows it: without the people who are told.
fn shown(row: &BudgetRow) -> Value {
    let budget = &row.budget;
    json!({
        "scope": budget.scope,
        "subject": budget.subject,
        "model": budget.model,
        "period": budget.period,
        "time_zone": budget.zone.name(),
        "amount": budget.amount.to_string(),
        "enforcement": budget.enforcement,
        "alerts_at_percent": row.alerts.iter().map(|alert| alert.percent).collect::<Vec<_>>(),
    })
}

const fn word(enforcement: Enforcement) -> &'static str {
    match enforcement {
        Enforcement::Hard => "hard",
        Enforcement::Soft => "soft",
    }
}

fn duplicate(budget: &Budget) -> StoreError {
    let place = budget.subject.as_deref().unwrap_or("each one");
    StoreError::conflict(
        "budget",
        &format!("{} {place}, {} {}", budget.scope, word(budget.enforcement), budget.period),
        "is there already; change its amount",
    )
}
