//! Where log lines go: into a bounded queue, from which a thread of its own writes them to standard
//! error. A pipe that nobody reads from, or a slow disk behind it, holds up that thread and nothing
//! else. Lines for which the queue has no room are counted and let go.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait.
const QUEUE: usize = 4_096;
/// How long the last lines get to leave when the process ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

enum Word {
    Line(Vec<u8>),
    /// Everything before this was written.
    Flushed(SyncSender<()>),
}

/// The queue's end where lines come in.
#[derive(Clone)]
pub(crate) struct LogLines {
    queue: SyncSender<Word>,
    dropped: Arc<AtomicU64>,
}

impl LogLines {
    /// Lines to standard error.
    pub(crate) fn to_stderr() -> io::Result<Self> {
        Self::to(io::stderr())
    }

    fn to(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, lines) = mpsc::sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&dropped);
        std::thread::Builder::new()
            .name("log".into())
            .spawn(move || write_all(out, &lines, &told))?;
        Ok(Self { queue, dropped })
    }

    /// Waits until what was logged so far is written, for a moment at most.
    pub(crate) fn flush(&self) {
        let (done, written) = mpsc::sync_channel(1);
        if self.queue.try_send(Word::Flushed(done)).is_ok() {
            let _ = written.recv_timeout(LAST_WORDS);
        }
    }
}

fn write_all(mut out: impl Write, lines: &Receiver<Word>, dropped: &AtomicU64) {
    while let Ok(word) = lines.recv() {
        match word {
            // A reader that went away must not take the node with it.
            Word::Line(line) => drop(out.write_all(&line)),
            Word::Flushed(done) => {
                let _ = out.flush();
                let _ = done.send(());
            }
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(out, "{lost} log lines were let go: nobody took them in time");
        }
    }
}

/// One event's line on its way in.
pub(crate) struct Line<'a> {
    lines: &'a LogLines,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let text = std::mem::take(&mut self.text);
        if !text.is_empty() && self.lines.queue.try_send(Word::Line(text)).is_err() {
            self.lines.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, text: Vec::new() }
    }
}

/// The lines of this process, once logging has begun.
static LINES: Mutex<Option<LogLines>> = Mutex::new(None);

/// Keeps the lines at hand for [`last_words`].
pub(crate) fn remember(lines: LogLines) {
    *LINES.lock().unwrap_or_else(PoisonError::into_inner) = Some(lines);
}

/// Lets what was logged reach standard error before the process ends.
pub(crate) fn last_words() {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(lines) = lines {
        lines.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(lines: &LogLines, text: &str) {
        lines.make_writer().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_full_pipe_holds_nobody_up() {
        let (reader, writer) = io::pipe().unwrap();
        let lines = LogLines::to(writer).unwrap();
        // Far more than pipe and queue hold, and nobody reads.
        let text = "x".repeat(1_000) + "\n";
        for _ in 0..3 * QUEUE {
            log(&lines, &text);
        }
        assert!(lines.dropped.load(Ordering::Relaxed) > 0);
        // Once somebody reads, the rest comes, and how many did not.
        let read = std::thread::spawn(move || io::read_to_string(reader).unwrap());
        while lines.dropped.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
        log(&lines, "the last line\n");
        lines.flush();
        drop(lines);
        let all = read.join().unwrap();
        assert!(all.contains("log lines were let go"), "{} bytes", all.len());
        assert!(all.ends_with("the last line\n"));
    }
}
