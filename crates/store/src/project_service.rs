//! Which service tiers a project's calls may ask for.

use kernel::{OrganizationId, ProjectId, Scope, ServiceTier};
use serde_json::{Value, json};
use sqlx::any::AnyRow;

use crate::columns::{Columns, to_json, unreadable};
use crate::event::Event;
use crate::scope::{one_project, whole_organization};
use crate::{Store, StoreError, project};

/// Which service tiers a project's calls may have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProjectService {
    /// The tier of a call that asks for none, or for `auto`.
    pub default_tier: ServiceTier,
    /// The tiers that a call may ask for, the most urgent first.
    pub tiers: Vec<ServiceTier>,
}

impl Default for ProjectService {
    /// Everybody may say that a call is not urgent. That one is more urgent than other people's is
    /// for an administrator to grant.
    fn default() -> Self {
        Self {
            default_tier: ServiceTier::Default,
            tiers: vec![ServiceTier::Default, ServiceTier::Flex],
        }
    }
}

/// What was set for one project.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProjectServiceRow {
    /// The organisation.
    pub organization: OrganizationId,
    /// The project.
    pub project: ProjectId,
    /// Its tiers.
    pub service: ProjectService,
}

impl Store {
    /// The tiers of the scope's project.
    pub async fn project_service_get(&self, scope: &Scope) -> Result<ProjectService, StoreError> {
        let project = one_project(scope, "a service tier")?;
        let row = sqlx::query(
            "SELECT * FROM project_service WHERE project_id = $1 AND organization_id = $2",
        )
        .bind(project.as_str())
        .bind(scope.organization.as_str())
        .fetch_optional(&mut *self.read().await?)
        .await?;
        Ok(row.as_ref().map(service).transpose()?.map(|row| row.service).unwrap_or_default())
    }

    /// Sets the tiers of one project. It is for administrators of the whole organisation.
    pub async fn project_service_put(
        &self,
        scope: &Scope,
        id: &ProjectId,
        service: &ProjectService,
    ) -> Result<(), StoreError> {
        whole_organization(scope, "service tiers")?;
        if !service.tiers.contains(&service.default_tier) {
            let tier = service.default_tier;
            let reason = format!("is `{tier}`, which is none of the tiers that it may ask for");
            return Err(StoreError::invalid("a project's default tier", reason));
        }
        let tiers: Vec<_> =
            ServiceTier::ALL.into_iter().filter(|tier| service.tiers.contains(tier)).collect();
        let now = self.now();
        let mut change = self.change().await?;
        project::find(change.connection(), scope, id).await?;
        let row = sqlx::query("SELECT * FROM project_service WHERE project_id = $1");
        let found = row.bind(id.as_str()).fetch_optional(change.connection()).await?;
        let found = found.as_ref().map(self::service).transpose()?;
        let is_so = |found: &ProjectServiceRow| {
            found.service.default_tier == service.default_tier && found.service.tiers == tiers
        };
        if found.as_ref().is_some_and(is_so) {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO project_service
             (project_id, organization_id, default_tier, tiers, updated_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (project_id) DO UPDATE SET default_tier = excluded.default_tier,
              tiers = excluded.tiers, updated_at = excluded.updated_at",
        )
        .bind(id.as_str())
        .bind(scope.organization.as_str())
        .bind(service.default_tier.as_str())
        .bind(to_json("tiers", &tiers)?)
        .bind(now.as_micros())
        .execute(change.connection())
        .await?;
        let event = Event::of(scope, "kijun.project_service.updated").within(id).on("project", id);
        let event = match found {
            Some(found) => event.before(shown(&found.service)),
            None => event,
        };
        change.commit(event.after(shown(service))).await
    }

    /// What was set for all projects, for nodes to keep in memory.
    pub async fn project_service_list_all(&self) -> Result<Vec<ProjectServiceRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM project_service ORDER BY project_id")
            .fetch_all(&mut *self.read().await?)
            .await?;
        rows.iter().map(service).collect()
    }
}

/// What the audit log shows of a project's tiers.
fn shown(service: &ProjectService) -> Value {
    json!({"default_tier": service.default_tier, "tiers": service.tiers})
}

fn service(row: &AnyRow) -> Result<ProjectServiceRow, StoreError> {
    let service =
        ProjectService { default_tier: row.word("default_tier")?, tiers: row.json("tiers")? };
    if service.tiers.is_empty() {
        return Err(unreadable("tiers", "it is empty"));
    }
    Ok(ProjectServiceRow {
        organization: row.text("organization_id")?.into(),
        project: row.text("project_id")?.into(),
        service,
    })
}
