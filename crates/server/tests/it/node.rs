//! A kijun process of our own, and the plainest HTTP client.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

pub(crate) const API_KEY: &str = "sk-test-project-key";
pub(crate) const ADMIN_KEY: &str = "sk-test-admin-key";

/// A running node; killed when dropped.
pub(crate) struct Node {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    /// What it printed until it was ready.
    pub(crate) banner: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Its `x-request-id`, which is also its record's.
    pub(crate) id: String,
    pub(crate) body: String,
}

/// `kijun` with its data in `folder` and nothing of this machine's environment.
pub(crate) fn kijun(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kijun"));
    command.env_clear().env("KIJUN_DISCOVERY_LOCAL_SERVERS", "false");
    command.arg("--data-dir").arg(folder.join("data"));
    command
}

/// Runs a command to its end.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    kijun(folder).args(arguments).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Node {
    /// Starts a node with known keys on a free port and waits until it is ready.
    pub(crate) fn start(folder: &Path) -> Self {
        let mut command = kijun(folder);
        command.env("KIJUN_BOOTSTRAP_API_KEY", API_KEY).env("KIJUN_BOOTSTRAP_ADMIN_KEY", ADMIN_KEY);
        Self::spawn(command)
    }

    /// Starts this command on a free port and waits until it is ready.
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut banner = String::new();
        let address = loop {
            let line = lines.next().expect("the banner").unwrap();
            banner.push_str(&line);
            banner.push('\n');
            if let Some((_, rest)) = line.split_once("Kijun is ready: ") {
                let (_, rest) = rest.split_once("://").unwrap();
                break rest.trim_end_matches("/v1").parse().unwrap();
            }
        };
        // The banner is one write: its other lines are there.
        for line in lines.by_ref().map_while(Result::ok) {
            banner.push_str(&line);
            banner.push('\n');
            if line.trim_start().starts_with("Models") {
                break;
            }
        }
        Self { child, address, banner }
    }

    /// Sends a request and reads the whole response: status and body.
    pub(crate) fn send(&self, method: &str, path: &str, key: &str, body: &str) -> (u16, String) {
        self.try_send(method, path, key, body).expect("a response")
    }

    pub(crate) fn try_send(
        &self,
        method: &str,
        path: &str,
        key: &str,
        body: &str,
    ) -> Option<(u16, String)> {
        let response = self.try_exchange(method, path, key, body)?;
        Some((response.status, response.body))
    }

    pub(crate) fn try_exchange(
        &self,
        method: &str,
        path: &str,
        key: &str,
        body: &str,
    ) -> Option<Response> {
        let mut stream = self.request(method, path, key, body)?;
        let mut response = String::new();
        stream.read_to_string(&mut response).ok()?;
        let status = response.split(' ').nth(1)?.parse().ok()?;
        let (head, body) = response.split_once("\r\n\r\n")?;
        let id = head.lines().find_map(|line| line.strip_prefix("x-request-id: "))?;
        Some(Response { status, id: id.to_owned(), body: body.to_owned() })
    }

    /// Sends a request and leaves the response to be read.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        key: &str,
        body: &str,
    ) -> Option<TcpStream> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: kijun\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body.as_bytes()).ok()?;
        Some(stream)
    }

    pub(crate) fn chat(&self, key: &str, message: &str) -> (u16, String) {
        self.send("POST", "/v1/chat/completions", key, &chat_body(message, false))
    }

    /// Requests in the ledger, by the usage API.
    pub(crate) fn recorded(&self) -> u64 {
        let path = "/v1/organization/usage/completions?start_time=1&bucket_width=1d&limit=31";
        // The buckets of a page are counted from the start: begin just before today.
        let today = std::process::Command::new("date").arg("+%s").output().unwrap();
        let today: u64 = String::from_utf8_lossy(&today.stdout).trim().parse().unwrap();
        let path = path.replace("start_time=1", &format!("start_time={}", today - 86_400));
        let (status, body) = self.send("GET", &path, ADMIN_KEY, "");
        assert_eq!(status, 200, "{body}");
        let page: serde_json::Value = serde_json::from_str(&body).unwrap();
        let buckets = page["data"].as_array().unwrap().iter();
        let results = buckets.flat_map(|bucket| bucket["results"].as_array().unwrap());
        results.map(|result| result["num_model_requests"].as_u64().unwrap()).sum()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn chat_body(message: &str, stream: bool) -> String {
    serde_json::json!({
        "model": "kijun-sim",
        "stream": stream,
        "messages": [{"role": "user", "content": message}],
    })
    .to_string()
}

/// An address on which nothing listens.
pub(crate) fn taken_port() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}
