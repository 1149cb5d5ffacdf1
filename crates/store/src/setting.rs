//! Small facts about the installation, by name.

use crate::columns::Columns;
use crate::{Store, StoreError};

impl Store {
    /// What was last put under this name.
    pub async fn setting_get(&self, name: &str) -> Result<Option<String>, StoreError> {
        sqlx::query("SELECT value FROM setting WHERE name = $1")
            .bind(name)
            .fetch_optional(&mut *self.read().await?)
            .await?
            .map(|row| row.text("value"))
            .transpose()
    }

    /// Puts a value under a name that has none. Returns whether it did: of several nodes that try at
    /// once, one does.
    pub async fn setting_claim(&self, name: &str, value: &str) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let claimed = sqlx::query(
            "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        )
        .bind(name)
        .bind(value)
        .execute(write.connection())
        .await?;
        write.commit().await?;
        Ok(claimed.rows_affected() == 1)
    }

    /// Puts a value in the place of the one that is known to stand there. Returns whether it still
    /// stood there: of several nodes that try at once, one does it.
    pub async fn setting_swap(&self, name: &str, from: &str, to: &str) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let swapped = sqlx::query("UPDATE setting SET value = $1 WHERE name = $2 AND value = $3")
            .bind(to)
            .bind(name)
            .bind(from)
            .execute(write.connection())
            .await?;
        write.commit().await?;
        Ok(swapped.rows_affected() == 1)
    }

    /// Puts a value under a name. The generation stays: running nodes do not keep settings.
    pub async fn setting_put(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO setting (name, value) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value)
        .execute(write.connection())
        .await?;
        write.commit().await
    }
}
