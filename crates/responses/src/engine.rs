//! The engine: what every verb of the Responses API is a method of.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use files::Files;
use gateway::Gateway;
use kernel::{ResponseId, SharedClock, SharedRng};
use serde::Deserialize;
use store::Store;
use tokio::sync::{Notify, Semaphore};

use crate::background::Running;
use crate::keep::Keeper;

/// How responses behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResponsesConfig {
    /// Background responses that a node makes at once.
    pub background_concurrency: usize,
    /// Seconds after which a background response of a node that does not say that it lives is
    /// given up.
    pub lease_secs: u64,
    /// Minutes after which a WebSocket is closed.
    pub socket_minutes: u64,
    /// Bytes of files, by their ids, that one request may bring into its context.
    pub max_inlined_bytes: u64,
}

impl Default for ResponsesConfig {
    fn default() -> Self {
        Self {
            background_concurrency: 256,
            lease_secs: 15,
            socket_minutes: 60,
            max_inlined_bytes: 32 * 1024 * 1024,
        }
    }
}

impl ResponsesConfig {
    pub(crate) fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_secs.max(2))
    }
}

/// What the engine is made of.
pub struct Parts {
    /// How it behaves.
    pub config: ResponsesConfig,
    /// The life of a call.
    pub gateway: Arc<Gateway>,
    /// Where responses are kept.
    pub store: Store,
    /// The files that requests name.
    pub files: Files,
    /// The time.
    pub clock: SharedClock,
    /// Randomness.
    pub rng: SharedRng,
}

/// The Responses API of one node. Clones share everything.
#[derive(Clone)]
pub struct Responses(Arc<Engine>);

/// The engine's parts.
pub struct Engine {
    pub(crate) config: ResponsesConfig,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) store: Store,
    pub(crate) files: Files,
    pub(crate) clock: SharedClock,
    pub(crate) rng: SharedRng,
    pub(crate) keeper: Keeper,
    /// This process, among all that share the database.
    pub(crate) node: String,
    /// Background responses that this node is making.
    running: Mutex<HashMap<ResponseId, Running>>,
    /// Places for background responses.
    pub(crate) places: Arc<Semaphore>,
    /// A background response is waiting.
    pub(crate) waiting: Notify,
}

impl Responses {
    /// An engine. What it makes in the background is driven by [`Responses::background`].
    pub fn new(parts: Parts) -> Self {
        let Parts { config, gateway, store, files, clock, rng } = parts;
        let node = kernel::id::time_ordered("node_", clock.now(), &*rng);
        Self(Arc::new(Engine {
            config,
            gateway,
            keeper: Keeper::new(store.clone(), node.clone()),
            store,
            files,
            clock,
            rng,
            node,
            running: Mutex::default(),
            places: Arc::new(Semaphore::new(config.background_concurrency.max(1))),
            waiting: Notify::new(),
        }))
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.0
    }
}

impl Deref for Responses {
    type Target = Engine;
    fn deref(&self) -> &Engine {
        &self.0
    }
}

impl Engine {
    /// What this node is making in the background.
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<ResponseId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fresh id, by its prefix.
    pub(crate) fn new_id(&self, prefix: &'static str) -> String {
        kernel::id::time_ordered(prefix, self.clock.now(), &*self.rng)
    }

    /// A fresh id of an item of this response. It holds the response's own, so that the item can be
    /// found by its id alone.
    pub(crate) fn item_id(&self, prefix: &'static str, response: &ResponseId) -> String {
        let unique = response.as_str().strip_prefix(ResponseId::PREFIX).unwrap_or_default();
        format!("{prefix}{unique}{:08x}", self.rng.next_u64() & 0xffff_ffff)
    }
}

impl std::fmt::Debug for Responses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Responses").field("node", &self.node).finish_non_exhaustive()
    }
}
