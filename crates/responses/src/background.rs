//! Responses in the background: a durable queue in the store, from which every node takes as many
//! as it has places for.
//!
//! A response that waits belongs to nobody and survives every node. One that is being made belongs
//! to a node, which says every few seconds that it lives; when it does not, the response has
//! failed, since nobody knows how much of it was paid for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway::{Identified, Owner, Refusal};
use kernel::{ResponseId, Scope, Timestamp};
use serde_json::{Value, json};
use store::{ResponseRow, ResponseStatus, StoreError};
use wire::error::ErrorBody;
use wire::responses::CreateRequest;

use crate::Refused;
use crate::asked::{Asked, Created, CreatedBody};
use crate::engine::Responses;
use crate::keep::Kept;
use crate::live::Live;
use crate::run::Run;

/// How long one that is not wanted any more may take to stop.
const END: Duration = Duration::from_secs(2);
/// Rows that one look at the queue takes.
const MOST_AT_ONCE: usize = 64;
/// Responses that a node holds for each of its places: those beyond wait for limits.
const WAITING_PER_PLACE: usize = 4;
/// Rows of dead nodes that one look ends.
const MOST_ORPHANS: u32 = 64;

/// What is told of a response whose node is gone.
const DIED: &str = "The node that was making this response died or lost its database.";
/// What is told of a response whose node was stopped.
const STOPPED: &str = "The node that was making this response was stopped.";

/// A background response that this node is making.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) live: Arc<Live>,
    pub(crate) scope: Scope,
}

impl Responses {
    /// Puts a response into the queue.
    pub(crate) async fn create_in_background(
        &self,
        caller: Identified,
        request: CreateRequest,
        asked: Asked,
    ) -> Result<Created, Refused> {
        if caller.retention().zero {
            return Err(Refused::zero_data_retention("a background response"));
        }
        if self.gateway.settler().stopping() {
            return Err(Refusal::Stopping.into());
        }
        let (stream, original) = (request.stream, asked.body.clone());
        let mut run = Run::begin(self, caller, request, asked, None).await?;
        let queued = run.synthesis.queued();
        let response = run.response();
        let row = run.row(&response, Some(original.to_vec()));
        let (id, scope) = (run.id.clone(), run.scope());
        let place = Arc::clone(&self.places).try_acquire_owned().ok();
        let lease = place.as_ref().map(|_| self.clock.now().plus(self.config.lease()));
        self.keeper.keep(Kept { row: row.clone(), items: Vec::new(), lease }).await?;
        let body = match place {
            Some(place) => {
                let live = self.start(row, Some(place));
                if stream {
                    CreatedBody::Events(self.follow_live(live, id, scope, None))
                } else {
                    CreatedBody::Whole(Bytes::from(response.to_string()))
                }
            }
            None => {
                self.waiting.notify_one();
                if stream {
                    // Its maker numbers these alike.
                    CreatedBody::Events(self.follow_queued(id, scope, queued))
                } else {
                    CreatedBody::Whole(Bytes::from(response.to_string()))
                }
            }
        };
        Ok(Created::of(body))
    }

    /// Everything that a node does for background responses. Runs for ever; drop it to stop.
    pub async fn background(&self) {
        tokio::join!(self.keep_leases(), self.keep_taking());
    }

    async fn keep_leases(&self) {
        loop {
            tokio::time::sleep(self.config.lease() / 4).await;
            let now = self.clock.now();
            told("leases of background responses are not renewed", self.renew(now).await);
            told("responses of dead nodes are not ended", self.bury(now).await);
        }
    }

    async fn keep_taking(&self) {
        loop {
            told("background responses wait", self.take(self.clock.now()).await);
            tokio::select! {
                () = self.waiting.notified() => {}
                () = tokio::time::sleep(self.config.lease() / 4) => {}
            }
        }
    }

    /// Says that this node lives; what is not its own any more is given up.
    async fn renew(&self, now: Timestamp) -> Result<(), StoreError> {
        let ours: Vec<ResponseId> = self.lock().keys().cloned().collect();
        if ours.is_empty() {
            return Ok(());
        }
        let still =
            self.store.response_renew(&self.node, &ours, now.plus(self.config.lease())).await?;
        let mut running = self.lock();
        for id in ours.iter().filter(|id| !still.contains(id)) {
            if let Some(lost) = running.remove(id) {
                lost.live.stop();
            }
        }
        Ok(())
    }

    /// Responses of nodes that died have failed.
    async fn bury(&self, now: Timestamp) -> Result<(), StoreError> {
        loop {
            let dead = self.store.response_orphans(now, MOST_ORPHANS).await?;
            for row in &dead {
                self.fail(row, &ErrorBody::server_error(DIED), now).await?;
            }
            if dead.len() < MOST_ORPHANS as usize {
                return Ok(());
            }
        }
    }

    /// Ends a response with an error.
    pub(crate) async fn fail(
        &self,
        row: &ResponseRow,
        error: &ErrorBody,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let body = ended(&row.body, "failed", Some(error));
        let scope = owner(row).scope();
        let failed = ResponseStatus::Failed;
        self.store.response_finish(&scope, &row.id, failed, Some(now), &body, &[]).await.map(|_| ())
    }

    /// Takes from the queue what there are places for.
    async fn take(&self, now: Timestamp) -> Result<(), StoreError> {
        // Those that wait for a limit have given their places back, but not their memory.
        let most = self.config.background_concurrency.saturating_mul(WAITING_PER_PLACE);
        let room = most.saturating_sub(self.lock().len()).min(MOST_AT_ONCE);
        if self.gateway.settler().stopping() {
            return Ok(());
        }
        let place = || Arc::clone(&self.places).try_acquire_owned().ok();
        let mut places: Vec<_> = std::iter::from_fn(place).take(room).collect();
        if places.is_empty() {
            return Ok(());
        }
        let until = now.plus(self.config.lease());
        let most = u32::try_from(places.len()).unwrap_or(u32::MAX);
        for row in self.store.response_claim(&self.node, until, now, most).await? {
            self.start(row, places.pop());
        }
        Ok(())
    }

    /// Ends what this node is making in the background; what it has not begun waits for another.
    pub async fn stop_background(&self) {
        let ours: Vec<(ResponseId, Running)> = self.lock().drain().collect();
        ours.iter().for_each(|(_, running)| running.live.stop());
        let closed = futures_util::future::join_all(ours.iter().map(|(_, one)| one.live.closed()));
        let _ = tokio::time::timeout(END, closed).await;
        let (begun, waiting): (Vec<_>, Vec<_>) =
            ours.into_iter().partition(|(_, running)| running.live.was_asked());
        let waiting: Vec<ResponseId> = waiting.into_iter().map(|(id, _)| id).collect();
        told("responses that wait", self.store.response_release(&self.node, &waiting).await);
        for (id, Running { scope, .. }) in begun {
            let failed = async {
                let row = self.store.response_get(&scope, &id).await?;
                self.fail(&row, &ErrorBody::server_error(STOPPED), self.clock.now()).await
            };
            told("a response that was cut off", failed.await);
        }
    }
}

impl Running {
    /// Stops making it, and waits until what there is of it is written down.
    pub(crate) async fn end(self) {
        self.live.stop();
        let _ = tokio::time::timeout(END, self.live.closed()).await;
    }
}

/// What fails here is tried again: by the next look, or once a lease is over.
fn told(what: &str, done: Result<(), StoreError>) {
    if let Err(error) = done {
        tracing::warn!(%error, "{what}; it is tried again");
    }
}

pub(crate) fn owner(row: &ResponseRow) -> Owner {
    Owner {
        organization: row.organization.clone(),
        project: row.project.clone(),
        key: row.api_key.clone(),
        service_account: row.service_account.clone(),
    }
}

/// A stored response with another status.
pub(crate) fn ended(body: &[u8], status: &str, error: Option<&ErrorBody>) -> Vec<u8> {
    let mut response: Value = serde_json::from_slice(body).unwrap_or_default();
    if let Some(fields) = response.as_object_mut() {
        fields.insert("status".to_owned(), json!(status));
        if let Some(error) = error {
            let code = error.code.as_deref().unwrap_or("server_error");
            fields.insert("error".to_owned(), json!({"code": code, "message": error.message}));
        }
    }
    response.to_string().into_bytes()
}
