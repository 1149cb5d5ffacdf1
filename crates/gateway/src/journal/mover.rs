//! Carries settled calls from the journal to the database, in order, in batches.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use admission::Spending;
use kernel::{ApiKeyId, CallRecord, Timestamp};
use store::{Store, StoreError};

use super::segment::{self, Position};
use super::{DiskState, Journal, Next, Step, aside, line};

/// How long written records wait before they are carried, unless there are many, and at most before
/// they are flushed.
const PERIOD: Duration = Duration::from_millis(200);
/// How long the database may take for a batch. One that has hung answers nothing, not even an
/// error.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes read at once; about 2 500 records.
const BATCH_BYTES: u64 = 1_500_000;
/// The longest pause between two tries while the database is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The journal's way to the database.
#[derive(Debug)]
pub struct Mover {
    journal: Arc<Journal>,
    store: Store,
    spending: Spending,
    /// Records from here on are this process's; those before it an earlier one left.
    ours: Position,
    at: Position,
    /// What was taken and is not in the database yet.
    taken: Option<Batch>,
}

impl Mover {
    /// A mover that goes on where the last one stopped.
    pub fn new(journal: Arc<Journal>, store: Store, spending: Spending) -> Self {
        let at = *journal.carried.borrow();
        let ours = journal.ours;
        Self { journal, store, spending, ours, at, taken: None }
    }

    /// Carries and flushes for ever. Drop the future to stop; what is left is carried at the next
    /// start.
    pub async fn run(self) {
        let journal = Arc::clone(&self.journal);
        let disk = Arc::clone(&journal.disk);
        tokio::join!(self.keep_carrying(), keep_flushing(&journal), disk.watch());
    }

    async fn keep_carrying(mut self) {
        let mut pause = PERIOD;
        loop {
            match self.carry_all().await {
                Ok(()) => {
                    pause = PERIOD;
                    self.journal.written.notified().await;
                    let _ = tokio::time::timeout(PERIOD, self.journal.many.notified()).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "settled calls wait in the journal until the database answers");
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Carries what is there now. What comes meanwhile waits for the next period: many small
    /// batches would cost more than one.
    async fn carry_all(&mut self) -> Result<(), CarryError> {
        self.carry_refused().await?;
        let goal = self.journal.lock_writer().at;
        loop {
            let batch = match self.taken.take() {
                Some(batch) => batch,
                None => self.take_batch().await?,
            };
            let next = batch.next;
            if next == self.at {
                self.journal.is_even();
                self.spending.all_carried();
                return Ok(());
            }
            self.journal.steps.take(Step::Taken);
            if let Err(error) = self.carry(&batch).await {
                self.taken = Some(batch);
                return Err(error);
            }
            self.journal.steps.take(Step::Inserted);
            if self.at >= self.ours {
                self.journal.done_with(batch.records.len());
            }
            self.arrive(next).await;
            if next >= goal {
                // What was settled before this began is carried.
                self.spending.all_carried();
                return Ok(());
            }
        }
    }

    async fn carry(&self, batch: &Batch) -> Result<(), CarryError> {
        if batch.damaged > 0 {
            tracing::error!(
                lines = batch.damaged,
                segment = self.at.segment,
                "damaged journal lines were passed over"
            );
        }
        self.insert(&batch.records, self.at >= self.ours).await?;
        Ok(self.store.api_key_touch(&last_uses(&batch.records)).await?)
    }

    /// Puts records into the database. One that it does not take is put aside, so that the rest goes
    /// on. `ours`: whether this process made them; then its reservations are over.
    async fn insert(&self, records: &[CallRecord], ours: bool) -> Result<(), CarryError> {
        let holder = if ours { self.spending.holder() } else { "" };
        let mut left = Cow::Borrowed(records);
        loop {
            let insert = self.store.call_insert(holder, &left);
            match tokio::time::timeout(PATIENCE, insert).await {
                Err(_) => return Err(CarryError::Hung),
                Ok(Err(StoreError::Unstorable { id, reason })) => {
                    let at = left.iter().position(|record| record.id == id);
                    let Some(at) = at else { return Err(CarryError::Unknown) };
                    let record = left.to_mut().remove(at);
                    self.put_aside(record, reason).await?;
                }
                Ok(inserted) => {
                    let inserted = inserted?;
                    if ours {
                        self.spending.carried(&inserted.spent);
                    }
                    return Ok(());
                }
            }
        }
    }

    async fn put_aside(&self, record: CallRecord, reason: String) -> io::Result<()> {
        tracing::error!(
            call = %record.id, reason,
            "the database does not take this call's record; it lies in the journal's aside.jsonl"
        );
        let folder = self.journal.folder.clone();
        blocking(move || aside::put(&folder, &record, &reason)).await?;
        self.journal.aside.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Carries what the disk refused.
    async fn carry_refused(&self) -> Result<(), CarryError> {
        loop {
            let batch: Vec<CallRecord> =
                self.journal.lock_refused().iter().take(1_000).cloned().collect();
            if batch.is_empty() {
                return Ok(());
            }
            self.insert(&batch, true).await?;
            let mut refused = self.journal.lock_refused();
            let before = refused.len();
            // Only what was carried: the oldest may have been let go, or written, meanwhile.
            for record in &batch {
                if refused.front().is_some_and(|front| front.id == record.id) {
                    refused.pop_front();
                }
            }
            self.journal.done_with(before - refused.len());
        }
    }

    async fn take_batch(&self) -> io::Result<Batch> {
        let next = self.journal.lock_writer().next(self.at);
        match next {
            Next::Records(records, next) => Ok(Batch { records, damaged: 0, next }),
            Next::Files(end) => {
                let (folder, at) = (self.journal.folder.clone(), self.at);
                blocking(move || Batch::read(&folder, at, end)).await
            }
        }
    }

    /// Goes on from the new place, and lets go of segments that are carried whole: those first, for
    /// on a full disk there is no room to remember the place. Whoever starts without having
    /// remembered it carries some records again, which changes nothing.
    async fn arrive(&mut self, next: Position) {
        let (folder, steps) = (self.journal.folder.clone(), self.journal.steps.clone());
        let next = match self.journal.disk.state() {
            DiskState::Full => self.journal.lock_writer().leave_behind(&folder, next),
            DiskState::Roomy | DiskState::FillingUp => next,
        };
        let let_go = move || {
            for number in segment::list(&folder)? {
                if number < next.segment {
                    segment::remove(&folder, number)?;
                    steps.take(Step::Removed);
                }
            }
            segment::write_cursor(&folder, next, &steps)
        };
        if let Err(error) = blocking(let_go).await {
            tracing::warn!(%error, "how far the journal is carried could not be remembered");
        }
        self.at = next;
        self.journal.carried.send_replace(next);
    }
}

/// Bounds what a power cut (not a killed process) could lose to about one period, whether the
/// database is there or not; and writes what the disk refused once it has room.
async fn keep_flushing(journal: &Arc<Journal>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        if let Err(error) = flush(journal).await {
            tracing::warn!(%error, "the journal could not be flushed");
        }
        if !journal.lock_refused().is_empty() {
            let journal = Arc::clone(journal);
            let written = blocking(move || {
                journal.write_refused();
                Ok(())
            });
            let _ = written.await;
        }
    }
}

async fn flush(journal: &Journal) -> io::Result<()> {
    let files = {
        let mut writer = journal.lock_writer();
        if !std::mem::take(&mut writer.unsynced) {
            return Ok(());
        }
        let mut files = std::mem::take(&mut writer.turned);
        files.push(writer.file.try_clone()?);
        files
    };
    blocking(move || files.iter().try_for_each(std::fs::File::sync_data)).await
}

/// Why a batch could not be carried.
#[derive(Debug, thiserror::Error)]
enum CarryError {
    #[error("the journal: {0}")]
    Journal(#[from] io::Error),
    #[error("the database: {0}")]
    Store(#[from] store::StoreError),
    #[error("the database names a record that was not sent")]
    Unknown,
    #[error("the database did not take a batch within {} s", PATIENCE.as_secs())]
    Hung,
}

#[derive(Debug)]
struct Batch {
    records: Vec<CallRecord>,
    damaged: usize,
    next: Position,
}

impl Batch {
    /// Reads whole lines from `at`, up to `end`, at most to the end of one segment.
    fn read(folder: &std::path::Path, at: Position, end: Position) -> io::Result<Self> {
        let mut batch = Self { records: Vec::new(), damaged: 0, next: at };
        let segments = segment::list(folder)?;
        let Some(number) = segments.into_iter().find(|number| *number >= at.segment) else {
            return Ok(batch);
        };
        let from = if number == at.segment { at } else { Position { segment: number, offset: 0 } };
        let live = number == end.segment;
        let most = if live { end.offset.saturating_sub(from.offset) } else { u64::MAX };
        let bytes = segment::read(folder, from, most.min(BATCH_BYTES))?;
        if bytes.is_empty() {
            // The end of an old segment: go on with the next.
            let next = if live { from } else { Position { segment: number + 1, offset: 0 } };
            batch.next = next.max(at);
            return Ok(batch);
        }
        // A tail without a newline in an old segment was torn by a kill.
        let torn = if live { 0 } else { bytes.len() };
        let whole = memrchr_newline(&bytes).unwrap_or(torn);
        for line in bytes.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n') {
            match line::read(line) {
                Some(record) => batch.records.push(record),
                None if line.is_empty() => {}
                None => batch.damaged += 1,
            }
        }
        batch.next = Position { segment: number, offset: from.offset + whole as u64 };
        Ok(batch)
    }
}

/// When each key was last used. In one order, so that nodes which write the same ones do not wait in
/// a circle.
fn last_uses(records: &[CallRecord]) -> Vec<(ApiKeyId, Timestamp)> {
    let mut uses: BTreeMap<&ApiKeyId, Timestamp> = BTreeMap::new();
    for record in records {
        let last = uses.entry(&record.api_key).or_default();
        *last = (*last).max(record.started_at);
    }
    uses.into_iter().map(|(key, at)| (key.clone(), at)).collect()
}

/// The length of `bytes` up to and with its last newline.
fn memrchr_newline(bytes: &[u8]) -> Option<usize> {
    bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::super::line::tests::record;
    use super::super::{FRESH_RECORDS, JournalConfig, Steps, WhenFull};
    use super::*;

    fn read_all(folder: &std::path::Path, mut at: Position, end: Position) -> (Vec<String>, usize) {
        let (mut ids, mut damaged) = (Vec::new(), 0);
        loop {
            let batch = Batch::read(folder, at, end).unwrap();
            if batch.next == at {
                return (ids, damaged);
            }
            ids.extend(batch.records.iter().map(|record| record.id.to_string()));
            damaged += batch.damaged;
            at = batch.next;
        }
    }

    #[test]
    fn records_of_a_killed_process_are_found_and_torn_lines_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), JournalConfig::default()).unwrap();
        journal.append(record("req_1"));
        journal.append(record("req_2"));
        drop(journal);
        // A kill in the middle of a write, and a damaged line before it.
        let first = folder.path().join(format!("{:020}.journal", 1));
        let mut bytes = std::fs::read(&first).unwrap();
        bytes.extend_from_slice(b"xxxxxxxx {broken}\n00000000 {\"id\":\"req_");
        std::fs::write(&first, bytes).unwrap();

        let journal = Journal::open(folder.path(), JournalConfig::default()).unwrap();
        journal.append(record("req_3"));
        let end = journal.lock_writer().at;
        assert_eq!(end.segment, 2);
        let (ids, damaged) = read_all(folder.path(), Position::default(), end);
        assert_eq!(ids, ["req_1", "req_2", "req_3"]);
        assert_eq!(damaged, 2);
    }

    #[test]
    fn what_has_no_room_in_memory_is_read_from_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), JournalConfig::default()).unwrap();
        let all: Vec<String> = (0..FRESH_RECORDS + 10).map(|n| format!("req_{n}")).collect();
        for id in &all {
            journal.append(record(id));
        }
        let (mut at, mut seen) = (Position::default(), Vec::new());
        loop {
            let next = journal.lock_writer().next(at);
            let batch = match next {
                Next::Records(records, next) => Batch { records, damaged: 0, next },
                Next::Files(end) => Batch::read(folder.path(), at, end).unwrap(),
            };
            if batch.next == at {
                break;
            }
            seen.extend(batch.records.iter().map(|record| record.id.to_string()));
            at = batch.next;
        }
        assert_eq!(seen, all, "each once, in order");
        journal.append(record("req_after"));
        let Next::Records(records, _) = journal.lock_writer().next(at) else { panic!("in memory") };
        assert_eq!(records.len(), 1);
    }

    #[test]
    fn the_cursor_is_where_reading_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), JournalConfig::default()).unwrap();
        journal.append(record("req_1"));
        let middle = journal.lock_writer().at;
        journal.append(record("req_2"));
        let end = journal.lock_writer().at;
        segment::write_cursor(folder.path(), middle, &Steps::default()).unwrap();
        let at = segment::read_cursor(folder.path()).unwrap();
        assert_eq!(read_all(folder.path(), at, end).0, ["req_2"]);
    }

    #[test]
    fn what_the_disk_refused_is_written_once_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let config = JournalConfig {
            when_full: WhenFull::Refuse,
            held_records: 2,
            ..JournalConfig::default()
        };
        let journal = Journal::open(folder.path(), config).unwrap();
        journal.append(record("req_1"));
        journal.disk.refused();
        journal.refuse(record("req_2"));
        assert!(!journal.takes_calls());
        journal.write_refused();
        assert!(journal.takes_calls());
        let end = journal.lock_writer().at;
        let (ids, _) = read_all(folder.path(), Position::default(), end);
        assert_eq!(ids, ["req_1", "req_2"]);
    }

    #[test]
    fn a_segment_that_is_carried_whole_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), JournalConfig::default()).unwrap();
        journal.append(record("req_1"));
        let middle = journal.lock_writer().at;
        journal.append(record("req_2"));
        let mut writer = journal.lock_writer();
        assert_eq!(writer.leave_behind(folder.path(), middle), middle);
        let end = writer.at;
        let next = writer.leave_behind(folder.path(), end);
        assert_eq!(next, Position { segment: end.segment + 1, offset: 0 });
        assert!(writer.turned.is_empty(), "who keeps it open keeps its room");
        assert_eq!(writer.leave_behind(folder.path(), next), next, "it is empty");
    }
}
