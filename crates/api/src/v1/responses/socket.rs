//! `GET /v1/responses` with an upgrade: the Responses API over a WebSocket.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use responses::{Connection, Frame, Lane};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;
use crate::v1::caller::Caller;

/// The largest frame that is sent: a whole response.
const LARGEST_FRAME: usize = 64 * 1024 * 1024;
/// Frames that wait for a slow client, after which its turns wait too.
const MOST_FRAMES: usize = 64;
/// Requests that wait for their turn in one lane.
const MOST_WAITING: usize = 4;
/// How often a silent client is asked whether it is there.
const PING: Duration = Duration::from_secs(30);
/// How long a client may take to read a frame.
const SEND: Duration = Duration::from_secs(60);
/// How often a connection without a turn looks whether the node is asked to stop.
const LOOK: Duration = Duration::from_secs(1);

/// Speak the Responses API over a WebSocket: each message is a `response.create`, each event of
/// its answer a message.
#[utoipa::path(
    get,
    path = "/v1/responses",
    operation_id = "connectResponses",
    tag = "Responses",
    responses(
        (status = 101, description = "The connection is a WebSocket now."),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn connect(
    State(app): State<App>,
    Caller(caller): Caller,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|_| {
        Problem::new(
            426,
            "invalid_request_error",
            Some("upgrade_required"),
            "GET /v1/responses is for WebSockets: send an upgrade, or POST a request",
        )
    })?;
    let connection = app.responses.connect(&caller, headers);
    let largest = app.max_body_bytes;
    let upgrade = upgrade
        .max_message_size(largest)
        .max_frame_size(largest)
        // Else the answers to a flood of pings pile up for a client that reads none of them.
        .max_write_buffer_size(largest.max(LARGEST_FRAME));
    Ok(upgrade.on_upgrade(move |socket| async move {
        Conversation::new(app, connection).hold(socket).await;
    }))
}

/// A connection under way.
struct Conversation {
    app: App,
    connection: Connection,
    lanes: HashMap<Lane, Queue>,
    /// Bytes of requests that wait for their turns.
    waiting_bytes: Arc<AtomicUsize>,
    tasks: JoinSet<()>,
    /// Turns that were asked for and are not over.
    under_way: Arc<AtomicUsize>,
    out: mpsc::Sender<Bytes>,
    frames: mpsc::Receiver<Bytes>,
}

impl Conversation {
    fn new(app: App, connection: Connection) -> Self {
        let (out, frames) = mpsc::channel(MOST_FRAMES);
        Self {
            app,
            connection,
            lanes: HashMap::new(),
            tasks: JoinSet::new(),
            waiting_bytes: Arc::default(),
            under_way: Arc::default(),
            out,
            frames,
        }
    }

    /// Holds the conversation until one side ends it. Dropping the turns hangs up on providers.
    async fn hold(mut self, mut socket: WebSocket) {
        let mut ping = tokio::time::interval(PING);
        let mut look = tokio::time::interval(LOOK);
        ping.reset();
        loop {
            let sent = tokio::select! {
                message = socket.recv() => match message {
                    Some(Ok(Message::Text(text))) => self.take(text.as_bytes(), &mut socket).await,
                    Some(Ok(Message::Binary(bytes))) => self.take(&bytes, &mut socket).await,
                    // Pings are answered below us.
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                },
                Some(frame) = self.frames.recv() => send(&mut socket, frame).await,
                _ = ping.tick() => pass(&mut socket, Message::Ping(Bytes::new())).await,
                _ = look.tick() => match self.is_to_end() {
                    None => Ok(()),
                    Some((last, code)) => {
                        if let Some(frame) = last {
                            let _ = send(&mut socket, frame).await;
                        }
                        let reason = Utf8Bytes::from_static("");
                        let close = Message::Close(Some(CloseFrame { code, reason }));
                        let _ = pass(&mut socket, close).await;
                        return;
                    }
                },
            };
            if sent.is_err() {
                return;
            }
        }
    }

    /// Whether the connection has lasted long enough or the node stops, and no turn is under way.
    fn is_to_end(&self) -> Option<(Option<Bytes>, u16)> {
        if self.under_way.load(Ordering::Acquire) > 0 {
            return None;
        }
        if self.connection.time_left().is_zero() {
            return Some((Some(Connection::time_is_up()), close_code::NORMAL));
        }
        let stopping = self.app.gateway.settler().stopping();
        stopping.then_some((None, close_code::AWAY))
    }

    /// Takes a message: its turn comes after those of its lane.
    async fn take(&mut self, message: &[u8], socket: &mut WebSocket) -> Result<(), axum::Error> {
        let frame = match Frame::read(message) {
            Ok(_) if self.connection.time_left().is_zero() => {
                return send(socket, Connection::time_is_up()).await;
            }
            Ok(frame) => frame,
            Err(wrong) => return send(socket, wrong).await,
        };
        if !self.lanes.contains_key(&frame.lane) {
            if self.lanes.len() >= Connection::most_lanes() {
                // Lanes in which nothing goes on make room.
                self.lanes.retain(|_, queue| queue.turns.load(Ordering::Acquire) > 0);
            }
            if self.lanes.len() >= Connection::most_lanes() {
                return send(socket, Connection::too_many_lanes()).await;
            }
            let queue = self.open_lane();
            self.lanes.insert(frame.lane.clone(), queue);
        }
        let Some(queue) = self.lanes.get(&frame.lane) else { return Ok(()) };
        let bytes = message.len();
        let waiting = self.waiting_bytes.load(Ordering::Acquire);
        let fits = waiting == 0 || waiting + bytes <= self.app.max_body_bytes;
        self.under_way.fetch_add(1, Ordering::AcqRel);
        queue.turns.fetch_add(1, Ordering::AcqRel);
        self.waiting_bytes.fetch_add(bytes, Ordering::AcqRel);
        if !fits || queue.frames.try_send((frame, bytes)).is_err() {
            self.under_way.fetch_sub(1, Ordering::AcqRel);
            queue.turns.fetch_sub(1, Ordering::AcqRel);
            self.waiting_bytes.fetch_sub(bytes, Ordering::AcqRel);
            return send(socket, Connection::too_many_waiting()).await;
        }
        Ok(())
    }

    fn open_lane(&mut self) -> Queue {
        let (frames, mut waiting) = mpsc::channel::<(Frame, usize)>(MOST_WAITING);
        let (connection, out) = (self.connection.clone(), self.out.clone());
        let (under_way, turns) = (Arc::clone(&self.under_way), Arc::<AtomicUsize>::default());
        let (waiting_bytes, taken) = (Arc::clone(&self.waiting_bytes), Arc::clone(&turns));
        self.tasks.spawn(async move {
            while let Some((frame, bytes)) = waiting.recv().await {
                waiting_bytes.fetch_sub(bytes, Ordering::AcqRel);
                let mut turn = connection.turn(frame);
                while let Some(frames) = turn.next().await {
                    for frame in frames {
                        if out.send(frame).await.is_err() {
                            return;
                        }
                    }
                }
                taken.fetch_sub(1, Ordering::AcqRel);
                under_way.fetch_sub(1, Ordering::AcqRel);
            }
        });
        Queue { frames, turns }
    }
}

/// The requests of a lane that wait for their turn.
struct Queue {
    frames: mpsc::Sender<(Frame, usize)>,
    /// Those that wait, and the one that is answered.
    turns: Arc<AtomicUsize>,
}

async fn send(socket: &mut WebSocket, frame: Bytes) -> Result<(), axum::Error> {
    // Frames are JSON texts.
    match Utf8Bytes::try_from(frame) {
        Ok(text) => pass(socket, Message::Text(text)).await,
        Err(_) => Ok(()),
    }
}

async fn pass(socket: &mut WebSocket, message: Message) -> Result<(), axum::Error> {
    let late = |_| Err(axum::Error::new(std::io::Error::from(std::io::ErrorKind::TimedOut)));
    tokio::time::timeout(SEND, socket.send(message)).await.unwrap_or_else(late)
}
