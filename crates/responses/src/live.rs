//! The events of a background response: written down as they come, and read by whoever follows,
//! from any place and on any node.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use kernel::{ResponseId, Scope};
use serde_json::{Value, json};
use store::{EventChunk, ResponseRow, Store, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;
use wire::error::ErrorBody;
use wire::responses::Event;

use crate::engine::Responses;
use crate::events::{self, EventBody};

/// How often a follower looks whether another node wrote something down.
const LOOK: Duration = Duration::from_millis(200);
/// How often somebody who waits long looks.
const LONGEST_LOOK: Duration = Duration::from_secs(1);
/// How often what is new is written down.
const WRITE: Duration = Duration::from_millis(150);

/// The events of a response that this node is making.
#[derive(Debug)]
pub(crate) struct Live {
    events: Mutex<Vec<Arc<Event>>>,
    /// How many there are, and whether there will be more.
    seen: watch::Sender<(usize, bool)>,
    /// Whether the response is not wanted any more.
    unwanted: watch::Sender<bool>,
    /// Whether its call was made.
    was_asked: AtomicBool,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            events: Mutex::default(),
            seen: watch::Sender::new((0, false)),
            unwanted: watch::Sender::new(false),
            was_asked: AtomicBool::new(false),
        }
    }
}

impl Live {
    /// Writes events down for those who follow on this node.
    pub(crate) fn push(&self, new: Vec<Event>) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.extend(new.into_iter().map(Arc::new));
        let count = events.len();
        drop(events);
        self.seen.send_modify(|seen| seen.0 = count);
    }

    /// No more will come.
    pub(crate) fn close(&self) {
        self.seen.send_modify(|seen| seen.1 = true);
    }

    /// Whether the call is made now: then nobody else can make the response any more.
    pub(crate) fn asked(&self, made: bool) {
        self.was_asked.store(made, Ordering::Release);
    }

    /// Whether the call was made.
    pub(crate) fn was_asked(&self) -> bool {
        self.was_asked.load(Ordering::Acquire)
    }

    /// The response is not wanted any more.
    pub(crate) fn stop(&self) {
        self.unwanted.send_replace(true);
    }

    /// Waits until the response is not wanted any more.
    pub(crate) async fn stopped(&self) {
        // It lives as long as this does.
        let _ = self.unwanted.subscribe().wait_for(|unwanted| *unwanted).await;
    }

    /// Waits until no more will come.
    pub(crate) async fn closed(&self) {
        let _ = self.seen.subscribe().wait_for(|seen| seen.1).await;
    }

    /// The events from this place on.
    pub(crate) fn from(&self, place: usize) -> Vec<Arc<Event>> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.get(place..).unwrap_or_default().to_vec()
    }
}

impl Responses {
    /// Follows a response that this node is making.
    pub(crate) fn follow_live(
        &self,
        live: Arc<Live>,
        id: ResponseId,
        scope: Scope,
        after: Option<u64>,
    ) -> EventBody {
        let seen = live.seen.subscribe();
        let responses = self.clone();
        let state = (live, seen, 0usize, after, Some((responses, scope, id)));
        events::body(stream::unfold(
            state,
            |(live, mut seen, mut place, mut after, mut whose)| async move {
                loop {
                    let new = live.from(place);
                    place += new.len();
                    let new: Vec<Event> = new
                        .iter()
                        .filter(|event| after.is_none_or(|after| event.sequence_number > after))
                        .map(|event| Event::clone(event))
                        .collect();
                    if let Some(last) = new.last() {
                        after = Some(last.sequence_number);
                        if new.iter().any(Event::is_terminal) {
                            whose = None;
                        }
                        return Some((events::sent(&new), (live, seen, place, after, whose)));
                    }
                    let (count, closed) = *seen.borrow_and_update();
                    if count > place {
                        continue;
                    }
                    if closed || seen.changed().await.is_err() {
                        // It was ended by somebody else: its row says how.
                        let (responses, scope, id) = whose.take()?;
                        let last = responses.last_event(&scope, &id, after).await;
                        let last = last.unwrap_or_else(|| deleted(after));
                        return Some((events::sent(&[last]), (live, seen, place, after, None)));
                    }
                }
            },
        ))
    }

    /// Follows a response by what is written down of it.
    pub(crate) fn follow_stored(
        &self,
        id: ResponseId,
        scope: Scope,
        after: Option<u64>,
    ) -> EventBody {
        self.follow_after(id, scope, after, VecDeque::new())
    }

    /// Follows a response that waits for its turn: with these events, which are not written down.
    pub(crate) fn follow_queued(
        &self,
        id: ResponseId,
        scope: Scope,
        queued: Vec<Event>,
    ) -> EventBody {
        self.follow_after(id, scope, None, queued.into())
    }

    fn follow_after(
        &self,
        id: ResponseId,
        scope: Scope,
        after: Option<u64>,
        ready: VecDeque<Event>,
    ) -> EventBody {
        let responses = self.clone();
        let following = Following { responses, id, scope, after, ready, pause: LOOK };
        events::body(stream::unfold(Some(following), |following| async {
            let mut following = following?;
            let event = match following.next().await {
                Some(event) => event,
                // It said its last word before the place that was asked for.
                None => return Some((Bytes::from_static(wire::sse::DONE), None)),
            };
            let next = (!event.is_terminal()).then_some(following);
            Some((events::sent(&[event]), next))
        }))
    }

    /// The events after this one that are written down.
    async fn stored_events(
        &self,
        scope: &Scope,
        id: &ResponseId,
        after: Option<u64>,
    ) -> Result<Vec<Event>, StoreError> {
        let chunks = self.store.response_events(scope, id, after).await?;
        let events = chunks.iter().flat_map(|chunk| read_chunk(&chunk.events));
        let is_new = |event: &Event| after.is_none_or(|after| event.sequence_number > after);
        Ok(events.filter(is_new).collect())
    }

    /// The last event of a response whose log has none: its node died, or it was cancelled.
    async fn last_event(
        &self,
        scope: &Scope,
        id: &ResponseId,
        after: Option<u64>,
    ) -> Option<Event> {
        let row = self.row_when_over(scope, id).await?;
        let response: Value = serde_json::from_slice(&row.body).ok()?;
        let kind = match response.get("status").and_then(Value::as_str) {
            Some("completed") => "response.completed",
            Some("incomplete") => "response.incomplete",
            // OpenAI has no event for a response that was cancelled.
            _ => "response.failed",
        };
        let sequence_number = after.map_or(0, |after| after + 1);
        let body = json!({
            "type": kind, "sequence_number": sequence_number, "response": response,
        });
        Some(Event { kind: kind.into(), sequence_number, body })
    }

    /// The row of a response that is about to be over.
    async fn row_when_over(&self, scope: &Scope, id: &ResponseId) -> Option<ResponseRow> {
        loop {
            match self.store.response_get(scope, id).await {
                Ok(row) if row.status.is_final() => return Some(row),
                Err(StoreError::NotFound { .. }) => return None,
                // Whoever ends it writes that down in a moment; if nobody does, its lease runs out.
                Ok(_) | Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }
}

/// Who follows by the log.
struct Following {
    responses: Responses,
    id: ResponseId,
    scope: Scope,
    after: Option<u64>,
    ready: VecDeque<Event>,
    pause: Duration,
}

impl Following {
    /// The next event; none where the last one came before the place that was asked for, or the
    /// response is gone.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.after = Some(event.sequence_number);
                self.pause = LOOK;
                return Some(event);
            }
            match self.look().await {
                Ok(true) => return self.last().await,
                Ok(false) if !self.ready.is_empty() => {}
                Err(StoreError::NotFound { .. }) => return None,
                // Nothing new, or the database is away.
                Ok(false) | Err(_) => {
                    tokio::time::sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(LONGEST_LOOK);
                }
            }
        }
    }

    /// Looks for new events; true if there are none, and there will be none.
    async fn look(&mut self) -> Result<bool, StoreError> {
        let Self { responses, id, scope, after, .. } = self;
        // The status first: what was written before it was over is then seen.
        let status = responses.store.response_status(scope, id).await?;
        self.ready.extend(responses.stored_events(scope, id, *after).await?);
        Ok(status.is_final() && self.ready.is_empty())
    }

    /// The end of a response whose log has none: its node died, or it was cancelled.
    async fn last(&self) -> Option<Event> {
        let Self { responses, id, scope, after, .. } = self;
        let all = responses.stored_events(scope, id, None).await.ok()?;
        if all.last().is_some_and(Event::is_terminal) {
            return None;
        }
        responses.last_event(scope, id, *after).await
    }
}

/// The log of a response that a node is making, and how far it is written.
pub(crate) struct Log {
    pub(crate) live: Arc<Live>,
    pub(crate) scope: Scope,
    pub(crate) id: ResponseId,
    place: usize,
    pub(crate) due: Instant,
}

impl Log {
    /// An empty one.
    pub(crate) fn new(live: Arc<Live>, scope: Scope, id: ResponseId) -> Self {
        Self { live, scope, id, place: 0, due: Instant::now() }
    }

    /// What is not written yet, with these events that come after it.
    pub(crate) fn tail(&self, last: &[Event]) -> Option<EventChunk> {
        let mut unwritten = self.live.from(self.place);
        unwritten.extend(last.iter().cloned().map(Arc::new));
        chunk(&unwritten)
    }

    /// Everything is written, and what is still to come, too.
    pub(crate) fn is_complete(&mut self) {
        self.place = usize::MAX;
    }

    /// Writes down what is new.
    pub(crate) async fn write(&mut self, store: &Store) {
        self.due = Instant::now() + WRITE;
        let new = self.live.from(self.place);
        let Some(EventChunk { first, last, events }) = chunk(&new) else { return };
        match store.response_event_append(&self.scope, &self.id, first, last, &events).await {
            // A run that is there already was written, though nobody heard of it.
            Ok(()) | Err(StoreError::Conflict { .. }) => self.place += new.len(),
            // The response was deleted.
            Err(StoreError::NotFound { .. }) => self.is_complete(),
            Err(error) => {
                tracing::warn!(id = %self.id, %error, "events are written down at the next turn");
            }
        }
    }
}

/// What is told of a response that was deleted while it was followed.
fn deleted(after: Option<u64>) -> Event {
    let error = ErrorBody::invalid_request("The response was deleted.").coded("response_deleted");
    wire::responses::error_event(&error, after.map_or(0, |after| after + 1))
}

/// Events as a run of the log holds them: a line each.
fn chunk(events: &[Arc<Event>]) -> Option<EventChunk> {
    let (first, last) = (events.first()?.sequence_number, events.last()?.sequence_number);
    let mut lines = Vec::new();
    for event in events {
        lines.extend_from_slice(&event.to_json());
        lines.push(b'\n');
    }
    Some(EventChunk { first, last, events: lines })
}

fn read_chunk(chunk: &[u8]) -> Vec<Event> {
    let lines = chunk.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.filter_map(|line| event(serde_json::from_slice(line).ok()?)).collect()
}

fn event(body: Value) -> Option<Event> {
    let kind = body.get("type")?.as_str()?.to_owned();
    let sequence_number = body.get("sequence_number")?.as_u64()?;
    Some(Event { kind: kind.into(), sequence_number, body })
}
