//! A new master key in the place of the old one, while nodes run.
//!
//! The database says which key seals: the one that the canary is sealed with. A key that is added to
//! a node's keys opens, and seals nothing yet. Nodes tell which keys they have; once all can open
//! with the newest, the canary is sealed with it, and every node follows. Then what is sealed with
//! older keys is wrapped anew, a few rows at a time. A crash at any point leaves every value under a
//! key that all nodes have.

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::Timestamp;
use serde_json::json;
use sqlx::AssertSqlSafe;
use vault::{Aad, KeyId, MasterKeys, Vault, VaultError};

use crate::columns::{Columns, to_json};
use crate::event::Event;
use crate::migrate::canary_place;
use crate::store::sealed_error;
use crate::{Store, StoreError};

/// A column whose values the vault seals, for the row that the key column names.
pub(crate) struct Sealed {
    pub(crate) table: &'static str,
    pub(crate) key: &'static str,
    pub(crate) column: &'static str,
    /// Whether the key is a number.
    numbered: bool,
}

const fn sealed(table: &'static str, key: &'static str, column: &'static str) -> Sealed {
    Sealed { table, key, column, numbered: false }
}

const fn single(table: &'static str) -> Sealed {
    Sealed { table, key: "id", column: "sealed", numbered: true }
}

/// Every column that is sealed under the master key. Content is not among them: it is sealed under
/// its project's key, which is.
pub(crate) const SEALED: &[Sealed] = &[
    single("audit_key"),
    single("vault_canary"),
    sealed("budget", "id", "alerts"),
    sealed("notice", "id", "recipient"),
    sealed("project_key", "project_id", "wrapped"),
    sealed("provider", "name", "api_key"),
    sealed("provider", "name", "headers"),
    sealed("spend_alert", "id", "channel"),
    sealed("webhook", "id", "secret"),
    sealed("webhook", "id", "url"),
];

/// How long a node counts as running that is not heard of.
const LIVE: Duration = Duration::from_secs(30);
/// How long a row is kept of one that is gone.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// A running node, and its master keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeKeys {
    /// The node's name.
    pub node: String,
    /// The keys that it opens with, by their ids.
    pub has: Vec<String>,
    /// The one that it seals with.
    pub sealing: String,
    /// When it said so.
    pub seen_at: Timestamp,
}

/// How far a rotation is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MasterKeyStatus {
    /// The newest key that is here.
    pub newest: KeyId,
    /// The key that all seal with.
    pub sealing: KeyId,
    /// How many values are sealed with which key.
    pub values: BTreeMap<KeyId, u64>,
    /// The nodes that run.
    pub nodes: Vec<NodeKeys>,
}

impl Store {
    /// Takes these master keys in place of those that are here.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when the one that seals is not among them: then all stay.
    pub fn master_keys_replace(&self, keys: &MasterKeys) -> Result<(), StoreError> {
        self.vault().replace_keys(keys).map_err(in_use)
    }

    /// Seals with the key that the database says, and tells the other nodes which keys this one has.
    /// Returns the key that it seals with now.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when that key is not here. What is sealed from then on is sealed with
    /// the key before it, which the others have too.
    pub async fn master_key_follow(&self, node: &str) -> Result<KeyId, StoreError> {
        let followed = self.follow().await;
        let vault = self.vault();
        let has: Vec<_> = vault.key_ids().iter().map(KeyId::to_string).collect();
        let now = self.now();
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO node_key (node, has, sealing, seen_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (node) DO UPDATE SET has = excluded.has, sealing = excluded.sealing,
             seen_at = excluded.seen_at",
        )
        .bind(node)
        .bind(to_json("has", &has)?)
        .bind(vault.key_id().to_string())
        .bind(now.as_micros())
        .execute(write.connection())
        .await?;
        sqlx::query("DELETE FROM node_key WHERE seen_at < $1")
            .bind(before(now, REMEMBERED))
            .execute(write.connection())
            .await?;
        write.commit().await?;
        followed.map(|()| vault.key_id())
    }

    /// Which keys are in use, and by whom.
    pub async fn master_key_status(&self) -> Result<MasterKeyStatus, StoreError> {
        let sealing = self.canary_key().await?;
        let mut values = BTreeMap::new();
        for sealed in SEALED {
            let mut after = String::new();
            loop {
                let rows = self.sealed_values(sealed, &after).await?;
                let Some((last, _)) = rows.last() else { break };
                after.clone_from(last);
                for (row, value) in &rows {
                    let id = Vault::sealed_with(value).map_err(|e| sealed.error(row, e))?;
                    *values.entry(id).or_default() += 1;
                }
            }
        }
        let newest = self.vault().key_ids().first().copied().unwrap_or(sealing);
        Ok(MasterKeyStatus { newest, sealing, values, nodes: self.live_nodes().await? })
    }

    /// Seals with the newest key from now on, as do all nodes once they have looked. Returns whether
    /// it was another one before.
    pub async fn master_key_switch(&self) -> Result<bool, StoreError> {
        let vault = self.vault();
        let was = vault.key_id();
        let switched = self.switch().await;
        if switched.is_err() {
            vault.seal_with(was).map_err(in_use)?;
        }
        switched
    }

    async fn switch(&self) -> Result<bool, StoreError> {
        let vault = self.vault();
        let newest = vault.key_ids().first().copied().unwrap_or_else(|| vault.key_id());
        let mut change = self.change().await?;
        let row = sqlx::query("SELECT sealed FROM vault_canary WHERE id = 1")
            .fetch_one(change.connection())
            .await?;
        let canary = row.bytes("sealed")?;
        let word = vault.open(&canary_place(), &canary).map_err(in_use)?;
        let before = Vault::sealed_with(&canary).map_err(in_use)?;
        vault.seal_with(newest).map_err(in_use)?;
        if before == newest {
            return Ok(false);
        }
        sqlx::query("UPDATE vault_canary SET sealed = $1 WHERE id = 1")
            .bind(vault.seal(&canary_place(), &word).map_err(in_use)?)
            .execute(change.connection())
            .await?;
        let event = Event::of_installation("kijun.master_key.rotated")
            .on("master_key", newest.to_string())
            .before(json!({"key": before.to_string()}))
            .after(json!({"key": newest.to_string()}));
        change.commit(event).await?;
        Ok(true)
    }

    /// Wraps what is sealed with older keys anew, a few rows at a time, and says after each how many
    /// values it was. Whoever stops in between goes on by beginning again.
    pub async fn master_key_rewrap(&self, mut done: impl FnMut(u64)) -> Result<(), StoreError> {
        self.follow().await?;
        for sealed in SEALED {
            let mut after = String::new();
            loop {
                let rows = self.sealed_values(sealed, &after).await?;
                let Some((last, _)) = rows.last() else { break };
                after.clone_from(last);
                done(self.rewrap_rows(sealed, rows).await?);
            }
        }
        Ok(())
    }

    async fn rewrap_rows(
        &self,
        sealed: &Sealed,
        rows: Vec<(String, Vec<u8>)>,
    ) -> Result<u64, StoreError> {
        let Sealed { table, column, .. } = sealed;
        let key = sealed.row();
        let sql = format!("UPDATE {table} SET {column} = $1 WHERE {key} = $2 AND {column} = $3");
        let mut anew = Vec::new();
        for (row, before) in rows {
            let place = Aad::new(table, column, &row);
            let after = self.vault().rewrap(&place, &before).map_err(|e| sealed.error(&row, e))?;
            anew.extend(after.map(|after| (row, before, after)));
        }
        if anew.is_empty() {
            return Ok(0);
        }
        let mut count = 0;
        let mut write = self.write().await?;
        for (row, before, after) in anew {
            // What somebody set meanwhile is sealed with the new key already.
            let query = sqlx::query(AssertSqlSafe(sql.as_str())).bind(after).bind(row).bind(before);
            count += query.execute(write.connection()).await?.rows_affected();
        }
        write.commit().await?;
        Ok(count)
    }

    /// The next rows behind this one with a value in the column.
    async fn sealed_values(
        &self,
        sealed: &Sealed,
        after: &str,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        /// Few, so that no transaction is long.
        const ROWS: i64 = 100;
        let Sealed { table, column, .. } = sealed;
        let key = sealed.row();
        let sql = format!(
            "SELECT {key} AS row_id, {column} FROM {table}
             WHERE {key} > $1 AND {column} IS NOT NULL ORDER BY {key} LIMIT $2"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(after).bind(ROWS);
        let rows = query.fetch_all(&mut *self.read().await?).await?;
        rows.iter().map(|row| Ok((row.text("row_id")?, row.bytes(column)?))).collect()
    }

    async fn live_nodes(&self) -> Result<Vec<NodeKeys>, StoreError> {
        let nodes = sqlx::query(
            "SELECT node, has, sealing, seen_at FROM node_key WHERE seen_at >= $1 ORDER BY node",
        )
        .bind(before(self.now(), LIVE))
        .fetch_all(&mut *self.read().await?)
        .await?;
        let node = |row| {
            let row: &sqlx::any::AnyRow = row;
            Ok(NodeKeys {
                node: row.text("node")?,
                has: row.json("has")?,
                sealing: row.text("sealing")?,
                seen_at: row.time("seen_at")?,
            })
        };
        nodes.iter().map(node).collect()
    }

    /// The key that the canary is sealed with.
    async fn canary_key(&self) -> Result<KeyId, StoreError> {
        let row = sqlx::query("SELECT sealed FROM vault_canary WHERE id = 1")
            .fetch_one(&mut *self.read().await?)
            .await?;
        Vault::sealed_with(&row.bytes("sealed")?).map_err(in_use)
    }

    /// Seals with the key that the database says.
    async fn follow(&self) -> Result<(), StoreError> {
        let key = self.canary_key().await?;
        self.vault().seal_with(key).map_err(in_use)
    }
}

impl Sealed {
    /// The row as its values are sealed for it, in SQL.
    fn row(&self) -> String {
        if self.numbered { format!("CAST({} AS TEXT)", self.key) } else { self.key.to_owned() }
    }

    fn error(&self, row: &str, source: VaultError) -> StoreError {
        sealed_error(self.table, self.column, row, source)
    }
}

/// The moment so long before `now`, in microseconds.
fn before(now: Timestamp, by: Duration) -> i64 {
    now.as_micros().saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX))
}

fn in_use(source: VaultError) -> StoreError {
    StoreError::Sealed { what: "the master key that is in use".into(), source }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use kernel::{SystemClock, SystemRng};

    use super::*;

    /// Content, sealed under its project's key.
    const UNDER_A_PROJECTS_KEY: &[&str] = &[
        "batch.errors",
        "batch.metadata",
        "batch_result.body",
        "chat_completion.body",
        "chat_completion.messages",
        "chat_completion.metadata",
        "conversation.metadata",
        "conversation_item.body",
        "file.filename",
        "response.body",
        "response.input",
        "response.request",
        "response_event.events",
        "trace.body",
        "trace.group_name",
        "trace.metadata",
        "trace.workflow",
        "trace_span.body",
        "upload.filename",
    ];
    /// Hashes and signatures.
    const NOT_SEALED: &[&str] = &[
        "admin_key.hash",
        "api_key_secret.hash",
        "audit_event.hash",
        "audit_event.previous",
        "audit_event.seal",
        "audit_head.hash",
    ];

    /// A column that a rotation does not know would be lost when the old key goes.
    #[tokio::test]
    async fn of_every_column_of_bytes_it_is_known_who_seals_it() {
        let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
        let store = Store::in_memory(clock, rng).await.unwrap();
        let columns = sqlx::query(
            "SELECT t.name || '.' || c.name AS place
             FROM sqlite_master t, pragma_table_info(t.name) c
             WHERE t.type = 'table' AND c.type = 'BLOB'",
        );
        let columns = columns.fetch_all(&mut *store.read().await.unwrap()).await.unwrap();
        let found: BTreeSet<_> = columns.iter().map(|row| row.text("place").unwrap()).collect();
        let by_the_master_key =
            SEALED.iter().map(|sealed| format!("{}.{}", sealed.table, sealed.column));
        let others = UNDER_A_PROJECTS_KEY.iter().chain(NOT_SEALED).map(|place| (*place).to_owned());
        assert_eq!(found, by_the_master_key.chain(others).collect());
    }
}
