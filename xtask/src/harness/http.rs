//! As much HTTP/1.1 as the upstreams and the load generators need: keep-alive, lengths, chunks. Written
//! out instead of taken from hyper, so that the harness costs little beside what it measures and
//! decides itself where one write ends and the next begins.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection, and what was read from it but not yet used.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

/// The head of a request or a response.
pub(crate) struct Head {
    /// All of it, with the blank line.
    pub(crate) bytes: Bytes,
    framing: Framing,
    /// Whether the connection ends after this message.
    pub(crate) closes: bool,
}

#[derive(Clone, Copy)]
enum Framing {
    Length(usize),
    Chunks,
}

impl Head {
    /// The second word of the first line: a request's path, a response's status.
    pub(crate) fn second_word(&self) -> &[u8] {
        self.bytes.split(|byte| *byte == b' ').nth(1).unwrap_or_default()
    }

    /// What a header says; `None` where it is not there.
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        fields(&self.bytes).find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))?.1.into()
    }
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        // Events leave one by one, as a model makes them.
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: BytesMut::with_capacity(64 * 1024) })
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next head; `None` if the peer is done.
    pub(crate) async fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                return parse(self.buffer.split_to(end + 4).freeze()).map(Some);
            }
            if self.more().await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(broken("head")) };
            }
        }
    }

    /// The body that follows a head.
    pub(crate) async fn body(&mut self, head: &Head) -> io::Result<Bytes> {
        match head.framing {
            Framing::Length(length) => self.take(length).await,
            Framing::Chunks => self.chunks().await,
        }
    }

    /// The next chunk of a body that comes in chunks; `None` after the last.
    pub(crate) async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        let line = self.line().await?;
        let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let size = std::str::from_utf8(size).ok().map(str::trim);
        let size = size.and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.ok_or_else(|| broken("chunk size"))?;
        if size == 0 {
            // Trailers, if any, then the blank line.
            while !self.line().await?.is_empty() {}
            return Ok(None);
        }
        let chunk = self.take(size).await?;
        self.take(2).await?;
        Ok(Some(chunk))
    }

    /// Ends the connection by a reset instead of an orderly end.
    pub(crate) fn reset(self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    /// Waits until the peer hangs up.
    pub(crate) async fn gone(&mut self) {
        while matches!(self.more().await, Ok(read) if read > 0) {}
    }

    async fn chunks(&mut self) -> io::Result<Bytes> {
        let mut body = BytesMut::with_capacity(16 * 1024);
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    async fn line(&mut self) -> io::Result<Bytes> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n") {
                let line = self.buffer.split_to(end).freeze();
                self.buffer.advance(2);
                return Ok(line);
            }
            self.expect_more("chunk").await?;
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Bytes> {
        while self.buffer.len() < length {
            self.expect_more("body").await?;
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    async fn expect_more(&mut self, what: &str) -> io::Result<()> {
        match self.more().await? {
            0 => Err(broken(what)),
            _ => Ok(()),
        }
    }

    async fn more(&mut self) -> io::Result<usize> {
        self.buffer.reserve(16 * 1024);
        self.stream.read_buf(&mut self.buffer).await
    }
}

fn parse(bytes: Bytes) -> io::Result<Head> {
    let mut framing = Framing::Length(0);
    let mut closes = false;
    for (name, value) in fields(&bytes) {
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
            framing = Framing::Length(length.ok_or_else(|| broken("content-length"))?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            framing = Framing::Chunks;
        } else if name.eq_ignore_ascii_case(b"connection") {
            closes = value.eq_ignore_ascii_case(b"close");
        }
    }
    Ok(Head { bytes, framing, closes })
}

/// The names and values of a head's lines after the first.
fn fields(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    head.split(|byte| *byte == b'\n').skip(1).filter_map(|line| {
        let (name, value) = line.split_at(memchr::memchr(b':', line)?);
        Some((name, value.get(1..).unwrap_or_default().trim_ascii()))
    })
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("broken {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn received(bytes: &'static [u8]) -> Connection {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut sender = TcpStream::connect(address).await.unwrap();
        let (receiver, _) = listener.accept().await.unwrap();
        for piece in bytes.chunks(7) {
            sender.write_all(piece).await.unwrap();
        }
        Connection::new(receiver).unwrap()
    }

    #[tokio::test]
    async fn lengths_and_chunks_follow_each_other_on_one_connection() {
        let mut connection = received(
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc\
              HTTP/1.1 429 No\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
              2;x=y\r\nde\r\n1\r\nf\r\n0\r\n\r\n",
        )
        .await;
        let head = connection.head().await.unwrap().unwrap();
        assert_eq!((head.second_word(), head.closes), (b"200".as_slice(), false));
        assert_eq!(connection.body(&head).await.unwrap().as_ref(), b"abc");
        assert_eq!(head.header("CONTENT-length"), Some(b"3".as_slice()));
        assert_eq!(head.header("content"), None);
        let head = connection.head().await.unwrap().unwrap();
        assert_eq!((head.second_word(), head.closes), (b"429".as_slice(), true));
        assert_eq!(connection.body(&head).await.unwrap().as_ref(), b"def");
        assert!(connection.head().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_an_error() {
        let mut connection = received(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").await;
        let head = connection.head().await.unwrap().unwrap();
        assert!(connection.body(&head).await.is_err());
    }
}
