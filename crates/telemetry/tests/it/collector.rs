//! A collector: takes what is posted to it, over plain sockets, and answers as it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Posted {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// The running collector. Dropping it ends it.
pub(crate) struct Collector {
    address: SocketAddr,
    posted: Arc<Mutex<Vec<Posted>>>,
    server: JoinHandle<()>,
}

impl Collector {
    /// Starts one that gives these answers, one after the other, and the last one from then on.
    pub(crate) async fn answering(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let posted: Arc<Mutex<Vec<Posted>>> = Arc::default();
        let notes = Arc::clone(&posted);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, Arc::clone(&notes), answers));
            }
        });
        Self { address, posted, server }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was posted to this path, in order.
    pub(crate) fn posted(&self, path: &str) -> Vec<Posted> {
        let line = format!("POST {path} HTTP/1.1\r\n");
        let posted = self.posted.lock().unwrap();
        posted.iter().filter(|one| one.head.starts_with(&line)).cloned().collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn converse(
    mut stream: TcpStream,
    notes: Arc<Mutex<Vec<Posted>>>,
    answers: &'static [&'static str],
) {
    let mut read = Vec::new();
    loop {
        while let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(read[..end + 4].to_vec()).unwrap();
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0);
            if read.len() < end + 4 + length {
                break;
            }
            let body = read[end + 4..end + 4 + length].to_vec();
            read.drain(..end + 4 + length);
            let answer = {
                let mut notes = notes.lock().unwrap();
                notes.push(Posted { head, body });
                answers.get(notes.len() - 1).or(answers.last()).unwrap()
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        match stream.read_buf(&mut read).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}
