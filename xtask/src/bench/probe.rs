//! Two things that no load shows: how soon a started process answers, and how soon a hang-up
//! arrives upstream.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::ChildStdout;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::mock::{HOLD, HOLDING, HUNG_UP};
use super::target::KEY;
use crate::Error;
use crate::harness::process::Process;

const POLL: Duration = Duration::from_millis(2);
const START_PATIENCE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(5);

/// What the mock says, and when it said it.
pub(super) struct MockEvents(Receiver<(Instant, String)>);

impl MockEvents {
    pub(super) fn of(stdout: ChildStdout) -> Self {
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        Self(receiver)
    }

    fn forget(&self) {
        while self.0.try_recv().is_ok() {}
    }

    fn wait_for(&self, event: &str) -> Option<Instant> {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.checked_duration_since(Instant::now())?;
            let (at, said) = self.0.recv_timeout(left).ok()?;
            if said == event {
                return Some(at);
            }
        }
    }
}

/// Waits for the first answered call; returns how long it took since `started`.
pub(super) fn first_answer(
    port: u16,
    process: &mut Process,
    started: Instant,
) -> Result<Duration, Error> {
    while started.elapsed() < START_PATIENCE {
        if answers(port) {
            return Ok(started.elapsed());
        }
        if !process.is_running() {
            return Err(process.error("ended before it answered a call"));
        }
        std::thread::sleep(POLL);
    }
    Err(process.error("answered no call in 30 s"))
}

/// Whether a call is answered with 200.
fn answers(port: u16) -> bool {
    let mut start = [0; 12];
    send(port, "hello", false, "close").and_then(|mut socket| socket.read_exact(&mut start)).is_ok()
        && start.ends_with(b" 200")
}

/// How long a hang-up takes to the upstream; `None` if it does not arrive in time.
///
/// # Errors
/// [`Error`] when the call does not even reach the upstream.
pub(super) fn hang_up(
    port: u16,
    stream: bool,
    mock: &MockEvents,
) -> Result<Option<Duration>, Error> {
    mock.forget();
    let broken = || Error::io("make a call that is hung up");
    let mut connection = send(port, HOLD, stream, "keep-alive").map_err(broken())?;
    if mock.wait_for(HOLDING).is_none() {
        return Err(Error::process("mock", "the call that was to be hung up never arrived"));
    }
    let mut seen = Vec::new();
    while stream && memchr::memmem::find(&seen, b"data: ").is_none() {
        let mut piece = [0; 4096];
        let read = connection.read(&mut piece).map_err(broken())?;
        seen.extend_from_slice(piece.get(..read).unwrap_or_default());
        if read == 0 {
            return Err(Error::process("gateway", "ended the stream before its first event"));
        }
    }
    let at = Instant::now();
    drop(connection);
    Ok(mock.wait_for(HUNG_UP).map(|arrived| arrived.duration_since(at)))
}

fn send(port: u16, say: &str, stream: bool, connection: &str) -> std::io::Result<TcpStream> {
    let mut socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    let body = format!(
        "{{\"model\":\"bench\",\"stream\":{stream},\
         \"messages\":[{{\"role\":\"user\",\"content\":\"{say}\"}}]}}"
    );
    let length = body.len();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\
         authorization: Bearer {KEY}\r\nconnection: {connection}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    socket.write_all(request.as_bytes())?;
    Ok(socket)
}
