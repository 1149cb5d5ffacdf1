//! A WebSocket of the Responses API: many turns on one connection.
//!
//! The connection remembers the last responses that were made on it, so that a chain with
//! `store: false` goes on without anything being kept. Turns of one `stream_id` follow each other;
//! those of different ones go side by side.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gateway::{Identified, Owner};
use http::HeaderMap;
use kernel::{RequestId, Timestamp, Usage};
use serde_json::{Map, Value, json};
use wire::error::ErrorBody;
use wire::responses::{CreateRequest, Ending, Event, socket_error};

use crate::Refused;
use crate::asked::{Asked, forget_spent};
use crate::engine::Responses;
use crate::run::Run;

/// Responses that a connection remembers: the last of each lane, and a few to fork from.
const REMEMBERED: usize = 12;
/// Bytes of them in all. A context beyond that is not remembered.
const REMEMBERED_BYTES: usize = 64 * 1024 * 1024;
/// Lanes of one connection.
const MOST_LANES: usize = 8;
/// The longest `stream_id`.
const LONGEST_LANE: usize = 256;

/// What a connection remembers: the whole context after each of its last responses.
#[derive(Default)]
pub struct Memory(Mutex<VecDeque<(String, Remembered)>>);

/// A response that a connection remembers.
#[derive(Clone)]
pub(crate) struct Remembered {
    /// What it stands on and said.
    pub(crate) context: Arc<[Value]>,
    /// About how many bytes that has.
    bytes: usize,
    /// Whether the store has it, too.
    pub(crate) kept: bool,
}

impl Memory {
    /// What the response of this id stands on and said.
    pub(crate) fn context(&self, id: &str) -> Option<Remembered> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.iter().find(|(known, _)| known == id).map(|(_, context)| context.clone())
    }

    fn remember(&self, id: String, context: Vec<Value>, kept: bool) {
        let bytes = context.iter().map(size_of).sum();
        if bytes > REMEMBERED_BYTES {
            return;
        }
        let remembered = Remembered { context: context.into(), bytes, kept };
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = |memory: &VecDeque<(String, Remembered)>| -> usize {
            memory.iter().map(|(_, remembered)| remembered.bytes).sum()
        };
        while memory.len() == REMEMBERED || held(&memory) + bytes > REMEMBERED_BYTES {
            memory.pop_front();
        }
        memory.push_back((id, remembered));
    }

    fn forget(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _)| known != id);
    }
}

/// One connection.
#[derive(Clone)]
pub struct Connection {
    responses: Responses,
    owner: Owner,
    headers: HeaderMap,
    memory: Arc<Memory>,
    opened: Timestamp,
}

/// Which turns follow each other: those of one `stream_id`, or those without.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Lane(Option<String>);

/// A message of a client, as far as it is read before its turn.
pub struct Frame {
    /// Where it belongs.
    pub lane: Lane,
    body: Map<String, Value>,
}

/// A turn under way.
pub struct Turn {
    connection: Connection,
    lane: Lane,
    state: TurnState,
}

enum TurnState {
    /// Not begun.
    Asked(Box<Map<String, Value>>),
    /// The model answers.
    Running(Box<Run>),
    Over,
}

impl Responses {
    /// A connection of this caller, whose key is looked at again at every turn.
    pub fn connect(&self, caller: &Identified, mut headers: HeaderMap) -> Connection {
        forget_spent(&mut headers);
        Connection {
            responses: self.clone(),
            owner: caller.owner().clone(),
            headers,
            memory: Arc::default(),
            opened: self.clock.now(),
        }
    }
}

impl Connection {
    /// Begins a turn.
    pub fn turn(&self, frame: Frame) -> Turn {
        let state = TurnState::Asked(Box::new(frame.body));
        Turn { connection: self.clone(), lane: frame.lane, state }
    }

    /// The most lanes that a connection may have at once.
    pub const fn most_lanes() -> usize {
        MOST_LANES
    }

    /// What a client hears that opens too many lanes.
    pub fn too_many_lanes() -> Bytes {
        let error =
            ErrorBody::invalid_request("This WebSocket connection has reached its stream limit.")
                .at("stream_id")
                .coded("websocket_stream_limit_reached");
        Bytes::from(socket_error(400, &error))
    }

    /// What a client hears whose lane has too many requests waiting.
    pub fn too_many_waiting() -> Bytes {
        let message = "Too many requests wait for their turn on this stream. Wait for an answer.";
        let error = ErrorBody::invalid_request(message).coded("websocket_queue_full");
        Bytes::from(socket_error(429, &error))
    }

    /// How long the connection may still last.
    pub fn time_left(&self) -> std::time::Duration {
        let most = std::time::Duration::from_secs(self.responses.config.socket_minutes * 60);
        most.saturating_sub(self.responses.clock.now().since(self.opened))
    }

    /// What a client hears whose connection has lasted as long as it may.
    pub fn time_is_up() -> Bytes {
        let error = ErrorBody::invalid_request(
            "This WebSocket connection has reached its time limit. Open another one.",
        )
        .coded("websocket_connection_limit_reached");
        Bytes::from(socket_error(400, &error))
    }
}

impl Frame {
    /// Reads a message.
    ///
    /// # Errors
    /// The frame that tells the client what is wrong with it.
    pub fn read(message: &[u8]) -> Result<Self, Bytes> {
        let wrong = |error: ErrorBody| Bytes::from(socket_error(400, &error));
        let mut body: Map<String, Value> = serde_json::from_slice(message).map_err(|error| {
            wrong(ErrorBody::invalid_request(format!("The message is no JSON object: {error}.")))
        })?;
        match body.remove("type").as_ref().and_then(Value::as_str) {
            Some("response.create") => {}
            other => {
                let other: String = other.unwrap_or("none").chars().take(100).collect();
                let message = format!(
                    "Unknown event type '{other}'. A client sends `response.create`, with the \
                     fields of POST /v1/responses beside its type."
                );
                return Err(wrong(
                    ErrorBody::invalid_request(message).at("type").coded("unknown_event_type"),
                ));
            }
        }
        // Some clients put the request into an object of its own.
        if let Some(Value::Object(inner)) = body.remove("response") {
            body.extend(inner);
        }
        let lane = match body.remove("stream_id") {
            None | Some(Value::Null) => Lane::default(),
            Some(Value::String(id)) if is_lane(&id) => Lane(Some(id)),
            Some(_) => {
                let message = format!(
                    "Invalid 'stream_id': it has 1 to {LONGEST_LANE} letters, digits and any of \
                     `_`, `.` and `-`."
                );
                return Err(wrong(ErrorBody::invalid_request(message).at("stream_id")));
            }
        };
        Ok(Self { lane, body })
    }
}

impl Turn {
    /// The next frames; none after the last.
    pub async fn next(&mut self) -> Option<Vec<Bytes>> {
        match std::mem::replace(&mut self.state, TurnState::Over) {
            TurnState::Over => None,
            TurnState::Asked(body) => {
                let previous = body.get("previous_response_id").and_then(Value::as_str);
                let previous = previous.map(str::to_owned);
                match self.begin(*body).await {
                    Ok(frames) => Some(frames),
                    Err(refused) => {
                        // What cannot be gone on with must not be tried again and again.
                        if let Some(previous) = previous {
                            self.connection.memory.forget(&previous);
                        }
                        let error =
                            self.in_lane_bytes(&socket_error(refused.status(), &refused.error()));
                        Some(vec![error])
                    }
                }
            }
            TurnState::Running(mut run) => {
                let events = run.next().await?;
                let frames = self.frames(&events);
                if events.iter().any(Event::is_terminal) {
                    self.remember(&run);
                } else {
                    self.state = TurnState::Running(run);
                }
                Some(frames)
            }
        }
    }

    async fn begin(&mut self, mut body: Map<String, Value>) -> Result<Vec<Bytes>, Refused> {
        let responses = &self.connection.responses;
        let caller = responses.gateway.on_behalf(&self.connection.owner)?;
        if body.get("background") == Some(&Value::Bool(true)) {
            return Err(ErrorBody::invalid_request("Background is not supported over WebSocket.")
                .at("background")
                .into());
        }
        // Over a WebSocket every answer is a stream.
        body.insert("stream".to_owned(), Value::Bool(true));
        let body = Bytes::from(Value::Object(body).to_string());
        let request = CreateRequest::parse(&body)?;
        request.lint()?;
        let now = responses.clock.now();
        let asked = Asked {
            room: None,
            id: RequestId::new(now, &*responses.rng),
            arrived: now,
            headers: self.connection.headers.clone(),
            body,
            batch: None,
        };
        let generate = request.generate;
        let memory = Arc::clone(&self.connection.memory);
        let mut run = Run::begin(responses, caller, request, asked, Some(&memory)).await?;
        if !generate {
            // A warm-up: the context is taken in, and nothing is said.
            run.synthesis.set_usage(&Usage::default());
            let mut events = run.synthesis.begin();
            events.extend(run.over(Ending::Silent).await);
            self.remember(&run);
            return Ok(self.frames(&events));
        }
        run.open(true).await?;
        self.state = TurnState::Running(Box::new(run));
        Ok(Vec::new())
    }

    /// A response that came to a good end can be gone on with; one that failed cannot, and neither
    /// can what it went on with.
    fn remember(&self, run: &Run) {
        let memory = &self.connection.memory;
        let response = run.response();
        match response.get("status").and_then(Value::as_str) {
            Some("completed" | "incomplete") => {
                let kept = response.get("store") == Some(&Value::Bool(true));
                memory.remember(run.id.as_str().to_owned(), run.context_after(), kept);
            }
            _ => {
                if let Some(previous) = &run.state.previous {
                    memory.forget(previous.as_str());
                }
            }
        }
    }

    fn frames(&self, events: &[Event]) -> Vec<Bytes> {
        events.iter().map(|event| self.in_lane(event)).collect()
    }

    fn in_lane(&self, event: &Event) -> Bytes {
        match &self.lane.0 {
            None => Bytes::from(event.to_json()),
            Some(_) => self.in_lane_bytes(&event.to_json()),
        }
    }

    /// A frame says which lane it is of, if its turn did.
    fn in_lane_bytes(&self, frame: &[u8]) -> Bytes {
        let Some(lane) = &self.lane.0 else { return Bytes::copy_from_slice(frame) };
        let mut fields: Map<String, Value> = serde_json::from_slice(frame).unwrap_or_default();
        fields.insert("stream_id".to_owned(), json!(lane));
        Bytes::from(Value::Object(fields).to_string())
    }
}

/// About how many bytes a value takes as JSON.
fn size_of(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(values) => values.iter().map(|value| size_of(value) + 1).sum::<usize>() + 2,
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| name.len() + size_of(value) + 4;
            fields.iter().map(field).sum::<usize>() + 2
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

fn is_lane(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    !id.is_empty() && id.len() <= LONGEST_LANE && id.bytes().all(allowed)
}
