//! Responses in the background: a durable queue in the store, from which every node takes as many
//! as it has places for.
//!
//! A response that waits belongs to nobody and survives every node. One that is being made belongs
//! to a node, which says every few seconds that it lives; when it does not, the response has
//! failed, since nobody knows how much of it was paid for.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use gateway::{Identified, Owner};
use http::HeaderMap;
use kernel::{ResponseId, Scope, Timestamp};
use serde_json::{Value, json};
use store::{ResponseRow, ResponseStatus, StoreError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use wire::error::ErrorBody;
use wire::responses::CreateRequest;

use crate::asked::{Asked, Created, CreatedBody};
use crate::engine::Responses;
use crate::keep::Kept;
use crate::live::{self, Live};
use crate::run::{Call, Keeping, Run, fault};
use crate::state::State;
use crate::{Refused, state};

/// How long a response waits for limits and providers before it has failed.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// How long one that is not wanted any more may take to stop.
const END: Duration = Duration::from_secs(2);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Rows that one look at the queue takes.
const MOST_AT_ONCE: usize = 64;
/// Rows of dead nodes that one look ends.
const MOST_ORPHANS: u32 = 64;

/// What is told of a response whose node is gone.
const DIED: &str = "The node that was making this response died or lost its database.";

/// A background response that this node is making.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) live: Arc<Live>,
    scope: Scope,
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
        let (stream, original) = (request.stream, asked.body.clone());
        let mut run = Run::begin(self, caller, request, asked, None).await?;
        run.synthesis.queued();
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
                    CreatedBody::Events(self.follow_stored(id, scope, None))
                } else {
                    CreatedBody::Whole(Bytes::from(response.to_string()))
                }
            }
        };
        Ok(Created::of(body))
    }

    /// Everything that a node does for background responses. Runs for ever; drop it to stop.
    pub async fn background(&self) {
        let pause = self.config.lease() / 4;
        loop {
            if let Err(error) = self.look_after().await {
                tracing::warn!(%error, "background responses wait until the database answers");
            }
            tokio::select! {
                () = self.waiting.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn look_after(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.renew(now).await?;
        self.bury(now).await?;
        self.take(now).await
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
        for row in self.store.response_orphans(now, MOST_ORPHANS).await? {
            self.fail(&row, &fault("server_error", DIED), now).await?;
        }
        Ok(())
    }

    async fn fail(
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
        let free = self.places.available_permits().min(MOST_AT_ONCE);
        if free == 0 || self.gateway.settler().stopping() {
            return Ok(());
        }
        let until = now.plus(self.config.lease());
        let most = u32::try_from(free).unwrap_or(u32::MAX);
        for row in self.store.response_claim(&self.node, until, now, most).await? {
            let place = Arc::clone(&self.places).try_acquire_owned().ok();
            self.start(row, place);
        }
        Ok(())
    }

    /// Begins to make a response that this node holds.
    fn start(&self, row: ResponseRow, place: Option<OwnedSemaphorePermit>) -> Arc<Live> {
        let live = Arc::new(Live::default());
        let (id, responses, events) = (row.id.clone(), self.clone(), Arc::clone(&live));
        let scope = owner(&row).scope();
        let mut running = self.lock();
        tokio::spawn(async move {
            let id = row.id.clone();
            responses.make(row, &events).await;
            events.close();
            responses.lock().remove(&id);
            drop(place);
            // There may be more in the queue than there were places for.
            responses.waiting.notify_one();
        });
        running.insert(id, Running { live: Arc::clone(&live), scope });
        live
    }

    async fn make(&self, row: ResponseRow, live: &Arc<Live>) {
        let mut log = row.streamed.then(|| Log::of(&row));
        let made = tokio::select! {
            made = self.try_make(&row, live, log.as_mut()) => made,
            // Dropping the run hangs up on the provider.
            () = live.stopped() => Ok(()),
        };
        if let Some(log) = &mut log {
            self.write_down(live, log).await;
        }
        let Err(refused) = made else { return };
        let failed = self.fail(&row, &refused.error(), self.clock.now()).await;
        if let Err(error) = failed {
            // Its lease runs out, and another look buries it.
            tracing::warn!(id = %row.id, %error, "a background response's failure waits to be written down");
        }
    }

    async fn try_make(
        &self,
        row: &ResponseRow,
        live: &Arc<Live>,
        log: Option<&mut Log>,
    ) -> Result<(), Refused> {
        let caller = self.gateway.on_behalf(&owner(row))?;
        let scope = caller.scope();
        let request = CreateRequest::parse(row.request.as_deref().unwrap_or_default())?;
        let mut state = State::of(self, &scope, &request, &row.id, None).await?;
        // The input has had its ids since it was queued.
        state.input = state::read_items(&row.input);
        let call = Call {
            id: row.call.clone(),
            arrived: self.clock.now(),
            headers: HeaderMap::new(),
            batch: None,
        };
        let id = row.id.clone();
        let mut run =
            Run::with(self, caller, request, call, id, row.created_at, state, Keeping::Finish)
                .await?;
        live.push(run.synthesis.queued());
        let until = self.clock.now().plus(self.config.lease());
        let body = ended(&row.body, "in_progress", None);
        if !self.store.response_start(&row.id, &self.node, until, &body).await? {
            // It was cancelled while it waited.
            return Ok(());
        }
        self.open_patiently(&mut run).await?;
        self.drive(run, live, log).await;
        Ok(())
    }

    /// Opens a run, waiting where limits or providers ask for patience.
    async fn open_patiently(&self, run: &mut Run) -> Result<(), Refused> {
        let end = self.clock.now().plus(PATIENCE);
        let mut pause = Duration::from_millis(250);
        loop {
            let refused = match run.open(true).await {
                Ok(_opened) => return Ok(()),
                Err(refused) => refused,
            };
            let Refused::Call(refusal) = &refused else { return Err(refused) };
            let asked_to = refusal.retry_after();
            let passing = asked_to.is_some() || matches!(refusal.status(), 429 | 502 | 503 | 504);
            if !passing || self.clock.now() >= end || self.gateway.settler().stopping() {
                return Err(refused);
            }
            tokio::time::sleep(asked_to.unwrap_or(pause).min(LONGEST_PAUSE)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            run.new_call();
        }
    }

    /// Drives a run to its end; its events go to those who follow and, where the response was asked
    /// for as a stream, into the log.
    async fn drive(&self, mut run: Run, live: &Live, mut log: Option<&mut Log>) {
        while let Some(events) = run.next().await {
            live.push(events);
            if let Some(log) = log.as_deref_mut().filter(|log| log.due <= Instant::now()) {
                self.write_down(live, log).await;
            }
        }
    }

    /// Writes down what is new.
    async fn write_down(&self, live: &Live, log: &mut Log) {
        let new = live.from(log.place);
        let (Some(first), Some(last)) = (new.first(), new.last()) else { return };
        let (first, last) = (first.sequence_number, last.sequence_number);
        let (chunk, store) = (live::write_chunk(&new), &self.store);
        match store.response_event_append(&log.scope, &log.id, first, last, &chunk).await {
            Ok(()) => log.place += new.len(),
            // It was deleted meanwhile.
            Err(StoreError::NotFound { .. }) => log.place = usize::MAX,
            Err(error) => {
                tracing::warn!(id = %log.id, %error, "events are written down at the next turn");
            }
        }
        log.due = Instant::now() + live::WRITE;
    }

    /// Ends what this node is making in the background; what waits is left to others.
    pub async fn stop_background(&self) {
        let ours: Vec<(ResponseId, Running)> = self.lock().drain().collect();
        let error = fault("server_error", "The node that was making this response was stopped.");
        for (id, running) in ours {
            let scope = running.scope.clone();
            running.end().await;
            let failed = async {
                let row = self.store.response_get(&scope, &id).await?;
                // What had not begun waits for another node.
                match row.status {
                    ResponseStatus::InProgress => self.fail(&row, &error, self.clock.now()).await,
                    _ => Ok(()),
                }
            };
            if let Err(error) = failed.await {
                tracing::warn!(%id, %error, "a response that was cut off fails once its lease is over");
            }
        }
    }

    pub(crate) fn lock(
        &self,
    ) -> std::sync::MutexGuard<'_, std::collections::HashMap<ResponseId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The log of a response, and how far it is written.
struct Log {
    scope: Scope,
    id: ResponseId,
    place: usize,
    due: Instant,
}

impl Log {
    fn of(row: &ResponseRow) -> Self {
        Self { scope: owner(row).scope(), id: row.id.clone(), place: 0, due: Instant::now() }
    }
}

impl Running {
    /// Stops making it, and waits until what there is of it is written down.
    pub(crate) async fn end(self) {
        self.live.stop();
        let _ = tokio::time::timeout(END, self.live.closed()).await;
    }
}

fn owner(row: &ResponseRow) -> Owner {
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
