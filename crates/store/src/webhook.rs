//! Addresses that events are posted to.

use std::fmt;

use kernel::{OrganizationId, Scope, Timestamp, WebhookId};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::columns::{Columns, checked_name, to_json, to_micros, unreadable};
use crate::event::Event;
use crate::scope::whole_organization;
use crate::{Store, StoreError, notice, organization};

/// An address that events are posted to.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// The organisation.
    pub organization: OrganizationId,
    /// What people call it.
    pub name: String,
    /// The address; it may carry a token.
    pub url: String,
    /// Which types of events are posted there; empty: all.
    pub events: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when nothing is posted there.
    pub disabled_at: Option<Timestamp>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("events", &self.events)
            .field("disabled_at", &self.disabled_at)
            .finish_non_exhaustive()
    }
}

/// A webhook to be made, or what one is changed to.
#[derive(Clone)]
pub struct NewWebhook {
    /// What people call it.
    pub name: String,
    /// The address.
    pub url: String,
    /// Which types of events are posted there; empty: all.
    pub events: Vec<String>,
    /// Whether nothing is posted there for now.
    pub disabled: bool,
}

impl fmt::Debug for NewWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewWebhook").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Store {
    /// Makes a webhook in the scope's organisation, whose posts are signed with this secret.
    pub async fn webhook_create(
        &self,
        scope: &Scope,
        new: &NewWebhook,
        secret: &SecretString,
    ) -> Result<Webhook, StoreError> {
        let organization = whole_organization(scope, "webhooks")?;
        let created_at = self.now();
        let webhook = Webhook {
            id: WebhookId::new(created_at, self.rng()),
            organization: scope.organization.clone(),
            name: checked_name("a webhook's name", &new.name)?.into(),
            url: new.url.clone(),
            events: new.events.clone(),
            created_at,
            disabled_at: new.disabled.then_some(created_at),
        };
        let id = webhook.id.as_str();
        let url = self.seal("webhook", "url", id, webhook.url.as_bytes())?;
        let secret = self.seal("webhook", "secret", id, secret.expose_secret().as_bytes())?;
        let mut change = self.change().await?;
        organization::find(change.connection(), &scope.organization).await?;
        sqlx::query(
            "INSERT INTO webhook
             (id, organization_id, name, url, secret, events, created_at, disabled_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(id)
        .bind(organization)
        .bind(webhook.name.as_str())
        .bind(url)
        .bind(secret)
        .bind(to_json("events", &webhook.events)?)
        .bind(created_at.as_micros())
        .bind(to_micros(webhook.disabled_at))
        .execute(change.connection())
        .await?;
        let created = event(scope, "kijun.webhook.created", &webhook.id);
        change.commit(created.after(shown(&webhook))).await?;
        Ok(webhook)
    }

    /// One webhook of the scope's organisation.
    pub async fn webhook_get(&self, scope: &Scope, id: &WebhookId) -> Result<Webhook, StoreError> {
        let organization = whole_organization(scope, "webhooks")?;
        self.webhook_there(&mut *self.read().await?, organization, id).await
    }

    async fn webhook_there(
        &self,
        connection: &mut AnyConnection,
        organization: &str,
        id: &WebhookId,
    ) -> Result<Webhook, StoreError> {
        let row = sqlx::query("SELECT * FROM webhook WHERE id = $1 AND organization_id = $2")
            .bind(id.as_str())
            .bind(organization)
            .fetch_optional(connection)
            .await?
            .ok_or_else(|| StoreError::not_found("webhook", id.as_str()))?;
        self.webhook(&row)
    }

    /// The webhooks of the scope's organisation, the oldest first.
    pub async fn webhook_list(&self, scope: &Scope) -> Result<Vec<Webhook>, StoreError> {
        let rows = sqlx::query("SELECT * FROM webhook WHERE organization_id = $1 ORDER BY id")
            .bind(whole_organization(scope, "webhooks")?)
            .fetch_all(&mut *self.read().await?)
            .await?;
        rows.iter().map(|row| self.webhook(row)).collect()
    }

    /// Changes all of a webhook but its secret.
    pub async fn webhook_update(
        &self,
        scope: &Scope,
        id: &WebhookId,
        new: &NewWebhook,
    ) -> Result<Webhook, StoreError> {
        let organization = whole_organization(scope, "webhooks")?;
        let name = checked_name("a webhook's name", &new.name)?;
        let url = self.seal("webhook", "url", id.as_str(), new.url.as_bytes())?;
        let now = self.now();
        let mut change = self.change().await?;
        let found = self.webhook_there(change.connection(), organization, id).await?;
        // A webhook that was disabled before stays disabled since then.
        let row = sqlx::query(
            "UPDATE webhook SET name = $1, url = $2, events = $3,
              disabled_at = CASE WHEN $4 = 0 THEN NULL ELSE COALESCE(disabled_at, $5) END
             WHERE id = $6 AND organization_id = $7 RETURNING *",
        )
        .bind(name)
        .bind(url)
        .bind(to_json("events", &new.events)?)
        .bind(i64::from(new.disabled))
        .bind(now.as_micros())
        .bind(id.as_str())
        .bind(organization)
        .fetch_one(change.connection())
        .await?;
        let webhook = self.webhook(&row)?;
        // That it leads elsewhere is told, but not where: the address may carry a token.
        let moved = found.url != webhook.url;
        let told = |webhook: &Webhook, place: &str| {
            let mut told = shown(webhook);
            if let Some(fields) = told.as_object_mut().filter(|_| moved) {
                fields.insert("url".to_owned(), place.into());
            }
            told
        };
        let updated = event(scope, "kijun.webhook.updated", id).before(told(&found, "old"));
        change.commit(updated.after(told(&webhook, "new"))).await?;
        Ok(webhook)
    }

    /// Signs a webhook's posts with another secret from now on.
    pub async fn webhook_update_secret(
        &self,
        scope: &Scope,
        id: &WebhookId,
        secret: &SecretString,
    ) -> Result<Webhook, StoreError> {
        let organization = whole_organization(scope, "webhooks")?;
        let secret = secret.expose_secret().as_bytes();
        let secret = self.seal("webhook", "secret", id.as_str(), secret)?;
        let mut change = self.change().await?;
        let row = sqlx::query(
            "UPDATE webhook SET secret = $1 WHERE id = $2 AND organization_id = $3 RETURNING *",
        )
        .bind(secret)
        .bind(id.as_str())
        .bind(organization)
        .fetch_optional(change.connection())
        .await?
        .ok_or_else(|| StoreError::not_found("webhook", id.as_str()))?;
        let updated = event(scope, "kijun.webhook.updated", id);
        change.commit(updated.after(json!({"secret": "new"}))).await?;
        self.webhook(&row)
    }

    /// Deletes a webhook, with all that was still to be posted there.
    pub async fn webhook_delete(&self, scope: &Scope, id: &WebhookId) -> Result<(), StoreError> {
        let organization = whole_organization(scope, "webhooks")?;
        let mut change = self.change().await?;
        let found = self.webhook_there(change.connection(), organization, id).await?;
        sqlx::query("DELETE FROM webhook WHERE id = $1")
            .bind(id.as_str())
            .execute(change.connection())
            .await?;
        notice::forget_waiting(change.connection(), id).await?;
        change.commit(event(scope, "kijun.webhook.deleted", id).before(shown(&found))).await
    }

    /// A webhook with the secret that its posts are signed with, for the node that posts. Nobody is
    /// asked whose it is: the notices in the outbox say so.
    pub async fn webhook_open(
        &self,
        id: &WebhookId,
    ) -> Result<Option<(Webhook, SecretString)>, StoreError> {
        let row = sqlx::query("SELECT * FROM webhook WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let secret = self.unseal("webhook", "secret", id.as_str(), &row.bytes("secret")?)?;
        let secret = std::str::from_utf8(&secret).map_err(|_| unreadable("secret", "not UTF-8"))?;
        Ok(Some((self.webhook(&row)?, SecretString::from(secret))))
    }

    fn webhook(&self, row: &AnyRow) -> Result<Webhook, StoreError> {
        let id = row.text("id")?;
        let url = self.unseal("webhook", "url", &id, &row.bytes("url")?)?;
        let url = std::str::from_utf8(&url).map_err(|_| unreadable("url", "not UTF-8"))?;
        Ok(Webhook {
            organization: row.text("organization_id")?.into(),
            name: row.text("name")?,
            url: url.into(),
            events: row.json("events")?,
            created_at: row.time("created_at")?,
            disabled_at: row.time_or_null("disabled_at")?,
            id: id.into(),
        })
    }
}

/// Something that happened to a webhook.
fn event(scope: &Scope, name: &'static str, id: &WebhookId) -> Event {
    Event::of(scope, name).on("webhook", id)
}

/// What the audit log shows of a webhook; its address may carry a token.
fn shown(webhook: &Webhook) -> Value {
    json!({
        "name": webhook.name, "events": webhook.events,
        "disabled_at": to_micros(webhook.disabled_at),
    })
}
