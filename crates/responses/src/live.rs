//! The events of a background response: written down as they come, and read by whoever follows,
//! from any place and on any node.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream;
use kernel::{ResponseId, Scope};
use serde_json::{Value, json};
use store::{ResponseRow, StoreError};
use tokio::sync::watch;
use wire::responses::Event;

use crate::engine::Responses;
use crate::events::{self, EventBody};

/// How often a follower looks whether another node wrote something down.
const LOOK: Duration = Duration::from_millis(200);
/// How often what is new is written down.
pub(crate) const WRITE: Duration = Duration::from_millis(150);

/// The events of a response that this node is making.
#[derive(Debug)]
pub(crate) struct Live {
    events: Mutex<Vec<Arc<Event>>>,
    /// How many there are, and whether there will be more.
    seen: watch::Sender<(usize, bool)>,
    /// Whether the response is not wanted any more.
    unwanted: watch::Sender<bool>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            events: Mutex::default(),
            seen: watch::Sender::new((0, false)),
            unwanted: watch::Sender::new(false),
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
                        let last = responses.last_event(&scope, &id, after).await?;
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
        let state = Some((self.clone(), scope, id, after, VecDeque::new()));
        events::body(stream::unfold(state, |state| async {
            let (responses, scope, id, mut after, mut ready) = state?;
            loop {
                if let Some(event) = ready.pop_front() {
                    let event: Event = event;
                    after = Some(event.sequence_number);
                    let last = event.is_terminal();
                    let piece = events::sent(&[event]);
                    let next = (!last).then_some((responses, scope, id, after, ready));
                    return Some((piece, next));
                }
                // The row first: what was written before it was over is then seen.
                let over = responses.is_over(&scope, &id).await.ok()?;
                ready.extend(responses.stored_events(&scope, &id, after).await.ok()?);
                if !ready.is_empty() {
                    continue;
                }
                if over {
                    let last = responses.last_event(&scope, &id, after).await?;
                    return Some((events::sent(&[last]), None));
                }
                tokio::time::sleep(LOOK).await;
            }
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

    async fn is_over(&self, scope: &Scope, id: &ResponseId) -> Result<bool, StoreError> {
        Ok(self.store.response_get(scope, id).await?.status.is_final())
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
}

impl Responses {
    /// The row of a response that is about to be over.
    async fn row_when_over(&self, scope: &Scope, id: &ResponseId) -> Option<ResponseRow> {
        loop {
            let row = self.store.response_get(scope, id).await.ok()?;
            if row.status.is_final() {
                return Some(row);
            }
            // Whoever ends it writes that down in a moment; if nobody does, its lease runs out.
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Events as a chunk of the log holds them: a line each.
pub(crate) fn write_chunk(events: &[Arc<Event>]) -> Vec<u8> {
    let mut chunk = Vec::new();
    for event in events {
        chunk.extend_from_slice(&event.to_json());
        chunk.push(b'\n');
    }
    chunk
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
