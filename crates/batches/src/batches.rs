//! The handle on batches, and what all their work shares.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use files::Files;
use gateway::{Gateway, Owner};
use kernel::{BatchId, SharedClock, SharedRng};
use responses::Responses;
use responses::chats::Chats;
use store::{Batch, Lease, Store};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use crate::BatchesConfig;

/// What batches are made of.
pub struct Parts {
    /// How they behave.
    pub config: BatchesConfig,
    /// The life of a call.
    pub gateway: Arc<Gateway>,
    /// The Responses API.
    pub responses: Responses,
    /// Where input and output files are.
    pub files: Files,
    /// Where batches are.
    pub store: Store,
    /// The time.
    pub clock: SharedClock,
    /// Randomness.
    pub rng: SharedRng,
}

/// The batches of one node. Clones share everything.
#[derive(Clone)]
pub struct Batches(Arc<Shared>);

/// What all work on batches shares.
pub struct Shared {
    pub(crate) config: BatchesConfig,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) responses: Responses,
    pub(crate) chats: Chats,
    pub(crate) files: Files,
    pub(crate) store: Store,
    pub(crate) clock: SharedClock,
    pub(crate) rng: SharedRng,
    /// This process, among all that share the database.
    pub(crate) node: String,
    /// Places for lines that are asked.
    pub(crate) places: Arc<Semaphore>,
    /// There may be something to do.
    pub(crate) wake: Notify,
    /// Whether [`Batches::run`] is at it.
    pub(crate) at_work: watch::Sender<bool>,
    /// When this node has to be done with everything, once it is stopping.
    pub(crate) stop: watch::Sender<Orders>,
    /// The batches whose lines this node answers.
    running: Mutex<HashMap<BatchId, watch::Sender<Orders>>>,
}

/// What the work on a batch is told: nothing, or to begin no more lines, and until when those under
/// way may take.
pub(crate) type Orders = Option<Instant>;

impl Batches {
    /// The batches of this node. [`Batches::run`] works on them.
    pub fn new(parts: Parts) -> Self {
        let Parts { config, gateway, responses, files, store, clock, rng } = parts;
        Self(Arc::new(Shared {
            node: kernel::id::time_ordered("node_", clock.now(), &*rng),
            places: Arc::new(Semaphore::new(config.concurrency())),
            config,
            gateway,
            responses,
            chats: Chats::new(store.clone(), rng.clone()),
            files,
            store,
            clock,
            rng,
            wake: Notify::new(),
            at_work: watch::Sender::new(false),
            stop: watch::Sender::new(None),
            running: Mutex::default(),
        }))
    }

    /// Takes a batch into work, unless it is already or the node is stopping.
    pub(crate) fn begin(&self, id: &BatchId) -> Option<(Running, watch::Receiver<Orders>)> {
        let mut running = self.running();
        if self.stop.borrow().is_some() || running.contains_key(id) {
            return None;
        }
        let (orders, told) = watch::channel(None);
        running.insert(id.clone(), orders);
        Some((Running { batches: self.clone(), id: id.clone() }, told))
    }
}

impl Shared {
    /// Looks for work at once.
    pub(crate) fn look_again(&self) {
        self.wake.notify_one();
    }

    /// A lease from now on.
    pub(crate) fn lease(&self) -> Lease<'_> {
        Lease { node: &self.node, until: self.clock.now().plus(self.config.lease()) }
    }

    /// How many batches' lines this node answers.
    pub(crate) fn under_way(&self) -> usize {
        self.running().len()
    }

    /// Tells the work on one batch to come to its end, if there is any here.
    pub(crate) fn end(&self, id: &BatchId, by: Instant) {
        if let Some(orders) = self.running().get(id) {
            tell(orders, by);
        }
    }

    /// Tells all work to come to its end.
    pub(crate) fn end_all(&self, by: Instant) {
        // Under the lock: what begins after it sees that the node is stopping.
        let running = self.running();
        tell(&self.stop, by);
        for orders in running.values() {
            tell(orders, by);
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<BatchId, watch::Sender<Orders>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose batch it is.
pub(crate) fn owner(batch: &Batch) -> Owner {
    Owner {
        organization: batch.organization.clone(),
        project: batch.project.clone(),
        key: batch.api_key.clone(),
        service_account: batch.service_account.clone(),
    }
}

/// Orders only become stricter.
fn tell(orders: &watch::Sender<Orders>, by: Instant) {
    orders.send_modify(|told| *told = Some(told.map_or(by, |earlier| earlier.min(by))));
}

impl Deref for Batches {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches").field("node", &self.node).finish_non_exhaustive()
    }
}

/// A batch whose lines this node answers, until it is dropped.
pub(crate) struct Running {
    batches: Batches,
    id: BatchId,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.batches.running().remove(&self.id);
    }
}
