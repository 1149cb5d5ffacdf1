//! A client of the node: kept connections, requests with a key, answers read whole.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::http::{Connection, Head};

/// The API key that calls carry, and the one of the administration.
pub(super) const API_KEY: &str = "sk-soak-0123456789abcdefghijklmnopqrstuvwxyz";
pub(super) const ADMIN_KEY: &str = "sk-admin-soak-0123456789abcdefghijklmnopqrst";

/// A connection that was idle for longer may be closed by the node just when it is used.
const FRESH: Duration = Duration::from_secs(5);
/// What a slow reader's socket holds, so that what it does not read waits in the node.
const NARROW: u32 = 16 * 1024;

/// What is asked.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) key: &'a str,
    /// More lines of the head, each with its end.
    pub(super) headers: &'a str,
    pub(super) body: &'a [u8],
}

/// What came.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: Head,
    pub(super) body: Bytes,
}

/// Where calls go.
pub(super) struct Client {
    port: u16,
    idle: Mutex<Vec<(Instant, Connection)>>,
}

impl<'a> Request<'a> {
    pub(super) fn post(path: &'a str, body: &'a [u8]) -> Self {
        let headers = "content-type: application/json\r\n";
        Self { method: "POST", path, key: API_KEY, headers, body }
    }

    pub(super) fn get(path: &'a str) -> Self {
        Self { method: "GET", path, key: API_KEY, headers: "", body: b"" }
    }

    pub(super) fn delete(path: &'a str) -> Self {
        Self { method: "DELETE", ..Self::get(path) }
    }

    pub(super) fn with_key(self, key: &'a str) -> Self {
        Self { key, ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { method, path, key, headers, body } = self;
        let length = body.len();
        let mut bytes = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n\
             user-agent: xtask-soak\r\n{headers}content-length: {length}\r\n\r\n"
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }
}

impl Answer {
    pub(super) fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| self.but(&error.to_string()))
    }

    /// This answer, where another was expected.
    pub(super) fn but(&self, expected: &str) -> String {
        let start = self.body.get(..self.body.len().min(200)).unwrap_or_default();
        format!("{expected}, but: {} {}", self.status, start.escape_ascii())
    }

    /// The answer, if its status is one of these.
    pub(super) fn with(self, statuses: &[u16]) -> Result<Self, String> {
        if statuses.contains(&self.status) {
            return Ok(self);
        }
        Err(self.but(&format!("expected {statuses:?}")))
    }

    /// How often a word is in the body.
    pub(super) fn count(&self, word: &str) -> usize {
        memchr::memmem::find_iter(&self.body, word).count()
    }
}

impl Client {
    pub(super) fn new(port: u16) -> Self {
        Self { port, idle: Mutex::default() }
    }

    /// Asks, and reads the answer whole.
    pub(super) async fn ask(&self, request: Request<'_>) -> Result<Answer, String> {
        let mut connection = self.connection().await?;
        connection.write(&request.bytes()).await.map_err(said)?;
        let head = connection.head().await.map_err(said)?.ok_or("closed before the answer")?;
        let body = connection.body(&head).await.map_err(said)?;
        if !head.closes {
            self.keep(connection);
        }
        Ok(Answer { status: status(&head), head, body })
    }

    /// Asks on a connection of its own, and reads nothing yet. A narrow one holds little.
    pub(super) async fn send(
        &self,
        request: Request<'_>,
        narrow: bool,
    ) -> Result<Connection, String> {
        let stream = if narrow {
            let socket = TcpSocket::new_v4().map_err(said)?;
            socket.set_recv_buffer_size(NARROW).map_err(said)?;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
            socket.connect(address).await.map_err(said)?
        } else {
            TcpStream::connect(("127.0.0.1", self.port)).await.map_err(said)?
        };
        let mut connection = Connection::new(stream).map_err(said)?;
        connection.write(&request.bytes()).await.map_err(said)?;
        Ok(connection)
    }

    async fn connection(&self) -> Result<Connection, String> {
        if let Some(connection) = self.kept() {
            return Ok(connection);
        }
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.map_err(said)?;
        Connection::new(stream).map_err(said)
    }

    /// The connection that was used last, so that those too many grow old and go.
    fn kept(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let old = idle.iter().take_while(|(since, _)| since.elapsed() > FRESH).count();
        idle.drain(..old);
        idle.pop().map(|(_, connection)| connection)
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((Instant::now(), connection));
    }
}

/// The status of an answer; 0 where it has none.
pub(super) fn status(head: &Head) -> u16 {
    std::str::from_utf8(head.second_word()).ok().and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[expect(clippy::needless_pass_by_value, reason = "it is for `map_err`")]
pub(super) fn said(error: std::io::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::super::upstream;
    use super::*;

    #[tokio::test]
    async fn a_connection_is_used_again() {
        let client = Client::new(upstream::tests::started().await);
        for _ in 0..3 {
            let answer = client.ask(Request::get("/v1/models")).await.unwrap();
            assert_eq!(answer.with(&[200]).unwrap().count("\"id\""), upstream::MODELS.len());
        }
        assert_eq!(client.idle.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn another_status_is_told_with_the_body() {
        let client = Client::new(upstream::tests::started().await);
        let answer = client.ask(Request::get("/nowhere")).await.unwrap();
        let error = answer.with(&[200, 201]).err().unwrap();
        assert!(error.starts_with("expected [200, 201], but: 404 {"), "{error}");
    }
}
