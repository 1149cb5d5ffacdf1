//! API keys of projects. Only the hash of a key's secret is stored. A key keeps its id while its
//! secrets rotate, and for a while two of them may work.

use kernel::{ApiKeyId, OrganizationId, ProjectId, Scope, ServiceAccountId, Timestamp};
use serde_json::{Value, json};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::columns::{Columns, checked_name, to_micros};
use crate::event::Event;
use crate::scope::project_of;
use crate::{Page, Paged, Store, StoreError, project, service_account};

/// An API key, as it may be shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// The organisation of its project.
    pub organization: OrganizationId,
    /// The project that it calls for.
    pub project: ProjectId,
    /// What people call it.
    pub name: String,
    /// What may be shown of the current secret.
    pub redacted: String,
    /// The service account that it belongs to, if it does.
    pub service_account: Option<ServiceAccountId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to within the interval at which nodes report it.
    pub last_used_at: Option<Timestamp>,
    /// When the current secret stops working; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// An API key to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewApiKey {
    /// The project that it calls for.
    pub project: ProjectId,
    /// What people call it.
    pub name: String,
    /// The service account that it belongs to, if it does; one of the same project.
    pub service_account: Option<ServiceAccountId>,
    /// Its first secret.
    pub secret: NewSecret,
}

/// What is stored of a key's secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewSecret {
    /// The SHA-256 of the secret.
    pub hash: [u8; 32],
    /// What may be shown of it.
    pub redacted: String,
    /// When it stops working; `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// A key beside its current secret.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT k.*, s.redacted, s.expires_at FROM api_key k
             JOIN api_key_secret s ON s.key_id = k.id AND s.replaced_at IS NULL ",
            $rest
        )
    };
}

impl Store {
    /// Makes an API key.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the project is archived or the secret is already in use.
    pub async fn api_key_create(
        &self,
        scope: &Scope,
        new: NewApiKey,
    ) -> Result<ApiKey, StoreError> {
        let created_at = self.now();
        let id = ApiKeyId::new(created_at, self.rng());
        let name = checked_name("an API key's name", &new.name)?;
        let mut change = self.change().await?;
        project::find_active(change.connection(), scope, &new.project).await?;
        if let Some(account) = &new.service_account {
            let found = service_account::find(change.connection(), scope, account).await?;
            if found.project != new.project {
                return Err(StoreError::not_found("service account", account.as_str()));
            }
        }
        sqlx::query(
            "INSERT INTO api_key
             (id, organization_id, project_id, service_account_id, name, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id.as_str())
        .bind(scope.organization.as_str())
        .bind(new.project.as_str())
        .bind(new.service_account.as_ref().map(ServiceAccountId::as_str))
        .bind(name)
        .bind(created_at.as_micros())
        .execute(change.connection())
        .await?;
        insert_secret(change.connection(), &id, &new.secret, created_at).await?;
        let key = find(change.connection(), scope, &id).await?;
        change.commit(event(&key, "api_key.created").after(shown(&key))).await?;
        Ok(key)
    }

    /// The API keys of a project.
    pub async fn api_key_list(
        &self,
        scope: &Scope,
        project: &ProjectId,
        page: &Page,
    ) -> Result<Paged<ApiKey>, StoreError> {
        let mut connection = self.read().await?;
        project::find(&mut connection, scope, project).await?;
        let rows = sqlx::query(select!(
            "WHERE k.project_id = $1 AND ($2 IS NULL OR k.id > $2)
               AND ($3 = 1 OR k.revoked_at IS NULL)
             ORDER BY k.id LIMIT $4"
        ))
        .bind(project.as_str())
        .bind(page.after.as_deref())
        .bind(i64::from(page.include_archived))
        .bind(page.fetch())
        .fetch_all(&mut *connection)
        .await?;
        Ok(Paged::cut(rows.iter().map(api_key).collect::<Result<_, _>>()?, page))
    }

    /// One API key in the scope, revoked or not.
    pub async fn api_key_get(&self, scope: &Scope, id: &ApiKeyId) -> Result<ApiKey, StoreError> {
        find(&mut *self.read().await?, scope, id).await
    }

    /// The API key that a secret belongs to or once belonged to. It is for the first keys of an
    /// installation, which are given from outside and must be made only once.
    pub async fn api_key_find(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>, StoreError> {
        let query = sqlx::query(select!(
            "WHERE k.id = (SELECT key_id FROM api_key_secret WHERE hash = $1)"
        ));
        let row = query.bind(hash.as_slice()).fetch_optional(&mut *self.read().await?).await?;
        row.as_ref().map(api_key).transpose()
    }

    /// Gives a key a new secret. The old ones work until `old_expires_at`, or until they would have
    /// expired anyway.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the key is revoked or the secret is already in use.
    pub async fn api_key_rotate(
        &self,
        scope: &Scope,
        id: &ApiKeyId,
        secret: &NewSecret,
        old_expires_at: Timestamp,
    ) -> Result<ApiKey, StoreError> {
        let now = self.now();
        let mut change = self.change().await?;
        let key = find(change.connection(), scope, id).await?;
        if key.revoked_at.is_some() {
            return Err(StoreError::conflict(
                "API key",
                id.as_str(),
                "is revoked; make another key",
            ));
        }
        sqlx::query(
            "UPDATE api_key_secret
             SET replaced_at = COALESCE(replaced_at, $1),
                 expires_at = CASE WHEN expires_at < $2 THEN expires_at ELSE $2 END
             WHERE key_id = $3",
        )
        .bind(now.as_micros())
        .bind(old_expires_at.as_micros())
        .bind(id.as_str())
        .execute(change.connection())
        .await?;
        insert_secret(change.connection(), id, secret, now).await?;
        let rotated = find(change.connection(), scope, id).await?;
        let before = json!({
            "redacted": key.redacted, "expires_at": to_micros(key.expires_at),
            "works_until": old_expires_at.as_micros(),
        });
        let after = json!({
            "redacted": rotated.redacted, "expires_at": to_micros(rotated.expires_at),
        });
        change.commit(event(&key, "api_key.updated").before(before).after(after)).await?;
        Ok(rotated)
    }

    /// Revokes a key with all its secrets, for good. Revoking it again changes nothing.
    pub async fn api_key_revoke(&self, scope: &Scope, id: &ApiKeyId) -> Result<ApiKey, StoreError> {
        let now = self.now();
        let mut change = self.change().await?;
        let found = find(change.connection(), scope, id).await?;
        if found.revoked_at.is_some() {
            return Ok(found);
        }
        sqlx::query("UPDATE api_key SET revoked_at = $1 WHERE id = $2")
            .bind(now.as_micros())
            .bind(id.as_str())
            .execute(change.connection())
            .await?;
        let key = find(change.connection(), scope, id).await?;
        change.commit(event(&key, "api_key.deleted").before(shown(&found))).await?;
        Ok(key)
    }

    /// Writes down when keys were last used. Nodes call it now and then with what they have seen;
    /// an older time never replaces a newer one.
    pub async fn api_key_touch(&self, used: &[(ApiKeyId, Timestamp)]) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        for (id, at) in used {
            sqlx::query(
                "UPDATE api_key SET last_used_at = $1
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

/// Something that happened to a key.
fn event(key: &ApiKey, name: &'static str) -> Event {
    let scope = Scope::organization(key.organization.clone());
    let event = Event::of(&scope, name).within(&key.project).on("api_key", &key.id);
    match &key.service_account {
        Some(account) => event.on("service_account", account),
        None => event,
    }
}

/// What the audit log shows of a key.
fn shown(key: &ApiKey) -> Value {
    json!({
        "name": key.name, "redacted": key.redacted, "expires_at": to_micros(key.expires_at),
    })
}

async fn find(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: &ApiKeyId,
) -> Result<ApiKey, StoreError> {
    sqlx::query(select!(
        "WHERE k.id = $1 AND k.organization_id = $2 AND ($3 IS NULL OR k.project_id = $3)"
    ))
    .bind(id.as_str())
    .bind(scope.organization.as_str())
    .bind(project_of(scope))
    .fetch_optional(connection)
    .await?
    .as_ref()
    .map_or_else(|| Err(StoreError::not_found("API key", id.as_str())), api_key)
}

async fn insert_secret(
    connection: &mut AnyConnection,
    id: &ApiKeyId,
    secret: &NewSecret,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO api_key_secret (hash, key_id, redacted, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(secret.hash.as_slice())
    .bind(id.as_str())
    .bind(secret.redacted.as_str())
    .bind(now.as_micros())
    .bind(to_micros(secret.expires_at))
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(|error| {
        StoreError::unless_duplicate(error, || {
            StoreError::conflict("API key", &secret.redacted, "is already in use; make another")
        })
    })
}

fn api_key(row: &AnyRow) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        id: row.text("id")?.into(),
        organization: row.text("organization_id")?.into(),
        project: row.text("project_id")?.into(),
        name: row.text("name")?,
        redacted: row.text("redacted")?,
        service_account: row.text_or_null("service_account_id")?.map(Into::into),
        created_at: row.time("created_at")?,
        last_used_at: row.time_or_null("last_used_at")?,
        expires_at: row.time_or_null("expires_at")?,
        revoked_at: row.time_or_null("revoked_at")?,
    })
}
