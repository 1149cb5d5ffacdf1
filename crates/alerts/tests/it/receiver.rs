//! A receiver of webhooks that answers as it is told, over plain sockets.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the receiver does with a post.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// This status, and further header lines.
    Status(u16, &'static str),
    /// None at all.
    Silence,
    /// It hangs up.
    HangUp,
}

#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) line: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

pub(crate) struct Receiver {
    pub(crate) url: String,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    posts: watch::Sender<Vec<Post>>,
    server: JoinHandle<()>,
}

impl Receiver {
    /// One that answers so, post by post, and 200 from then on.
    pub(crate) async fn start(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks?kind=all", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new(answers.iter().cloned().collect::<VecDeque<_>>()));
        let posts = watch::Sender::new(Vec::new());
        let (queue, seen) = (Arc::clone(&answers), posts.clone());
        let server = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(receive(tcp, Arc::clone(&queue), seen.clone()));
            }
        });
        Self { url, answers, posts, server }
    }

    pub(crate) fn posts(&self) -> Vec<Post> {
        self.posts.borrow().clone()
    }

    pub(crate) fn then(&self, answer: Answer) {
        self.answers.lock().unwrap().push_back(answer);
    }

    /// Waits until so many posts came.
    pub(crate) async fn posts_reach(&self, count: usize) {
        self.posts.subscribe().wait_for(|posts| posts.len() >= count).await.unwrap();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(
    tcp: TcpStream,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    posts: watch::Sender<Vec<Post>>,
) {
    let mut tcp = BufReader::new(tcp);
    let mut line = String::new();
    if tcp.read_line(&mut line).await.unwrap_or(0) == 0 {
        return;
    }
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        tcp.read_line(&mut header).await.unwrap();
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    tcp.read_exact(&mut body).await.unwrap();
    let answer = answers.lock().unwrap().pop_front().unwrap_or(Answer::Status(200, ""));
    let body = String::from_utf8(body).unwrap();
    let post = Post { line: line.trim_end().to_owned(), headers, body };
    posts.send_modify(|posts| posts.push(post));
    match answer {
        Answer::Status(status, more) => {
            let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n{more}\r\n");
            tcp.write_all(head.as_bytes()).await.unwrap();
        }
        Answer::HangUp => {}
        Answer::Silence => std::future::pending().await,
    }
}
