//! The journal: settled calls on their way to the database.
//!
//! A record is one `write(2)` to a local file before the client sees the end of its answer, so a
//! killed process loses none. A mover carries whole batches to the database and only then lets go
//! of the file. Ids make the hand-over idempotent: a record carried twice counts once. With the
//! database away, records wait in the files and no call is refused.

mod aside;
mod disk;
mod line;
mod mover;
mod segment;
mod steps;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kernel::CallRecord;
use tokio::sync::{Notify, watch};

use disk::Disk;
pub use disk::{DiskState, JournalConfig, WhenFull};
pub use mover::Mover;
use segment::Position;
pub use steps::{Step, Steps};

/// Written records that are also kept in memory, so that the mover need not read them back: two
/// megabytes or so. When the database is too slow for that, it reads the files.
const FRESH_RECORDS: usize = 4_096;
/// With so many of them the mover sets out before its period is over: larger batches cost a record
/// no less, and hold memory and the database's thread for longer at a time.
const MANY_RECORDS: usize = FRESH_RECORDS / 4;

/// Where calls are settled. One per node; the node's lock on its data directory keeps a second
/// writer away.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    config: JournalConfig,
    steps: Steps,
    disk: Arc<Disk>,
    writer: Mutex<Writer>,
    /// Records that the disk refused, for the mover to carry from memory.
    refused: Mutex<VecDeque<CallRecord>>,
    /// Records let go because disk and database were away at once for very long.
    lost: AtomicU64,
    /// Records that the database does not take, put aside in a file.
    aside: AtomicU64,
    /// Records of this process that are not in the database yet.
    waiting: AtomicU64,
    /// When nothing waited last.
    even: Mutex<Instant>,
    written: Notify,
    /// There are [`MANY_RECORDS`].
    many: Notify,
    carried: watch::Sender<Position>,
    /// Where this process began to write.
    ours: Position,
}

/// How the journal is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalState {
    /// Records of this process that are not in the database yet.
    pub waiting_records: u64,
    /// Bytes of records that are not in the database yet.
    pub waiting_bytes: u64,
    /// For how long some have been waiting.
    pub waiting_for: Duration,
    /// Records that the disk refused and memory holds.
    pub held_records: u64,
    /// Records that were lost, since the start.
    pub lost_records: u64,
    /// Records that the database does not take; they lie aside in a file.
    pub aside_records: u64,
    /// How full the disk is.
    pub disk: DiskState,
    /// Free bytes on the disk.
    pub free_bytes: u64,
    /// Bytes on the disk in all.
    pub size_bytes: u64,
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
    pub fn open(folder: &Path, config: JournalConfig) -> io::Result<Self> {
        Self::open_telling(folder, config, Steps::default())
    }

    /// As [`Journal::open`]; each step of the hand-over is told.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_telling(folder: &Path, config: JournalConfig, steps: Steps) -> io::Result<Self> {
        segment::make_folder(folder)?;
        let next = segment::list(folder)?.last().map_or(1, |last| last + 1);
        let start = segment::read_cursor(folder)?;
        let file = segment::create(folder, next)?;
        let at = Position { segment: next, offset: 0 };
        Ok(Self {
            folder: folder.to_owned(),
            config,
            steps,
            disk: Arc::new(Disk::of(folder.to_owned(), config.warn_free_bytes)?),
            aside: AtomicU64::new(aside::count(folder)?),
            waiting: AtomicU64::new(0),
            even: Mutex::new(Instant::now()),
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
            many: Notify::new(),
            carried: watch::Sender::new(start),
            ours: at,
        })
    }

    /// Writes one settled call. Never fails: what the disk refuses waits in memory.
    pub fn append(&self, record: CallRecord) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if let Err(refused) = self.write(record) {
            let (error, record) = *refused;
            tracing::debug!(%error, call = %record.id, "the journal could not be written; the record waits in memory");
            self.disk.refused();
            self.refuse(record);
        }
        self.steps.take(Step::Written);
        self.written.notify_one();
    }

    /// Writes to the disk, or gives the record back.
    fn write(&self, record: CallRecord) -> Result<(), Box<(io::Error, CallRecord)>> {
        let mut writer = self.lock_writer();
        if let Err(error) = writer.append(self, &record) {
            return Err(Box::new((error, record)));
        }
        let many = writer.remember(record) == MANY_RECORDS;
        drop(writer);
        if many {
            self.many.notify_one();
        }
        self.disk.took();
        Ok(())
    }

    /// Writes what the disk refused, as far as there is room again: what waits in memory only would
    /// die with the process.
    fn write_refused(&self) {
        loop {
            let front = self.lock_refused().pop_front();
            let Some(record) = front else { return };
            if let Err(refused) = self.write(record) {
                self.lock_refused().push_front(refused.1);
                return;
            }
            self.written.notify_one();
        }
    }

    /// These records are in the database, or aside.
    fn done_with(&self, records: usize) {
        self.waiting.fetch_sub(records as u64, Ordering::Relaxed);
    }

    /// Nothing waits.
    fn is_even(&self) {
        *self.even.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Whether another call may go out: its record will be kept, or the operator does not mind.
    pub fn takes_calls(&self) -> bool {
        self.config.when_full == WhenFull::Shed
            || self.disk.state() != DiskState::Full
            // Half of the memory is for the calls that are under way.
            || self.lock_refused().len() < self.config.held_records / 2
    }

    /// How it is doing.
    pub fn state(&self) -> JournalState {
        let carried = *self.carried.borrow();
        let waiting_records = self.waiting.load(Ordering::Relaxed);
        let even = self.even.lock().unwrap_or_else(PoisonError::into_inner);
        JournalState {
            waiting_records,
            waiting_for: if waiting_records > 0 { even.elapsed() } else { Duration::ZERO },
            waiting_bytes: segment::bytes_from(&self.folder, carried).unwrap_or(0),
            held_records: self.lock_refused().len() as u64,
            lost_records: self.lost.load(Ordering::Relaxed),
            aside_records: self.aside.load(Ordering::Relaxed),
            disk: self.disk.state(),
            free_bytes: self.disk.free(),
            size_bytes: self.disk.size(),
        }
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
        if refused.len() >= self.config.held_records {
            refused.pop_front();
            let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
            self.done_with(1);
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
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_refused(&self) -> std::sync::MutexGuard<'_, VecDeque<CallRecord>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    fn append(&mut self, journal: &Journal, record: &CallRecord) -> io::Result<()> {
        self.line.clear();
        line::write(record, &mut self.line)?;
        if self.at.offset >= journal.config.segment_bytes {
            self.turn_over(&journal.folder)?;
            journal.steps.take(Step::Turned);
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

    /// Keeps what was just written at hand for the mover, while there is room. Returns how many are.
    fn remember(&mut self, record: CallRecord) -> usize {
        let fresh = &mut self.fresh;
        if fresh.until.is_none() && fresh.records.len() < FRESH_RECORDS {
            fresh.records.push(record);
        } else {
            fresh.until.get_or_insert(self.last_start);
        }
        fresh.records.len()
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

    /// Begins the next segment if all is carried up to `carried`, so that this one can be let go of:
    /// also by us, since a deleted file that is open keeps its room. Returns from where on there is
    /// something to carry.
    fn leave_behind(&mut self, folder: &Path, carried: Position) -> Position {
        // Where there is no room even for an empty file, it stays.
        if carried != self.at || carried.offset == 0 || self.turn_over(folder).is_err() {
            return carried;
        }
        self.turned.clear();
        self.unsynced = false;
        self.at
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
