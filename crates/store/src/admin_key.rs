//! Admin keys of organisations. Only the hash of a key's secret is stored.

use kernel::{AdminKeyId, OrganizationId, Scope, Timestamp};
use serde_json::json;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::columns::{Columns, checked_name, to_micros};
use crate::event::Event;
use crate::scope::whole_organization;
use crate::{NewSecret, Page, Paged, Store, StoreError, organization};

/// An admin key, as it may be shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminKey {
    /// Its id.
    pub id: AdminKeyId,
    /// The organisation that it administers.
    pub organization: OrganizationId,
    /// What people call it.
    pub name: String,
    /// What may be shown of the secret.
    pub redacted: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to within the interval at which nodes report it.
    pub last_used_at: Option<Timestamp>,
    /// When it stops working; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// An admin key to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewAdminKey {
    /// What people call it.
    pub name: String,
    /// Its secret.
    pub secret: NewSecret,
}

impl Store {
    /// Makes an admin key of the scope's organisation.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the secret is already in use.
    pub async fn admin_key_create(
        &self,
        scope: &Scope,
        new: NewAdminKey,
    ) -> Result<AdminKey, StoreError> {
        whole_organization(scope, "admin keys")?;
        let created_at = self.now();
        let key = AdminKey {
            id: AdminKeyId::new(created_at, self.rng()),
            organization: scope.organization.clone(),
            name: checked_name("an admin key's name", &new.name)?.into(),
            redacted: new.secret.redacted,
            created_at,
            last_used_at: None,
            expires_at: new.secret.expires_at,
            revoked_at: None,
        };
        let mut change = self.change().await?;
        organization::find(change.connection(), &scope.organization).await?;
        sqlx::query(
            "INSERT INTO admin_key
             (id, organization_id, hash, name, redacted, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(key.id.as_str())
        .bind(key.organization.as_str())
        .bind(new.secret.hash.as_slice())
        .bind(key.name.as_str())
        .bind(key.redacted.as_str())
        .bind(created_at.as_micros())
        .bind(to_micros(key.expires_at))
        .execute(change.connection())
        .await
        .map_err(|error| {
            StoreError::unless_duplicate(error, || {
                StoreError::conflict("admin key", &key.redacted, "is already in use; make another")
            })
        })?;
        let shown = json!({
            "name": key.name, "redacted": key.redacted, "expires_at": to_micros(key.expires_at),
        });
        let created = Event::of(scope, "kijun.admin_api_key.created").on("admin_key", &key.id);
        change.commit(created.after(shown)).await?;
        Ok(key)
    }

    /// The admin keys of the scope's organisation.
    pub async fn admin_key_list(
        &self,
        scope: &Scope,
        page: &Page,
    ) -> Result<Paged<AdminKey>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM admin_key
             WHERE organization_id = $1 AND ($2 IS NULL OR id > $2)
               AND ($3 = 1 OR revoked_at IS NULL)
             ORDER BY id LIMIT $4",
        )
        .bind(whole_organization(scope, "admin keys")?)
        .bind(page.after.as_deref())
        .bind(i64::from(page.include_archived))
        .bind(page.fetch())
        .fetch_all(&mut *self.read().await?)
        .await?;
        Ok(Paged::cut(rows.iter().map(admin_key).collect::<Result<_, _>>()?, page))
    }

    /// One admin key of the scope's organisation, revoked or not.
    pub async fn admin_key_get(
        &self,
        scope: &Scope,
        id: &AdminKeyId,
    ) -> Result<AdminKey, StoreError> {
        find(&mut *self.read().await?, scope, id).await
    }

    /// The admin key that a secret belongs to. It is for the first keys of an installation, which
    /// are given from outside and must be made only once.
    pub async fn admin_key_find(&self, hash: &[u8; 32]) -> Result<Option<AdminKey>, StoreError> {
        let row = sqlx::query("SELECT * FROM admin_key WHERE hash = $1")
            .bind(hash.as_slice())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        row.as_ref().map(admin_key).transpose()
    }

    /// Revokes an admin key, for good. Revoking it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::LastOne`] when no other key of the organisation works.
    pub async fn admin_key_revoke(
        &self,
        scope: &Scope,
        id: &AdminKeyId,
    ) -> Result<AdminKey, StoreError> {
        let now = self.now();
        let mut change = self.change().await?;
        let key = find(change.connection(), scope, id).await?;
        if key.revoked_at.is_some() {
            return Ok(key);
        }
        let works = key.expires_at.is_none_or(|end| end > now);
        if works && !another_works(change.connection(), &key, now).await? {
            return Err(StoreError::LastOne { what: "admin key", id: id.to_string() });
        }
        let row = sqlx::query("UPDATE admin_key SET revoked_at = $1 WHERE id = $2 RETURNING *")
            .bind(now.as_micros())
            .bind(id.as_str())
            .fetch_one(change.connection())
            .await?;
        let shown = json!({"name": key.name, "redacted": key.redacted});
        let deleted = Event::of(scope, "kijun.admin_api_key.deleted").on("admin_key", id);
        change.commit(deleted.before(shown)).await?;
        admin_key(&row)
    }

    /// Writes down when admin keys were last used; an older time never replaces a newer one.
    pub async fn admin_key_touch(
        &self,
        used: &[(AdminKeyId, Timestamp)],
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        for (id, at) in used {
            sqlx::query(
                "UPDATE admin_key SET last_used_at = $1
                 WHERE id = $2 AND (last_used_at IS NULL OR last_used_at < $1)",
            )
            .bind(at.as_micros())
            .bind(id.as_str())
            .execute(write.connection())
            .await?;
        }
        write.commit().await
    }
}

async fn another_works(
    connection: &mut AnyConnection,
    key: &AdminKey,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let others = sqlx::query(
        "SELECT id FROM admin_key
         WHERE organization_id = $1 AND id <> $2 AND revoked_at IS NULL
           AND (expires_at IS NULL OR expires_at > $3) LIMIT 1",
    )
    .bind(key.organization.as_str())
    .bind(key.id.as_str())
    .bind(now.as_micros());
    Ok(others.fetch_optional(connection).await?.is_some())
}

async fn find(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: &AdminKeyId,
) -> Result<AdminKey, StoreError> {
    sqlx::query("SELECT * FROM admin_key WHERE id = $1 AND organization_id = $2")
        .bind(id.as_str())
        .bind(whole_organization(scope, "admin keys")?)
        .fetch_optional(connection)
        .await?
        .as_ref()
        .map_or_else(|| Err(StoreError::not_found("admin key", id.as_str())), admin_key)
}

fn admin_key(row: &AnyRow) -> Result<AdminKey, StoreError> {
    Ok(AdminKey {
        id: row.text("id")?.into(),
        organization: row.text("organization_id")?.into(),
        name: row.text("name")?,
        redacted: row.text("redacted")?,
        created_at: row.time("created_at")?,
        last_used_at: row.time_or_null("last_used_at")?,
        expires_at: row.time_or_null("expires_at")?,
        revoked_at: row.time_or_null("revoked_at")?,
    })
}
