//! One batch on one node: slice after slice is taken, its lines are asked side by side, and their
//! answers are written together.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use files::{FilesError, Reader};
use kernel::Timestamp;
use store::{Batch, BatchStatus, NewBatchResult, Standing, StoreError};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use crate::answer::Asker;
use crate::batches::Orders;
use crate::check::is_gone;
use crate::line::Line;
use crate::pace::Pace;
use crate::slices::unanswered;
use crate::{Batches, Endpoint};

/// How long an answer waits for others to be written with: a commit is a flush of the disk.
const WRITE_AFTER: Duration = Duration::from_millis(100);
/// Answers that are written without waiting longer.
const MOST_WAITING: usize = 64;
/// How long the database or the files are left alone after they failed.
const PAUSE: Duration = Duration::from_secs(1);

/// The work of this node on one batch.
pub(crate) struct Job {
    batches: Batches,
    batch: Arc<Batch>,
    asker: Option<Asker>,
    orders: watch::Receiver<Orders>,
    reader: Option<Reader>,
    /// The slices that are this node's, by number.
    held: HashMap<u32, Held>,
    /// Until when they are, as far as this node knows.
    held_until: Timestamp,
    /// Lines that nobody asks yet.
    waiting: VecDeque<Line>,
    asking: JoinSet<Option<NewBatchResult>>,
    answers: Vec<NewBatchResult>,
    /// Slices whose lines all have their answer.
    done: HashSet<u32>,
    /// When answers are written; there are some then.
    write_at: Option<Instant>,
    /// When another slice may be taken; `None`: there is none.
    take_at: Option<Instant>,
}

/// A slice that is this node's.
#[derive(Default)]
struct Held {
    /// Lines that have no answer yet.
    left: usize,
    asking: Vec<AbortHandle>,
}

impl Job {
    pub(crate) fn new(batches: Batches, batch: Batch, orders: watch::Receiver<Orders>) -> Self {
        let batch = Arc::new(batch);
        let pace = Arc::new(Pace::new(batches.config.concurrency()));
        let asker = Endpoint::of_path(&batch.endpoint).map(|endpoint| Asker {
            batches: batches.clone(),
            batch: Arc::clone(&batch),
            endpoint,
            pace,
            orders: orders.clone(),
        });
        Self {
            held_until: batches.clock.now(),
            batches,
            batch,
            asker,
            orders,
            reader: None,
            held: HashMap::new(),
            waiting: VecDeque::new(),
            asking: JoinSet::new(),
            answers: Vec::new(),
            done: HashSet::new(),
            write_at: None,
            take_at: Some(Instant::now()),
        }
    }

    /// Works until there is nothing left to take, or it is told to end.
    pub(crate) async fn run(mut self) {
        let every = self.batches.config.renewal();
        let mut renewal = interval_at(Instant::now() + every, every);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let end = *self.orders.borrow_and_update();
            match end {
                Some(_) => {
                    self.waiting.clear();
                    self.take_at = None;
                }
                None => self.begin().await,
            }
            let (write_at, take_at) = (self.write_at, self.take_at);
            if self.asking.is_empty() && write_at.is_none() && take_at.is_none() {
                break;
            }
            let room = self.asking.len() < self.batches.config.concurrency();
            tokio::select! {
                Some(heard) = self.asking.join_next() => {
                    // One that was cut off says nothing.
                    if let Ok(Some(answer)) = heard {
                        self.heard(answer);
                    }
                }
                () = at(write_at) => self.write().await,
                () = at(take_at), if room => {}
                _ = renewal.tick() => self.renew().await,
                _ = self.orders.changed(), if end.is_none() => {}
                () = at(end), if !self.asking.is_empty() => self.asking.abort_all(),
            }
            if self.answers.len() >= MOST_WAITING {
                self.write().await;
            }
        }
        self.release().await;
    }

    /// Takes slices while there is room, and asks as many lines as may be asked at once.
    async fn begin(&mut self) {
        let most = self.batches.config.concurrency();
        loop {
            while self.asking.len() < most
                && let Some(line) = self.waiting.pop_front()
            {
                self.ask(line);
            }
            if self.asking.len() >= most || self.take_at.is_none_or(|at| at > Instant::now()) {
                return;
            }
            match self.take().await {
                Ok(true) => {}
                Ok(false) => self.take_at = None,
                Err(error) if is_gone(&error) => {
                    tracing::error!(id = %self.batch.id, %error, "the input file of a batch is gone; the batch is cancelled");
                    let cancelled =
                        self.batches.store.batch_cancel(&self.batch.scope(), &self.batch.id).await;
                    match cancelled {
                        // Also where it is over already: then there is nothing to take either.
                        Ok(_) | Err(StoreError::Conflict { .. }) => self.take_at = None,
                        Err(error) => self.failed(&error),
                    }
                }
                Err(error) => self.failed(&error),
            }
        }
    }

    fn failed(&mut self, error: &dyn std::error::Error) {
        tracing::warn!(id = %self.batch.id, %error, "cannot take a slice of a batch; trying again");
        self.take_at = Some(Instant::now() + PAUSE);
    }

    /// Takes a slice, if one is left.
    async fn take(&mut self) -> Result<bool, FilesError> {
        let (scope, id) = (self.batch.scope(), &self.batch.id);
        let reader = match &self.reader {
            Some(reader) => reader.clone(),
            None => self.batches.files.open(&scope, &self.batch.input_file).await?,
        };
        self.reader = Some(reader.clone());
        let (lease, now) = (self.batches.lease(), self.batches.clock.now());
        let Some(taken) = self.batches.store.batch_slice_claim(&scope, id, lease, now).await?
        else {
            return Ok(false);
        };
        if self.held.is_empty() {
            self.held_until = lease.until;
        }
        let lines = unanswered(&reader, &taken).await?;
        let number = taken.slice.number;
        if lines.is_empty() {
            self.finished(number);
        }
        self.held.insert(number, Held { left: lines.len(), asking: Vec::new() });
        self.waiting.extend(lines);
        Ok(true)
    }

    fn ask(&mut self, line: Line) {
        let (Some(asker), Some(held)) = (&self.asker, self.held.get_mut(&line.slice)) else {
            return;
        };
        held.asking.push(self.asking.spawn(asker.clone().answer(line)));
    }

    fn heard(&mut self, answer: NewBatchResult) {
        let Some(held) = self.held.get_mut(&answer.slice) else { return };
        held.left = held.left.saturating_sub(1);
        if held.left == 0 {
            self.finished(answer.slice);
        }
        self.answers.push(answer);
        self.write_soon();
    }

    fn finished(&mut self, slice: u32) {
        self.done.insert(slice);
        self.write_soon();
    }

    fn write_soon(&mut self) {
        self.write_at.get_or_insert_with(|| Instant::now() + WRITE_AFTER);
    }

    /// Writes the answers that are there. What cannot be written is tried again while the lease
    /// lasts: it was paid for.
    async fn write(&mut self) {
        let done: Vec<u32> = self.done.iter().copied().collect();
        let (scope, id, node) = (self.batch.scope(), &self.batch.id, &self.batches.node);
        let store = &self.batches.store;
        match store.batch_result_insert(&scope, id, node, &self.answers, &done).await {
            Ok(standing) => {
                self.answers.clear();
                for number in self.done.drain() {
                    self.held.remove(&number);
                }
                self.write_at = None;
                self.stand(&standing);
            }
            Err(error) => {
                tracing::warn!(%id, %error, "answers of a batch cannot be written; trying again");
                self.write_at = Some(Instant::now() + PAUSE);
                self.check_lease();
            }
        }
    }

    async fn renew(&mut self) {
        self.batches.cancel_if_forbidden(&self.batch).await;
        // Slices that another node left are there for the taking.
        if self.orders.borrow().is_none() {
            self.take_at.get_or_insert_with(Instant::now);
        }
        let (scope, lease) = (self.batch.scope(), self.batches.lease());
        match self.batches.store.batch_slice_renew(&scope, &self.batch.id, lease).await {
            Ok(standing) => {
                self.held_until = lease.until;
                self.stand(&standing);
            }
            Err(error) => {
                tracing::warn!(id = %self.batch.id, %error, "the lease of a batch cannot be renewed; trying again");
                self.check_lease();
            }
        }
    }

    /// Drops the work that is not this node's any more, and stops where the batch was cancelled.
    fn stand(&mut self, standing: &Standing) {
        let lost = self.held.keys().filter(|number| !standing.slices.contains(number));
        for number in lost.copied().collect::<Vec<_>>() {
            tracing::warn!(id = %self.batch.id, slice = number, "a slice of a batch was lost to another node");
            self.lose(number);
        }
        match standing.status {
            BatchStatus::InProgress => {}
            BatchStatus::Cancelling => self.batches.stand_down(&self.batch.id),
            _ => self.take_at = None,
        }
    }

    /// Without a renewal in time, others have what this node held.
    fn check_lease(&mut self) {
        if self.batches.clock.now() < self.held_until {
            return;
        }
        for number in self.held.keys().copied().collect::<Vec<_>>() {
            self.lose(number);
        }
    }

    fn lose(&mut self, number: u32) {
        let Some(held) = self.held.remove(&number) else { return };
        for asking in held.asking {
            asking.abort();
        }
        self.waiting.retain(|line| line.slice != number);
        self.answers.retain(|answer| answer.slice != number);
        self.done.remove(&number);
        if self.answers.is_empty() && self.done.is_empty() {
            self.write_at = None;
        }
    }

    /// Gives back what was not answered, so that it is taken up at once.
    async fn release(&self) {
        let (scope, id) = (self.batch.scope(), &self.batch.id);
        if !self.held.is_empty()
            && let Err(error) =
                self.batches.store.batch_slice_release(&scope, id, &self.batches.node).await
        {
            tracing::warn!(%id, %error, "slices of a batch cannot be given back; their lease runs out");
        }
    }
}

/// Waits until then; for ever, if there is no then.
async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}
