//! `[counters]`: where nodes count together, and how.

use std::sync::Arc;
use std::time::Duration;

use admission::shared::Shared;
use admission::{SharedSecret, Sharing, SharingConfig};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use store::Store;

use crate::CountersError;
use crate::database::Database;
use crate::valkey::Valkey;

/// After how many heartbeats that did not come a node is thought dead.
const MISSED: u32 = 3;

/// Where nodes count together, and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CountersConfig {
    /// Empty: the database where it is PostgreSQL, else every node alone. Otherwise `none`,
    /// `database`, or the URL of a Valkey or Redis, which may hold a password.
    pub place: SecretString,
    /// Milliseconds that a call waits for the place at most.
    pub patience_ms: u64,
    /// Percent of its part of a limit, the limit divided by the nodes, that a node uses while the
    /// place does not answer.
    pub share_when_lost_percent: u64,
    /// Seconds between two signs of life of a node.
    pub heartbeat_secs: u64,
    /// How many nodes there are at least.
    pub expected_nodes: u64,
}

impl Default for CountersConfig {
    fn default() -> Self {
        Self {
            place: SecretString::default(),
            patience_ms: 50,
            share_when_lost_percent: 100,
            heartbeat_secs: 2,
            expected_nodes: 1,
        }
    }
}

/// What limits are counted with on this node, which no other node has the `name` of; `None`: it
/// counts alone. Nothing is sent yet: a node starts although its counters are away. The `secret` is
/// the same on all nodes.
///
/// # Errors
/// When the configuration names no place there can be.
pub fn open(
    config: &CountersConfig,
    store: &Store,
    name: &str,
    secret: &[u8; 32],
) -> Result<Option<Sharing>, CountersError> {
    for (key, number, most) in [
        ("counters.patience_ms", config.patience_ms, 60_000),
        ("counters.share_when_lost_percent", config.share_when_lost_percent, 100),
        ("counters.heartbeat_secs", config.heartbeat_secs, 3_600),
        ("counters.expected_nodes", config.expected_nodes, 1_000_000),
    ] {
        if number == 0 || number > most {
            return Err(CountersError::OutOfRange { key, most });
        }
    }
    let heartbeat = Duration::from_secs(config.heartbeat_secs);
    let lives = heartbeat * MISSED;
    let place: Arc<dyn Shared> = match config.place.expose_secret() {
        "none" => return Ok(None),
        "" if !store.shares_counters() => return Ok(None),
        "database" if !store.shares_counters() => return Err(CountersError::NotShared),
        "" | "database" => Arc::new(Database::new(store.clone(), name, lives)),
        _ => Arc::new(Valkey::new(&config.place, name, lives)?),
    };
    Ok(Some(Sharing {
        place,
        secret: SharedSecret::new(secret),
        config: SharingConfig {
            patience: Duration::from_millis(config.patience_ms),
            heartbeat,
            share_when_lost_percent: config.share_when_lost_percent,
            expected_nodes: config.expected_nodes,
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{SystemClock, SystemRng};

    async fn opened(place: &str) -> Result<Option<Sharing>, CountersError> {
        let store = Store::in_memory(Arc::new(SystemClock), Arc::new(SystemRng)).await.unwrap();
        let config = CountersConfig { place: place.to_owned().into(), ..CountersConfig::default() };
        open(&config, &store, "a", &[0; 32])
    }

    #[tokio::test]
    async fn a_node_on_sqlite_counts_alone_unless_there_is_a_valkey() {
        assert!(opened("").await.unwrap().is_none());
        assert!(opened("none").await.unwrap().is_none());
        assert!(matches!(opened("database").await, Err(CountersError::NotShared)));
        let sharing = opened("redis://127.0.0.1:6379").await.unwrap().unwrap();
        assert_eq!(sharing.config.patience, Duration::from_millis(50));
        assert!(matches!(opened("valkey.local").await, Err(CountersError::InvalidUrl)));
    }

    #[tokio::test]
    async fn numbers_that_make_no_sense_are_refused() {
        let store = Store::in_memory(Arc::new(SystemClock), Arc::new(SystemRng)).await.unwrap();
        for (key, config) in [
            ("patience_ms", CountersConfig { patience_ms: 0, ..CountersConfig::default() }),
            (
                "share_when_lost_percent",
                CountersConfig { share_when_lost_percent: 101, ..CountersConfig::default() },
            ),
            ("heartbeat_secs", CountersConfig { heartbeat_secs: 0, ..CountersConfig::default() }),
            ("expected_nodes", CountersConfig { expected_nodes: 0, ..CountersConfig::default() }),
        ] {
            let error = open(&config, &store, "a", &[0; 32]).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
