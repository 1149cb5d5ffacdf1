//! An OpenAI-compatible server over plain sockets that misbehaves as its model's name says. Written
//! by hand and not on a server library, which would not let it.

mod peer;
mod script;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use peer::{Peer, Request};
pub use script::{Behaviour, LARGE_ARGUMENTS, UNKNOWN_FIELDS_ANSWER, UNKNOWN_FIELDS_EVENT};

/// The running server. Dropping it ends it.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    notes: Arc<Notes>,
    server: JoinHandle<()>,
}

/// What it has seen so far.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    requests: u64,
    hang_ups: u64,
}

#[derive(Debug)]
pub(crate) struct Notes {
    tally: watch::Sender<Tally>,
    bodies: Mutex<Vec<String>>,
}

impl Upstream {
    /// Starts it on a free port of this machine.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let notes = Arc::new(Notes {
            tally: watch::Sender::new(Tally::default()),
            bodies: Mutex::default(),
        });
        let server = tokio::spawn(serve(listener, Arc::clone(&notes)));
        Ok(Self { address, notes, server })
    }

    /// Where it is, as a provider's `base_url`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// How many calls came so far.
    pub fn requests(&self) -> u64 {
        self.notes.tally.borrow().requests
    }

    /// The body of every call so far, in the order in which they came.
    pub fn bodies(&self) -> Vec<String> {
        self.notes.bodies().clone()
    }

    /// Waits until so many calls came.
    pub async fn requests_reach(&self, count: u64) {
        let mut tally = self.notes.tally.subscribe();
        let _ = tally.wait_for(|tally| tally.requests >= count).await;
    }

    /// Waits until so many clients hung up before their answer was complete.
    pub async fn hang_ups_reach(&self, count: u64) {
        let mut tally = self.notes.tally.subscribe();
        let _ = tally.wait_for(|tally| tally.hang_ups >= count).await;
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Notes {
    fn arrived(&self, body: String) {
        self.bodies().push(body);
        self.tally.send_modify(|tally| tally.requests += 1);
    }

    fn hung_up(&self) {
        self.tally.send_modify(|tally| tally.hang_ups += 1);
    }

    fn bodies(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(listener: TcpListener, notes: Arc<Notes>) {
    // Aborting the server drops the set, and with it every connection.
    let mut open = tokio::task::JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        while open.try_join_next().is_some() {}
        if tcp.set_nodelay(true).is_ok() {
            open.spawn(converse(Peer::new(tcp), Arc::clone(&notes)));
        }
    }
}

/// Answers one connection's requests until either side is done.
async fn converse(mut peer: Peer, notes: Arc<Notes>) {
    while let Some(request) = peer.request().await {
        if request.method == "GET" {
            let list = r#"{"object":"list","data":[{"id":"ok","object":"model","created":1,"owned_by":"testkit"}]}"#;
            if peer.answer("200 OK", "", list.as_bytes()).await.is_err() {
                return;
            }
            continue;
        }
        let Request { body, .. } = request;
        let asked: Value = serde_json::from_str(&body).unwrap_or_default();
        notes.arrived(body);
        let model = asked.get("model").and_then(Value::as_str).unwrap_or_default();
        let streamed = asked.get("stream").and_then(Value::as_bool).unwrap_or_default();
        let played = match Behaviour::named(model) {
            Some(behaviour) => script::play(behaviour, streamed, peer).await,
            None => script::unknown_model(peer).await,
        };
        match played {
            Ok(Some(again)) => peer = again,
            Ok(None) => return,
            Err(_) => {
                notes.hung_up();
                return;
            }
        }
    }
}
