//! For how long organisations and projects have their content kept.

use kernel::{OrganizationId, ProjectId, RetentionSetting, RetentionType, Scope};
use serde_json::{Value, json};
use sqlx::any::AnyRow;

use crate::columns::{Columns, unreadable};
use crate::event::Event;
use crate::{Store, StoreError, organization, project};

/// What was set for an organisation, or for one project of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetentionRow {
    /// The organisation.
    pub organization: OrganizationId,
    /// The project; `None`: it was set for the whole organisation.
    pub project: Option<ProjectId>,
    /// The setting.
    pub setting: RetentionSetting,
}

/// The longest that content may be kept: ten years, leap days aside.
const MOST_DAYS: u32 = 3_650;

impl Store {
    /// What was set for the scope's project or, where the scope has none, for its organisation.
    /// What follows from both is [`kernel::Retention::of`].
    pub async fn retention_get(
        &self,
        scope: &Scope,
    ) -> Result<Option<RetentionSetting>, StoreError> {
        let row = sqlx::query("SELECT * FROM retention WHERE id = $1 AND organization_id = $2")
            .bind(subject(scope))
            .bind(scope.organization.as_str())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        Ok(row.as_ref().map(retention).transpose()?.map(|row| row.setting))
    }

    /// Sets it for the scope's project or, where the scope has none, for its organisation.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when the setting is none that this subject may have.
    pub async fn retention_put(
        &self,
        scope: &Scope,
        setting: RetentionSetting,
    ) -> Result<(), StoreError> {
        if setting.days.is_some_and(|days| !(1..=MOST_DAYS).contains(&days)) {
            let reason = format!("must be between 1 and {MOST_DAYS}");
            return Err(StoreError::invalid("the number of days that content is kept", reason));
        }
        let of_projects = [RetentionType::OrganizationDefault, RetentionType::None];
        if scope.project.is_none() && of_projects.contains(&setting.kind) {
            return Err(StoreError::invalid(
                "an organisation's retention",
                "is the default itself; choose another kind",
            ));
        }
        let now = self.now().as_micros();
        let mut change = self.change().await?;
        organization::find(change.connection(), &scope.organization).await?;
        if let Some(id) = &scope.project {
            project::find(change.connection(), scope, id).await?;
        }
        let row = sqlx::query("SELECT * FROM retention WHERE id = $1").bind(subject(scope));
        let found = row.fetch_optional(change.connection()).await?;
        let found = found.as_ref().map(retention).transpose()?;
        sqlx::query(
            "INSERT INTO retention (id, organization_id, project_id, kind, days, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, days = excluded.days,
              updated_at = excluded.updated_at",
        )
        .bind(subject(scope))
        .bind(scope.organization.as_str())
        .bind(scope.project.as_ref().map(ProjectId::as_str))
        .bind(setting.kind.as_str())
        .bind(setting.days.map(i64::from))
        .bind(now)
        .execute(change.connection())
        .await?;
        let kind = if scope.project.is_some() { "project" } else { "organization" };
        let event = Event::of(scope, "kijun.data_retention.updated").on(kind, subject(scope));
        let event = match found {
            Some(found) => event.before(shown(found.setting)),
            None => event,
        };
        change.commit(event.after(shown(setting))).await
    }

    /// All settings of all tenants, for nodes to keep in memory.
    pub async fn retention_list(&self) -> Result<Vec<RetentionRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM retention ORDER BY id")
            .fetch_all(&mut *self.read().await?)
            .await?;
        rows.iter().map(retention).collect()
    }
}

/// What the audit log shows of a setting.
fn shown(setting: RetentionSetting) -> Value {
    json!({"retention_type": setting.kind.as_str(), "retention_days": setting.days})
}

fn subject(scope: &Scope) -> &str {
    scope.project.as_ref().map_or(scope.organization.as_str(), ProjectId::as_str)
}

fn retention(row: &AnyRow) -> Result<RetentionRow, StoreError> {
    let days = row.number_or_null("days")?.map(u32::try_from).transpose();
    Ok(RetentionRow {
        organization: row.text("organization_id")?.into(),
        project: row.text_or_null("project_id")?.map(Into::into),
        setting: RetentionSetting {
            kind: row.word("kind")?,
            days: days.map_err(|_| unreadable("days", "it is out of range"))?,
        },
    })
}
