//! Providers that were made by API or shell, with their credentials sealed.

use std::collections::BTreeMap;

use kernel::catalog::{ModelSpec, ProviderSpec, Source};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::columns::{Columns, checked_name, to_json, unreadable};
use crate::event::Event;
use crate::{Store, StoreError, model};

impl Store {
    /// All providers, with their credentials opened.
    pub async fn provider_list(&self) -> Result<Vec<ProviderSpec>, StoreError> {
        let rows = sqlx::query("SELECT * FROM provider ORDER BY name")
            .fetch_all(&mut *self.read().await?)
            .await?;
        rows.iter().map(|row| self.provider(row)).collect()
    }

    /// Makes a provider, or replaces the one with this name whole, its credential included.
    pub async fn provider_put(&self, provider: &ProviderSpec) -> Result<(), StoreError> {
        let name = checked_name("a provider's name", &provider.name)?;
        let api_key = self.seal_api_key(name, provider.api_key.as_ref())?;
        let headers = match provider.headers.is_empty() {
            true => None,
            false => {
                let json = to_json("headers", &provider.headers)?;
                Some(self.seal("provider", "headers", name, json.as_bytes())?)
            }
        };
        let now = self.now().as_micros();
        let mut change = self.change().await?;
        let found = shown_there(change.connection(), name).await?;
        sqlx::query(
            "INSERT INTO provider
             (name, kind, base_url, api_key, quirks, api_version, headers, timeouts,
              max_concurrent, discover, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
             ON CONFLICT (name) DO UPDATE SET
              kind = excluded.kind, base_url = excluded.base_url, api_key = excluded.api_key,
              quirks = excluded.quirks, api_version = excluded.api_version,
              headers = excluded.headers, timeouts = excluded.timeouts,
              max_concurrent = excluded.max_concurrent, discover = excluded.discover,
              updated_at = excluded.updated_at",
        )
        .bind(name)
        .bind(provider.kind.as_str())
        .bind(provider.base_url.as_deref())
        .bind(api_key)
        .bind(provider.quirks.as_deref())
        .bind(provider.api_version.as_deref())
        .bind(headers)
        .bind(to_json("timeouts", &provider.timeouts)?)
        .bind(provider.max_concurrent.map(i64::from))
        .bind(i64::from(provider.discover))
        .bind(now)
        .execute(change.connection())
        .await?;
        let event = match found {
            None => event("kijun.provider.created", name),
            Some(found) => event("kijun.provider.updated", name).before(found),
        };
        change.commit(event.after(shown(provider))).await
    }

    /// Gives a provider another credential, or none.
    pub async fn provider_update_key(
        &self,
        name: &str,
        api_key: Option<&SecretString>,
    ) -> Result<(), StoreError> {
        let sealed = self.seal_api_key(name, api_key)?;
        let now = self.now().as_micros();
        let mut change = self.change().await?;
        let updated =
            sqlx::query("UPDATE provider SET api_key = $1, updated_at = $2 WHERE name = $3")
                .bind(sealed)
                .bind(now)
                .bind(name)
                .execute(change.connection())
                .await?;
        if updated.rows_affected() == 0 {
            return Err(StoreError::not_found("provider", name));
        }
        let given = json!({"credential": given(api_key.is_some())});
        change.commit(event("kijun.provider.updated", name).after(given)).await
    }

    /// Deletes a provider with its credential.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a model still names it.
    pub async fn provider_delete(&self, name: &str) -> Result<(), StoreError> {
        let mut change = self.change().await?;
        let models = model::list(change.connection()).await?;
        let uses = |model: &&ModelSpec| model.targets.iter().any(|target| target.provider == name);
        if let Some(model) = models.iter().find(uses) {
            let reason = format!("serves model `{}`; change or delete that first", model.name);
            return Err(StoreError::conflict("provider", name, reason));
        }
        let Some(found) = shown_there(change.connection(), name).await? else {
            return Err(StoreError::not_found("provider", name));
        };
        sqlx::query("DELETE FROM provider WHERE name = $1")
            .bind(name)
            .execute(change.connection())
            .await?;
        change.commit(event("kijun.provider.deleted", name).before(found)).await
    }

    fn provider(&self, row: &AnyRow) -> Result<ProviderSpec, StoreError> {
        let name = row.text("name")?;
        let max_concurrent = row.number_or_null("max_concurrent")?;
        Ok(ProviderSpec {
            kind: row.text("kind")?,
            base_url: row.text_or_null("base_url")?,
            api_key: match row.bytes_or_null("api_key")? {
                Some(sealed) => Some(self.open_api_key(&name, &sealed)?),
                None => None,
            },
            quirks: row.text_or_null("quirks")?,
            api_version: row.text_or_null("api_version")?,
            headers: match row.bytes_or_null("headers")? {
                Some(sealed) => self.open_headers(&name, &sealed)?,
                None => BTreeMap::new(),
            },
            timeouts: row.json("timeouts")?,
            max_concurrent: max_concurrent
                .map(u32::try_from)
                .transpose()
                .map_err(|_| unreadable("max_concurrent", "it is out of range"))?,
            discover: row.truth("discover")?,
            source: Source::Database,
            name,
        })
    }

    fn seal_api_key(
        &self,
        name: &str,
        api_key: Option<&SecretString>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        api_key
            .map(|key| self.seal("provider", "api_key", name, key.expose_secret().as_bytes()))
            .transpose()
    }

    fn open_api_key(&self, name: &str, sealed: &[u8]) -> Result<SecretString, StoreError> {
        let opened = self.unseal("provider", "api_key", name, sealed)?;
        let text = std::str::from_utf8(&opened).map_err(|_| unreadable("api_key", "not UTF-8"))?;
        Ok(SecretString::from(text))
    }

    fn open_headers(
        &self,
        name: &str,
        sealed: &[u8],
    ) -> Result<BTreeMap<String, String>, StoreError> {
        let opened = self.unseal("provider", "headers", name, sealed)?;
        // The parser's message could quote a header's value.
        serde_json::from_slice(&opened).map_err(|_| unreadable("headers", "not JSON"))
    }
}

/// Something that happened to a provider.
fn event(what: &'static str, name: &str) -> Event {
    Event::of_installation(what).on("provider", name)
}

/// What the audit log shows of a provider that is written down. Every write gives the credential
/// anew, so the log says so every time; headers carry credentials, too.
fn shown(provider: &ProviderSpec) -> Value {
    json!({
        "kind": provider.kind, "base_url": provider.base_url, "quirks": provider.quirks,
        "api_version": provider.api_version, "timeouts": provider.timeouts,
        "max_concurrent": provider.max_concurrent, "discover": provider.discover,
        "credential": given(provider.api_key.is_some()),
        "headers": given(!provider.headers.is_empty()),
    })
}

const fn given(is: bool) -> &'static str {
    if is { "given" } else { "none" }
}

/// What the audit log shows of the provider that is there, with nothing opened.
async fn shown_there(
    connection: &mut AnyConnection,
    name: &str,
) -> Result<Option<Value>, StoreError> {
    let row = sqlx::query("SELECT * FROM provider WHERE name = $1").bind(name);
    let Some(row) = row.fetch_optional(connection).await? else { return Ok(None) };
    let sealed = |column| Ok::<_, StoreError>(row.bytes_or_null(column)?.map(|_| "set"));
    Ok(Some(json!({
        "kind": row.text("kind")?, "base_url": row.text_or_null("base_url")?,
        "quirks": row.text_or_null("quirks")?, "api_version": row.text_or_null("api_version")?,
        "timeouts": row.json::<Value>("timeouts")?,
        "max_concurrent": row.number_or_null("max_concurrent")?,
        "discover": row.truth("discover")?,
        "credential": sealed("api_key")?.unwrap_or("none"),
        "headers": sealed("headers")?.unwrap_or("none"),
    })))
}
