//! Projects: the unit of access, limits and reporting inside an organisation.

use kernel::{OrganizationId, ProjectId, Scope, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::columns::{Columns, checked_name, to_json};
use crate::event::Event;
use crate::scope::{project_of, whole_organization};
use crate::{Organization, Page, Paged, Store, StoreError, organization};

/// A project.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// The organisation that it belongs to.
    pub organization: OrganizationId,
    /// What people call it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was archived, if it was. Its keys stopped working then, for good.
    pub archived_at: Option<Timestamp>,
    /// Which models its keys may call.
    pub models: ModelPermission,
}

impl Project {
    /// Whether the project still works.
    pub const fn status(&self) -> ProjectStatus {
        match self.archived_at {
            None => ProjectStatus::Active,
            Some(_) => ProjectStatus::Archived,
        }
    }
}

/// Whether a project still works.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectStatus {
    /// It works.
    Active,
    /// Its keys do not work; its records are kept.
    Archived,
}

/// Which models a project's keys may call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ModelPermission {
    /// How `models` is meant.
    pub mode: ModelMode,
    /// Model aliases.
    pub models: Vec<String>,
}

impl ModelPermission {
    /// Every model, which is what a new project may call.
    pub const fn all() -> Self {
        Self { mode: ModelMode::All, models: Vec::new() }
    }
}

/// How a list of models is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelMode {
    /// Every model, whatever the list says.
    All,
    /// Only the models in the list.
    Allow,
    /// All but the models in the list.
    Deny,
}

impl ModelMode {
    /// The name that the database and the API use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl Store {
    /// Makes a project in the scope's organisation.
    pub async fn project_create(&self, scope: &Scope, name: &str) -> Result<Project, StoreError> {
        whole_organization(scope, "projects")?;
        let created_at = self.now();
        let project = Project {
            id: ProjectId::new(created_at, self.rng()),
            organization: scope.organization.clone(),
            name: checked_name("a project's name", name)?.into(),
            created_at,
            archived_at: None,
            models: ModelPermission::all(),
        };
        let mut change = self.change().await?;
        organization::find(change.connection(), &scope.organization).await?;
        insert(change.connection(), &project).await?;
        change.commit(created(&project)).await?;
        Ok(project)
    }

    /// The oldest active project of the oldest organisation: what an installation begins with. What
    /// is missing of the two is made under these names, and by one node alone if several start at
    /// once.
    pub async fn project_first(
        &self,
        organization: &str,
        project: &str,
    ) -> Result<Project, StoreError> {
        if let Some(found) = oldest(&mut *self.read().await?).await? {
            return Ok(found);
        }
        // The generation's row is locked from here on: a node that waited for it finds ours.
        let mut change = self.change().await?;
        if let Some(found) = oldest(change.connection()).await? {
            return Ok(found);
        }
        let created_at = self.now();
        let owner = match organization::oldest(change.connection()).await? {
            Some(found) => found,
            None => {
                let id = OrganizationId::new(created_at, self.rng());
                let name = checked_name("an organisation's name", organization)?.into();
                let made = Organization { id, name, created_at };
                organization::insert(change.connection(), &made).await?;
                change.log(organization::created(&made)).await?;
                made
            }
        };
        let made = Project {
            id: ProjectId::new(created_at, self.rng()),
            organization: owner.id,
            name: checked_name("a project's name", project)?.into(),
            created_at,
            archived_at: None,
            models: ModelPermission::all(),
        };
        insert(change.connection(), &made).await?;
        change.commit(created(&made)).await?;
        Ok(made)
    }

    /// The projects in the scope.
    pub async fn project_list(
        &self,
        scope: &Scope,
        page: &Page,
    ) -> Result<Paged<Project>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM project
             WHERE organization_id = $1 AND ($2 IS NULL OR id = $2) AND ($3 IS NULL OR id > $3)
               AND ($4 = 1 OR archived_at IS NULL)
             ORDER BY id LIMIT $5",
        )
        .bind(scope.organization.as_str())
        .bind(project_of(scope))
        .bind(page.after.as_deref())
        .bind(i64::from(page.include_archived))
        .bind(page.fetch())
        .fetch_all(&mut *self.read().await?)
        .await?;
        Ok(Paged::cut(rows.iter().map(project).collect::<Result<_, _>>()?, page))
    }

    /// One project in the scope.
    pub async fn project_get(&self, scope: &Scope, id: &ProjectId) -> Result<Project, StoreError> {
        find(&mut *self.read().await?, scope, id).await
    }

    /// Gives a project another name.
    pub async fn project_update(
        &self,
        scope: &Scope,
        id: &ProjectId,
        name: &str,
    ) -> Result<Project, StoreError> {
        let name = checked_name("a project's name", name)?;
        let mut change = self.change().await?;
        let found = find(change.connection(), scope, id).await?;
        let row = sqlx::query("UPDATE project SET name = $1 WHERE id = $2 RETURNING *")
            .bind(name)
            .bind(id.as_str())
            .fetch_one(change.connection())
            .await?;
        let named = event(&found, "project.updated").before(json!({"name": found.name}));
        change.commit(named.after(json!({"name": name}))).await?;
        project(&row)
    }

    /// Archives a project: its keys stop working for good, its records stay. Archiving it again
    /// changes nothing.
    ///
    /// # Errors
    /// [`StoreError::LastOne`] when the organisation has no other active project.
    pub async fn project_archive(
        &self,
        scope: &Scope,
        id: &ProjectId,
    ) -> Result<Project, StoreError> {
        let now = self.now();
        let mut change = self.change().await?;
        let found = find(change.connection(), scope, id).await?;
        let other = sqlx::query(
            "SELECT id FROM project
             WHERE organization_id = $1 AND id <> $2 AND archived_at IS NULL LIMIT 1",
        )
        .bind(scope.organization.as_str())
        .bind(id.as_str())
        .fetch_optional(change.connection())
        .await?;
        if found.status() == ProjectStatus::Archived {
            return Ok(found);
        }
        if other.is_none() {
            return Err(StoreError::LastOne { what: "project", id: id.to_string() });
        }
        let row = sqlx::query("UPDATE project SET archived_at = $1 WHERE id = $2 RETURNING *")
            .bind(now.as_micros())
            .bind(id.as_str())
            .fetch_one(change.connection())
            .await?;
        change.commit(event(&found, "project.archived")).await?;
        project(&row)
    }

    /// Sets which models a project's keys may call.
    pub async fn project_models_set(
        &self,
        scope: &Scope,
        id: &ProjectId,
        models: &ModelPermission,
    ) -> Result<Project, StoreError> {
        for name in &models.models {
            checked_name("a model's name", name)?;
        }
        let mut change = self.change().await?;
        let found = find(change.connection(), scope, id).await?;
        let row = sqlx::query(
            "UPDATE project SET model_mode = $1, models = $2 WHERE id = $3 RETURNING *",
        )
        .bind(models.mode.as_str())
        .bind(to_json("models", &models.models)?)
        .bind(id.as_str())
        .fetch_one(change.connection())
        .await?;
        let set = event(&found, "kijun.model_permissions.updated");
        change.commit(set.before(json!(found.models)).after(json!(models))).await?;
        project(&row)
    }
}

/// Something that happened to a project.
fn event(project: &Project, name: &'static str) -> Event {
    let scope = Scope::organization(project.organization.clone());
    Event::of(&scope, name).on("project", &project.id).within(&project.id)
}

fn created(project: &Project) -> Event {
    event(project, "project.created").after(json!({"name": project.name}))
}

async fn insert(connection: &mut AnyConnection, project: &Project) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO project (id, organization_id, name, created_at, model_mode, models)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(project.id.as_str())
    .bind(project.organization.as_str())
    .bind(project.name.as_str())
    .bind(project.created_at.as_micros())
    .bind(project.models.mode.as_str())
    .bind(to_json("models", &project.models.models)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// The oldest active project of the oldest organisation.
async fn oldest(connection: &mut AnyConnection) -> Result<Option<Project>, StoreError> {
    sqlx::query(
        "SELECT * FROM project
         WHERE organization_id = (SELECT MIN(id) FROM organization) AND archived_at IS NULL
         ORDER BY id LIMIT 1",
    )
    .fetch_optional(connection)
    .await?
    .as_ref()
    .map(project)
    .transpose()
}

/// The project, if it is in the scope.
pub(crate) async fn find(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: &ProjectId,
) -> Result<Project, StoreError> {
    sqlx::query(
        "SELECT * FROM project
         WHERE id = $1 AND organization_id = $2 AND ($3 IS NULL OR id = $3)",
    )
    .bind(id.as_str())
    .bind(scope.organization.as_str())
    .bind(project_of(scope))
    .fetch_optional(connection)
    .await?
    .as_ref()
    .map_or_else(|| Err(StoreError::not_found("project", id.as_str())), project)
}

/// The project, if it is in the scope and still works.
pub(crate) async fn find_active(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: &ProjectId,
) -> Result<Project, StoreError> {
    let project = find(connection, scope, id).await?;
    match project.status() {
        ProjectStatus::Active => Ok(project),
        ProjectStatus::Archived => {
            Err(StoreError::conflict("project", id.as_str(), "is archived; use another project"))
        }
    }
}

pub(crate) fn project(row: &AnyRow) -> Result<Project, StoreError> {
    Ok(Project {
        id: row.text("id")?.into(),
        organization: row.text("organization_id")?.into(),
        name: row.text("name")?,
        created_at: row.time("created_at")?,
        archived_at: row.time_or_null("archived_at")?,
        models: ModelPermission { mode: row.word("model_mode")?, models: row.json("models")? },
    })
}
