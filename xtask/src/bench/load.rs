//! The load generator: so many connections, each with one call after the other, for so long. It
//! reads every answer whole and checks it, so that a fast wrong answer is an error.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

use super::mock::EVENTS;
use crate::Error;
use crate::harness::http::Connection;
use crate::harness::statistics;

/// What to send, and for how long.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The port on 127.0.0.1.
    #[arg(long)]
    pub(super) port: u16,
    /// How many connections.
    #[arg(long)]
    pub(super) connections: usize,
    /// For how many milliseconds.
    #[arg(long)]
    pub(super) millis: u64,
    /// Asks for streams.
    #[arg(long)]
    pub(super) stream: bool,
    /// How many calls a second all connections send together; without it, as many as are answered.
    #[arg(long)]
    pub(super) rate: Option<u32>,
    /// The API key.
    #[arg(long)]
    pub(super) key: String,
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Calls that were answered rightly.
    pub calls: u64,
    /// Calls that were not.
    pub errors: u64,
    /// The first of them, in words.
    pub first_error: Option<String>,
    /// How long it took.
    pub seconds: f64,
    /// The median of the time a call took, in milliseconds.
    pub p50_ms: f64,
    /// The time that one call in a hundred exceeded.
    pub p99_ms: f64,
}

/// Longer than any call takes; one that is not answered by then is an error.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends the calls and prints the report as JSON.
///
/// # Errors
/// [`Error`] when the runtime does not start or the report cannot be printed.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<bool, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Error::io("start the runtime"))?;
    let report = runtime.block_on(send(options));
    let line = serde_json::to_string(&report)
        .map_err(|error| Error::process("load", error.to_string()))?;
    writeln!(out, "{line}").map_err(Error::io("print"))?;
    Ok(true)
}

#[derive(Default)]
struct Tally {
    latencies: Vec<Duration>,
    errors: u64,
    first_error: Option<String>,
}

async fn send(options: &Options) -> Report {
    let request: Arc<[u8]> = request(options).into();
    let start = Instant::now();
    let end = start + Duration::from_millis(options.millis);
    let workers: Vec<_> = (0..options.connections)
        .map(|number| {
            let call =
                Call { port: options.port, stream: options.stream, request: Arc::clone(&request) };
            tokio::spawn(call.repeat(Pace::of(options, number, start), end))
        })
        .collect();
    let mut all = Tally::default();
    for worker in workers {
        let tally = worker.await.unwrap_or_else(|error| Tally::of_error(&error.to_string()));
        all.latencies.extend(tally.latencies);
        all.errors += tally.errors;
        all.first_error = all.first_error.or(tally.first_error);
    }
    all.report(start.elapsed())
}

fn request(options: &Options) -> Vec<u8> {
    let (port, key) = (options.port, &options.key);
    let stream = if options.stream {
        ",\"stream\":true,\"stream_options\":{\"include_usage\":true}"
    } else {
        ""
    };
    let body = format!(
        "{{\"model\":\"bench\",\"messages\":[{{\"role\":\"system\",\"content\":\"You are brief.\"}},\
         {{\"role\":\"user\",\"content\":\"Say something about foxes.\"}}],\
         \"temperature\":0.5,\"max_tokens\":64{stream}}}"
    );
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\
         authorization: Bearer {key}\r\ncontent-type: application/json\r\naccept: */*\r\n\
         user-agent: xtask-bench\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// When a connection sends its calls: evenly, and between those of the others.
struct Pace {
    next: Option<Instant>,
    gap: Duration,
}

impl Pace {
    fn of(options: &Options, connection: usize, start: Instant) -> Self {
        let Some(rate) = options.rate else { return Self { next: None, gap: Duration::ZERO } };
        let calls = |calls: usize| Duration::from_secs_f64(calls as f64 / f64::from(rate));
        Self { next: Some(start + calls(connection)), gap: calls(options.connections) }
    }

    /// Waits for the next call's turn. A turn that was missed is not made up for.
    async fn turn(&mut self) {
        let Some(next) = self.next else { return };
        tokio::time::sleep_until(next.into()).await;
        self.next = Some((next + self.gap).max(Instant::now()));
    }
}

struct Call {
    port: u16,
    stream: bool,
    request: Arc<[u8]>,
}

impl Call {
    async fn repeat(self, mut pace: Pace, end: Instant) -> Tally {
        let mut tally = Tally::default();
        let mut connection = None;
        loop {
            pace.turn().await;
            let start = Instant::now();
            match tokio::time::timeout(PATIENCE, self.once(&mut connection)).await {
                Ok(Ok(())) => tally.latencies.push(start.elapsed()),
                Ok(Err(error)) => {
                    connection = None;
                    tally.note(&error);
                }
                Err(_) => {
                    connection = None;
                    tally.note("no answer in time");
                }
            }
            if Instant::now() >= end {
                return tally;
            }
            if connection.is_none() && tally.errors > 0 {
                // A target that refuses everything is not to be asked a million times.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    async fn once(&self, slot: &mut Option<Connection>) -> Result<(), String> {
        let said = |error: std::io::Error| error.to_string();
        let connection = match slot {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect(("127.0.0.1", self.port)).await.map_err(said)?;
                slot.insert(Connection::new(stream).map_err(said)?)
            }
        };
        connection.write(&self.request).await.map_err(said)?;
        let head = connection.head().await.map_err(said)?.ok_or("hung up before the answer")?;
        let body = connection.body(&head).await.map_err(said)?;
        if head.closes {
            *slot = None;
        }
        if head.second_word() != b"200" {
            return Err(format!("{}: {}", head.second_word().escape_ascii(), body.escape_ascii()));
        }
        let finder = |word: &str| memchr::memmem::find_iter(&body, word.as_bytes()).count();
        let (word, wanted) = if self.stream { ("data: ", EVENTS) } else { ("total_tokens", 1) };
        match finder(word) {
            found if found == wanted => Ok(()),
            found => Err(format!("`{word}` came {found} times, not {wanted}")),
        }
    }
}

impl Tally {
    fn of_error(error: &str) -> Self {
        let mut tally = Self::default();
        tally.note(error);
        tally
    }

    fn note(&mut self, error: &str) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.chars().take(300).collect());
    }

    fn report(mut self, elapsed: Duration) -> Report {
        self.latencies.sort_unstable();
        let percentile = |hundredths: usize| {
            statistics::percentile(&self.latencies, hundredths)
                .map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
        };
        Report {
            calls: self.latencies.len() as u64,
            errors: self.errors,
            seconds: elapsed.as_secs_f64(),
            p50_ms: percentile(50),
            p99_ms: percentile(99),
            first_error: self.first_error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::mock;

    fn options(port: u16, stream: bool) -> Options {
        Options { port, connections: 4, millis: 50, stream, rate: None, key: "k".to_owned() }
    }

    #[tokio::test]
    async fn both_kinds_of_answer_are_read_without_errors() {
        let port = mock::tests::started().await;
        for stream in [false, true] {
            let report = send(&options(port, stream)).await;
            assert_eq!((report.errors, report.first_error), (0, None));
            assert!(report.calls >= 4 && report.p50_ms > 0.0 && report.p99_ms >= report.p50_ms);
        }
    }

    #[tokio::test]
    async fn no_more_is_sent_than_the_rate_allows() {
        let port = mock::tests::started().await;
        let report = send(&Options { rate: Some(100), ..options(port, false) }).await;
        // Five in the time, and one for each of four connections that was waiting when it ended.
        assert!(report.errors == 0 && (4..=9).contains(&report.calls), "{report:?}");
    }

    #[tokio::test]
    async fn a_wrong_answer_is_an_error() {
        let port = mock::tests::started().await;
        // Whole answers where a stream was to be checked.
        let request: Arc<[u8]> = request(&options(port, false)).into();
        let error = Call { port, stream: true, request }.once(&mut None).await.unwrap_err();
        assert_eq!(error, "`data: ` came 0 times, not 53");
        let request: Arc<[u8]> = b"GET /nowhere HTTP/1.1\r\n\r\n".as_slice().into();
        let error = Call { port, stream: false, request }.once(&mut None).await.unwrap_err();
        assert!(error.starts_with("404: "), "{error}");
    }

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let latencies = (1..=200).rev().map(Duration::from_millis).collect();
        let report = Tally { latencies, ..Tally::default() }.report(Duration::from_secs(1));
        assert_eq!((report.calls, report.p50_ms, report.p99_ms), (200, 100.0, 198.0));
    }
}
