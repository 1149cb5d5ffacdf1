//! Thresholds of a month's spending that somebody is told of, as OpenAI has them.

use kernel::{AlertId, Money, OrganizationId, ProjectId, Scope, Timestamp};
use serde_json::{Value, json};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::columns::{Columns, to_json, unreadable};
use crate::event::Event;
use crate::scope::project_of;
use crate::{NotificationChannel, Paged, Store, StoreError, alert_fired, organization, project};

/// A threshold of what an organisation or a project spends in a month of UTC.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpendAlert {
    /// Its id.
    pub id: AlertId,
    /// The organisation.
    pub organization: OrganizationId,
    /// The project; `None`: it counts what the whole organisation spends.
    pub project: Option<ProjectId>,
    /// How much.
    pub threshold: Money,
    /// Who is told, and how.
    pub channel: NotificationChannel,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was made or last changed.
    pub updated_at: Timestamp,
}

/// Which part of a list is wanted, where it can be read in both directions from both ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpendAlertPage {
    /// The id of the last row of the page before this one.
    pub after: Option<String>,
    /// The id of the first row of the page after this one.
    pub before: Option<String>,
    /// How many rows at most.
    pub limit: u32,
    /// Whether the newest comes first.
    pub descending: bool,
}

impl Default for SpendAlertPage {
    /// The twenty oldest.
    fn default() -> Self {
        Self { after: None, before: None, limit: 20, descending: false }
    }
}

/// The alerts of exactly this scope: an organisation's are none of its projects'.
const OF_SCOPE: &str =
    "organization_id = $1 AND (project_id = $2 OR $2 IS NULL AND project_id IS NULL)";

impl Store {
    /// Makes an alert for the scope's project or, where the scope has none, for its organisation.
    pub async fn spend_alert_create(
        &self,
        scope: &Scope,
        threshold: Money,
        channel: NotificationChannel,
    ) -> Result<SpendAlert, StoreError> {
        check(threshold, &channel)?;
        let now = self.now();
        let alert = SpendAlert {
            id: AlertId::new(now, self.rng()),
            organization: scope.organization.clone(),
            project: scope.project.clone(),
            threshold,
            channel,
            created_at: now,
            updated_at: now,
        };
        let sealed = self.seal_channel(&alert.id, &alert.channel)?;
        let mut change = self.change().await?;
        organization::find(change.connection(), &scope.organization).await?;
        if let Some(id) = &scope.project {
            project::find(change.connection(), scope, id).await?;
        }
        sqlx::query(
            "INSERT INTO spend_alert
             (id, organization_id, project_id, threshold, channel, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6)",
        )
        .bind(alert.id.as_str())
        .bind(alert.organization.as_str())
        .bind(project_of(scope))
        .bind(threshold.as_nanos())
        .bind(sealed)
        .bind(now.as_micros())
        .execute(change.connection())
        .await?;
        let created = event(scope, "kijun.spend_alert.created", &alert.id);
        change.commit(created.after(shown(threshold))).await?;
        Ok(alert)
    }

    /// One alert of the scope.
    pub async fn spend_alert_get(
        &self,
        scope: &Scope,
        id: &AlertId,
    ) -> Result<SpendAlert, StoreError> {
        let sql = format!("SELECT * FROM spend_alert WHERE {OF_SCOPE} AND id = $3");
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(scope.organization.as_str())
            .bind(project_of(scope))
            .bind(id.as_str())
            .fetch_optional(&mut *self.read().await?)
            .await?
            .ok_or_else(|| StoreError::not_found("spend alert", id.as_str()))?;
        self.spend_alert(&row)
    }

    /// The alerts of the scope.
    pub async fn spend_alert_list(
        &self,
        scope: &Scope,
        page: &SpendAlertPage,
    ) -> Result<Paged<SpendAlert>, StoreError> {
        // The page before a row is read backwards from that row, then turned round.
        let backwards = page.before.is_some() && page.after.is_none();
        let order = if page.descending == backwards { "ASC" } else { "DESC" };
        let (after, before) = if page.descending { ("<", ">") } else { (">", "<") };
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT * FROM spend_alert WHERE {OF_SCOPE}
               AND ($3 IS NULL OR id {after} $3) AND ($4 IS NULL OR id {before} $4)
             ORDER BY id {order} LIMIT $5"
        )))
        .bind(scope.organization.as_str())
        .bind(project_of(scope))
        .bind(page.after.as_deref())
        .bind(page.before.as_deref())
        .bind(i64::from(page.limit) + 1)
        .fetch_all(&mut *self.read().await?)
        .await?;
        let alerts = rows.iter().map(|row| self.spend_alert(row)).collect::<Result<_, _>>()?;
        let mut paged = Paged::cut_at(alerts, page.limit);
        if backwards {
            paged.data.reverse();
        }
        Ok(paged)
    }

    /// Gives an alert of the scope another threshold and channel. What was told of the old one does
    /// not count for the new one.
    pub async fn spend_alert_update(
        &self,
        scope: &Scope,
        id: &AlertId,
        threshold: Money,
        channel: &NotificationChannel,
    ) -> Result<SpendAlert, StoreError> {
        check(threshold, channel)?;
        let sealed = self.seal_channel(id, channel)?;
        let now = self.now();
        let mut change = self.change().await?;
        let found = threshold_of(change.connection(), scope, id).await?;
        let sql = format!(
            "UPDATE spend_alert SET threshold = $3, channel = $4, updated_at = $5
             WHERE {OF_SCOPE} AND id = $6 RETURNING *"
        );
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(scope.organization.as_str())
            .bind(project_of(scope))
            .bind(threshold.as_nanos())
            .bind(sealed)
            .bind(now.as_micros())
            .bind(id.as_str())
            .fetch_one(change.connection())
            .await?;
        alert_fired::forget(change.connection(), id.as_str()).await?;
        let updated = event(scope, "kijun.spend_alert.updated", id).before(shown(found));
        change.commit(updated.after(shown(threshold))).await?;
        self.spend_alert(&row)
    }

    /// Deletes an alert of the scope.
    pub async fn spend_alert_delete(&self, scope: &Scope, id: &AlertId) -> Result<(), StoreError> {
        let mut change = self.change().await?;
        let found = threshold_of(change.connection(), scope, id).await?;
        let sql = format!("DELETE FROM spend_alert WHERE {OF_SCOPE} AND id = $3");
        sqlx::query(AssertSqlSafe(sql))
            .bind(scope.organization.as_str())
            .bind(project_of(scope))
            .bind(id.as_str())
            .execute(change.connection())
            .await?;
        alert_fired::forget(change.connection(), id.as_str()).await?;
        change.commit(event(scope, "kijun.spend_alert.deleted", id).before(shown(found))).await
    }

    /// Everybody's alerts, for the node that watches over them. One that cannot be opened holds no
    /// other up; it is told of in the log.
    pub async fn spend_alert_list_all(&self) -> Result<Vec<SpendAlert>, StoreError> {
        let rows = sqlx::query("SELECT * FROM spend_alert ORDER BY organization_id, id")
            .fetch_all(&mut *self.read().await?)
            .await?;
        let readable = |row: &AnyRow| {
            let read = self.spend_alert(row);
            read.inspect_err(|error| tracing::error!(%error, "a spend alert cannot be read")).ok()
        };
        Ok(rows.iter().filter_map(readable).collect())
    }

    fn seal_channel(
        &self,
        id: &AlertId,
        channel: &NotificationChannel,
    ) -> Result<Vec<u8>, StoreError> {
        let json = to_json("channel", channel)?;
        self.seal("spend_alert", "channel", id.as_str(), json.as_bytes())
    }

    fn spend_alert(&self, row: &AnyRow) -> Result<SpendAlert, StoreError> {
        let id = row.text("id")?;
        let channel = self.unseal("spend_alert", "channel", &id, &row.bytes("channel")?)?;
        Ok(SpendAlert {
            id: id.into(),
            organization: row.text("organization_id")?.into(),
            project: row.text_or_null("project_id")?.map(Into::into),
            threshold: Money::from_nanos(row.number("threshold")?),
            // The parser's message could quote an address.
            channel: serde_json::from_slice(&channel)
                .map_err(|_| unreadable("channel", "it is no channel"))?,
            created_at: row.time("created_at")?,
            updated_at: row.time("updated_at")?,
        })
    }
}

/// Something that happened to an alert.
fn event(scope: &Scope, name: &'static str, id: &AlertId) -> Event {
    Event::of(scope, name).on("spend_alert", id)
}

/// What the audit log shows of an alert; who is told of it is sealed.
fn shown(threshold: Money) -> Value {
    json!({"threshold": threshold})
}

async fn threshold_of(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: &AlertId,
) -> Result<Money, StoreError> {
    let sql = format!("SELECT threshold FROM spend_alert WHERE {OF_SCOPE} AND id = $3");
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(scope.organization.as_str())
        .bind(project_of(scope))
        .bind(id.as_str());
    let row = row.fetch_optional(connection).await?;
    let row = row.ok_or_else(|| StoreError::not_found("spend alert", id.as_str()))?;
    Ok(Money::from_nanos(row.number("threshold")?))
}

fn check(threshold: Money, channel: &NotificationChannel) -> Result<(), StoreError> {
    if threshold < Money::ZERO {
        return Err(StoreError::invalid("a spend alert's threshold", "must not be negative"));
    }
    channel.check()
}
