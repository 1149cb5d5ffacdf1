//! Model aliases that were made by API or shell.

use kernel::catalog::{ModelSpec, Source};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::columns::{Columns, checked_name, to_json};
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
        change.commit().await
    }

    /// Deletes a model alias.
    pub async fn model_delete(&self, name: &str) -> Result<(), StoreError> {
        let mut change = self.change().await?;
        let deleted = sqlx::query("DELETE FROM model WHERE name = $1")
            .bind(name)
            .execute(change.connection())
            .await?;
        if deleted.rows_affected() == 0 {
            return Err(StoreError::not_found("model", name));
        }
        change.commit().await
    }
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
