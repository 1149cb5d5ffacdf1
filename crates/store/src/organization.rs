//! Organisations: the tenants.

use kernel::{OrganizationId, Scope, Timestamp};
use serde_json::json;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::columns::{Columns, checked_name};
use crate::event::Event;
use crate::{Store, StoreError};

/// A tenant, to which everything else belongs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// What people call it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Store {
    /// Makes an organisation.
    pub async fn organization_create(&self, name: &str) -> Result<Organization, StoreError> {
        let created_at = self.now();
        let organization = Organization {
            id: OrganizationId::new(created_at, self.rng()),
            name: checked_name("an organisation's name", name)?.into(),
            created_at,
        };
        let mut change = self.change().await?;
        insert(change.connection(), &organization).await?;
        change.commit(created(&organization)).await?;
        Ok(organization)
    }

    /// All organisations, in the order in which they were made.
    pub async fn organization_list(&self) -> Result<Vec<Organization>, StoreError> {
        sqlx::query("SELECT * FROM organization ORDER BY id")
            .fetch_all(&mut *self.read().await?)
            .await?
            .iter()
            .map(organization)
            .collect()
    }

    /// One organisation.
    pub async fn organization_get(&self, id: &OrganizationId) -> Result<Organization, StoreError> {
        find(&mut *self.read().await?, id).await
    }
}

/// What the audit log says of a new organisation.
pub(crate) fn created(organization: &Organization) -> Event {
    Event::of(&Scope::organization(organization.id.clone()), "kijun.organization.created")
        .on("organization", &organization.id)
        .after(json!({"name": organization.name}))
}

pub(crate) async fn insert(
    connection: &mut AnyConnection,
    organization: &Organization,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO organization (id, name, created_at) VALUES ($1, $2, $3)")
        .bind(organization.id.as_str())
        .bind(organization.name.as_str())
        .bind(organization.created_at.as_micros())
        .execute(connection)
        .await?;
    Ok(())
}

/// The first that was made.
pub(crate) async fn oldest(
    connection: &mut AnyConnection,
) -> Result<Option<Organization>, StoreError> {
    let row = sqlx::query("SELECT * FROM organization ORDER BY id LIMIT 1")
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(organization).transpose()
}

pub(crate) async fn find(
    connection: &mut AnyConnection,
    id: &OrganizationId,
) -> Result<Organization, StoreError> {
    sqlx::query("SELECT * FROM organization WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?
        .as_ref()
        .map_or_else(|| Err(StoreError::not_found("organisation", id.as_str())), organization)
}

fn organization(row: &AnyRow) -> Result<Organization, StoreError> {
    Ok(Organization {
        id: row.text("id")?.into(),
        name: row.text("name")?,
        created_at: row.time("created_at")?,
    })
}
