//! Service accounts: callers that are no persons.

use kernel::{ProjectId, Role, Scope, ServiceAccountId, Timestamp};
use serde_json::{Value, json};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::columns::{Columns, checked_name};
use crate::event::Event;
use crate::scope::project_of;
use crate::{Page, Paged, Store, StoreError, project};

/// A caller of a project that is no person. Keys may belong to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceAccount {
    /// Its id.
    pub id: ServiceAccountId,
    /// The project that it belongs to.
    pub project: ProjectId,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A service account to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewServiceAccount {
    /// The project that it belongs to.
    pub project: ProjectId,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

impl Store {
    /// Makes a service account.
    pub async fn service_account_create(
        &self,
        scope: &Scope,
        new: NewServiceAccount,
    ) -> Result<ServiceAccount, StoreError> {
        let created_at = self.now();
        let account = ServiceAccount {
            id: ServiceAccountId::new(created_at, self.rng()),
            project: new.project,
            name: checked_name("a service account's name", &new.name)?.into(),
            role: new.role,
            created_at,
        };
        let mut change = self.change().await?;
        project::find_active(change.connection(), scope, &account.project).await?;
        sqlx::query(
            "INSERT INTO service_account (id, organization_id, project_id, name, role, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(account.id.as_str())
        .bind(scope.organization.as_str())
        .bind(account.project.as_str())
        .bind(account.name.as_str())
        .bind(role_name(account.role))
        .bind(created_at.as_micros())
        .execute(change.connection())
        .await?;
        let created = event(scope, "service_account.created", &account);
        change.commit(created.after(shown(&account))).await?;
        Ok(account)
    }

    /// The service accounts of a project.
    pub async fn service_account_list(
        &self,
        scope: &Scope,
        project: &ProjectId,
        page: &Page,
    ) -> Result<Paged<ServiceAccount>, StoreError> {
        let mut connection = self.read().await?;
        project::find(&mut connection, scope, project).await?;
        let rows = sqlx::query(
            "SELECT * FROM service_account
             WHERE project_id = $1 AND deleted_at IS NULL AND ($2 IS NULL OR id > $2)
             ORDER BY id LIMIT $3",
        )
        .bind(project.as_str())
        .bind(page.after.as_deref())
        .bind(page.fetch())
        .fetch_all(&mut *connection)
        .await?;
        Ok(Paged::cut(rows.iter().map(account).collect::<Result<_, _>>()?, page))
    }

    /// One service account in the scope.
    pub async fn service_account_get(
        &self,
        scope: &Scope,
        id: &ServiceAccountId,
    ) -> Result<ServiceAccount, StoreError> {
        find(&mut *self.read().await?, scope, id).await
    }

    /// Deletes a service account and revokes its keys. The row stays, since records name it.
    pub async fn service_account_delete(
        &self,
        scope: &Scope,
        id: &ServiceAccountId,
    ) -> Result<(), StoreError> {
        let now = self.now().as_micros();
        let mut change = self.change().await?;
        let found = find(change.connection(), scope, id).await?;
        sqlx::query("UPDATE service_account SET deleted_at = $1 WHERE id = $2")
            .bind(now)
            .bind(id.as_str())
            .execute(change.connection())
            .await?;
        let revoked = sqlx::query(
            "UPDATE api_key SET revoked_at = $1
             WHERE service_account_id = $2 AND revoked_at IS NULL RETURNING id",
        )
        .bind(now)
        .bind(id.as_str())
        .fetch_all(change.connection())
        .await?;
        let deleted = event(scope, "service_account.deleted", &found).before(shown(&found));
        let deleted = revoked.iter().try_fold(deleted, |event, key| {
            Ok::<_, StoreError>(event.on("api_key", key.text("id")?))
        })?;
        change.commit(deleted).await
    }
}

/// Something that happened to a service account.
fn event(scope: &Scope, name: &'static str, account: &ServiceAccount) -> Event {
    Event::of(scope, name).within(&account.project).on("service_account", &account.id)
}

/// What the audit log shows of a service account.
fn shown(account: &ServiceAccount) -> Value {
    json!({"name": account.name, "role": role_name(account.role)})
}

/// The service account, if it is in the scope and not deleted.
pub(crate) async fn find(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: &ServiceAccountId,
) -> Result<ServiceAccount, StoreError> {
    sqlx::query(
        "SELECT * FROM service_account
         WHERE id = $1 AND organization_id = $2 AND ($3 IS NULL OR project_id = $3)
           AND deleted_at IS NULL",
    )
    .bind(id.as_str())
    .bind(scope.organization.as_str())
    .bind(project_of(scope))
    .fetch_optional(connection)
    .await?
    .as_ref()
    .map_or_else(|| Err(StoreError::not_found("service account", id.as_str())), account)
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Admin => "admin",
    }
}

fn account(row: &AnyRow) -> Result<ServiceAccount, StoreError> {
    Ok(ServiceAccount {
        id: row.text("id")?.into(),
        project: row.text("project_id")?.into(),
        name: row.text("name")?,
        role: row.word("role")?,
        created_at: row.time("created_at")?,
    })
}
