//! Model aliases that were made by API or shell.

use kernel::catalog::{ModelSpec, Source};
use serde_json::{Value, json};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::columns::{Columns, checked_name, to_json};
use crate::event::Event;
use crate::{Store, StoreError};

impl Store {
    /// All model aliases.
    pub async fn model_list(&self) -> Result<Vec<ModelSpec>, StoreError> {
        list(&mut *self.read().await?).await
    }

    /// Makes a model alias, or replaces the one with this name whole. Its targets may name
    /// providers of the configuration file, so whether they exist is the caller's to check.
    pub async fn model_put(&self, model: &ModelSpec) -> Result<(), StoreError> {
        let name = checked_name("a model's name", &model.name)?;
        if model.targets.is_empty() {
            return Err(StoreError::invalid("a model", "must have at least one target"));
        }
        let now = self.now().as_micros();
        let mut change = self.change().await?;
        let found = find(change.connection(), name).await?;
        sqlx::query(
            "INSERT INTO model (name, targets, fallbacks, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $4)
             ON CONFLICT (name) DO UPDATE SET targets = excluded.targets,
              fallbacks = excluded.fallbacks, updated_at = excluded.updated_at",
        )
        .bind(name)
        .bind(to_json("targets", &model.targets)?)
        .bind(to_json("fallbacks", &model.fallbacks)?)
        .bind(now)
        .execute(change.connection())
        .await?;
        let event = match &found {
            None => event("kijun.model.created", name),
            Some(found) => event("kijun.model.updated", name).before(shown(found)),
        };
        change.commit(event.after(shown(model))).await
    }

    /// Deletes a model alias.
    pub async fn model_delete(&self, name: &str) -> Result<(), StoreError> {
        let mut change = self.change().await?;
        let Some(found) = find(change.connection(), name).await? else {
            return Err(StoreError::not_found("model", name));
        };
        sqlx::query("DELETE FROM model WHERE name = $1")
            .bind(name)
            .execute(change.connection())
            .await?;
        change.commit(event("kijun.model.deleted", name).before(shown(&found))).await
    }
}

/// Something that happened to a model.
fn event(what: &'static str, name: &str) -> Event {
    Event::of_installation(what).on("model", name)
}

/// What the audit log shows of a model.
fn shown(model: &ModelSpec) -> Value {
    json!({"targets": model.targets, "fallbacks": model.fallbacks})
}

async fn find(connection: &mut AnyConnection, name: &str) -> Result<Option<ModelSpec>, StoreError> {
    let row = sqlx::query("SELECT * FROM model WHERE name = $1").bind(name);
    row.fetch_optional(connection).await?.as_ref().map(model).transpose()
}

pub(crate) async fn list(connection: &mut AnyConnection) -> Result<Vec<ModelSpec>, StoreError> {
    let rows = sqlx::query("SELECT * FROM model ORDER BY name").fetch_all(connection).await?;
    rows.iter().map(model).collect()
}

fn model(row: &AnyRow) -> Result<ModelSpec, StoreError> {
    Ok(ModelSpec {
        name: row.text("name")?,
        targets: row.json("targets")?,
        fallbacks: row.json("fallbacks")?,
        source: Source::Database,
    })
}
