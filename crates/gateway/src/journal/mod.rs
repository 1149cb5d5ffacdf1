//! The journal: settled calls on their way to the database.
//!
//! A record is one `write(2)` to a local file before the client sees the end of its answer, so a
//! killed process loses none. A mover carries whole batches to the database and only then lets go
//! of the file. Ids make the hand-over idempotent: a record carried twice counts once. With the
//! database away, records wait in the files and no call is refused.

mod line;
mod mover;
mod segment;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kernel::CallRecord;
use tokio::sync::{Notify, watch};

pub use mover::Mover;
use segment::Position;

/// How large a segment grows before the next one is begun.
const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

/// Records kept in memory while the disk refuses them; the oldest are counted and let go beyond.
const REFUSED_RECORDS: usize = 100_000;

/// Written records that are also kept in memory, so that the mover need not read them back: two
/// megabytes or so. When the database is too slow for that, it reads the files.
const FRESH_RECORDS: usize = 4_096;

/// Where calls are settled. One per node; the node's lock on its data directory keeps a second
/// writer away.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    writer: Mutex<Writer>,
    /// Records that the disk refused, for the mover to carry from memory.
    refused: Mutex<VecDeque<CallRecord>>,
    /// Records let go because disk and database were away at once for very long.
    lost: AtomicU64,
    written: Notify,
    carried: watch::Sender<Position>,
}

#[derive(Debug)]
struct Writer {
    file: File,
    at: Position,
    /// Where the last record begins.
    last_start: Position,
    /// Reused for every record, so that a settled call allocates nothing here.
    line: Vec<u8>,
    /// Files that hold what the disk may not have yet, but for the one that is written.
    turned: Vec<File>,
    unsynced: bool,
    fresh: Fresh,
}

/// The newest records, in memory.
#[derive(Debug)]
struct Fresh {
    records: Vec<CallRecord>,
    /// Where in the files the first of them stands.
    from: Position,
    /// Where the last of them ends, if there was no room for those after it.
    until: Option<Position>,
}

/// What the mover is to carry next.
#[derive(Debug)]
enum Next {
    /// These records, which end here.
    Records(Vec<CallRecord>, Position),
    /// What the files hold up to here.
    Files(Position),
}

impl Journal {
    /// Opens the journal in `folder`, made if absent. What an earlier process left there is still
    /// to be carried.
    ///
    /// # Errors
    /// When the folder cannot be made, read or written.
    pub fn open(folder: &Path) -> io::Result<Self> {
        segment::make_folder(folder)?;
        let next = segment::list(folder)?.last().map_or(1, |last| last + 1);
        let start = segment::read_cursor(folder)?;
        let file = segment::create(folder, next)?;
        let at = Position { segment: next, offset: 0 };
        Ok(Self {
            folder: folder.to_owned(),
            writer: Mutex::new(Writer {
                file,
                at,
                last_start: at,
                line: Vec::with_capacity(1024),
                turned: Vec::new(),
                unsynced: false,
                fresh: Fresh { records: Vec::new(), from: at, until: None },
            }),
            refused: Mutex::default(),
            lost: AtomicU64::new(0),
            written: Notify::new(),
            carried: watch::Sender::new(start),
        })
    }

    /// Writes one settled call. Never fails: what the disk refuses waits in memory.
    pub fn append(&self, record: CallRecord) {
        let mut writer = self.lock_writer();
        match writer.append(&self.folder, &record) {
            Ok(()) => writer.remember(record),
            Err(error) => {
                drop(writer);
                tracing::error!(%error, call = %record.id, "the journal could not be written; the record waits in memory");
                self.refuse(record);
            }
        }
        self.written.notify_one();
    }

    /// Waits until everything written so far is in the database, or `patience` is over.
    /// Returns whether it is.
    pub async fn carried(&self, patience: Duration) -> bool {
        let goal = self.lock_writer().at;
        let mut carried = self.carried.subscribe();
        self.written.notify_one();
        let arrived = carried.wait_for(|position| *position >= goal);
        let done = matches!(tokio::time::timeout(patience, arrived).await, Ok(Ok(_)));
        done && self.lock_refused().is_empty()
    }

    fn refuse(&self, record: CallRecord) {
        let mut refused = self.lock_refused();
        if refused.len() >= REFUSED_RECORDS {
            refused.pop_front();
            let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
            if lost % 1_000 == 1 {
                tracing::error!(
                    lost,
                    "records of calls are lost: neither the disk nor the database takes them, and memory is full"
                );
            }
        }
        refused.push_back(record);
    }

    fn lock_writer(&self) -> std::sync::MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn lock_refused(&self) -> std::sync::MutexGuard<'_, VecDeque<CallRecord>> {
        self.refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Writer {
    fn append(&mut self, folder: &Path, record: &CallRecord) -> io::Result<()> {
        self.line.clear();
        line::write(record, &mut self.line)?;
        if self.at.offset >= SEGMENT_BYTES {
            self.turn_over(folder)?;
        }
        let before = self.at.offset;
        if let Err(error) = self.file.write_all(&self.line) {
            // A torn line must not swallow the next record.
            let _ = self.file.set_len(before);
            return Err(error);
        }
        self.last_start = self.at;
        self.at.offset += self.line.len() as u64;
        self.unsynced = true;
        Ok(())
    }

    /// Keeps what was just written at hand for the mover, while there is room.
    fn remember(&mut self, record: CallRecord) {
        let fresh = &mut self.fresh;
        if fresh.until.is_some() {
            return;
        }
        if fresh.records.len() < FRESH_RECORDS {
            fresh.records.push(record);
        } else {
            fresh.until = Some(self.last_start);
        }
    }

    /// What comes after `at`.
    fn next(&mut self, at: Position) -> Next {
        let fresh = &mut self.fresh;
        if at < fresh.from {
            return Next::Files(fresh.from);
        }
        let end = fresh.until.take().unwrap_or(self.at);
        // What had no room is in the files only; from now on there is room again.
        fresh.from = self.at;
        Next::Records(std::mem::take(&mut fresh.records), end)
    }

    /// Begins the next segment. The mover deletes the old one once it is carried.
    fn turn_over(&mut self, folder: &Path) -> io::Result<()> {
        let next = self.at.segment + 1;
        let file = segment::create(folder, next)?;
        self.turned.push(std::mem::replace(&mut self.file, file));
        self.at = Position { segment: next, offset: 0 };
        Ok(())
    }
}
