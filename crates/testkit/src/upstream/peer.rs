//! One connection of the awkward upstream, from its side.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection.
#[derive(Debug)]
pub(super) struct Peer {
    tcp: TcpStream,
    read: Vec<u8>,
}

/// A request as it stood on the wire.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) body: String,
}

impl Peer {
    pub(super) const fn new(tcp: TcpStream) -> Self {
        Self { tcp, read: Vec::new() }
    }

    /// The next request; `None` if the client is done.
    pub(super) async fn request(&mut self) -> Option<Request> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await.ok()?;
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let length = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok())
            .unwrap_or(0usize);
        while self.read.len() < length {
            self.more().await.ok()?;
        }
        let body: Vec<u8> = self.read.drain(..length).collect();
        let method = head.split(' ').next().unwrap_or_default().to_owned();
        Some(Request { method, body: String::from_utf8_lossy(&body).into_owned() })
    }

    /// Reads more of what the client sends.
    ///
    /// # Errors
    /// When it hung up instead.
    pub(super) async fn more(&mut self) -> io::Result<()> {
        match self.tcp.read_buf(&mut self.read).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tcp.write_all(bytes).await
    }

    /// Sends bytes again and again until the client hangs up, which is the error that it ends
    /// with.
    pub(super) async fn send_for_ever(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (mut from, mut to) = self.tcp.split();
        let mut nothing = [0; 64];
        loop {
            tokio::select! {
                read = from.read(&mut nothing) => {
                    if read? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                written = to.write_all(bytes) => written?,
            }
            // Whoever shares the thread gets a turn, however fast the client reads.
            tokio::task::yield_now().await;
        }
    }

    /// Sends one chunk of a chunked body.
    pub(super) async fn chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send(&chunk(bytes)).await
    }

    /// Answers with a body of known length.
    pub(super) async fn answer(
        &mut self,
        status: &str,
        headers: &str,
        body: &[u8],
    ) -> io::Result<()> {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: \
             {length}\r\n\r\n"
        );
        self.send(head.as_bytes()).await?;
        self.send(body).await
    }

    /// Ends the connection with a reset instead of an orderly close.
    pub(super) fn reset(self) -> io::Result<()> {
        self.tcp.set_zero_linger()
    }
}

/// A chunk of a chunked body.
pub(super) fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}
