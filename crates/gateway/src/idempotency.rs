//! `Idempotency-Key`: a request that is sent again with its key gets the first answer again, and
//! is neither sent to a provider nor paid for twice.
//!
//! Answers are kept in memory, on the node that gave them, for a day or until room is needed;
//! nothing of them is written to disk. Failures are not kept, so they can be tried again.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use kernel::{Operation, ProjectId, SharedClock, Timestamp};

use wire::error::ErrorBody;

use crate::Refusal;

/// How long an answer is kept.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Bytes kept in all, answers with their keys and headers; the oldest make room.
const ROOM: usize = 16 * 1024 * 1024;
/// A larger answer is not kept.
const LARGEST: usize = 1024 * 1024;
/// The longest key, as Stripe's API has it.
const LONGEST_KEY: usize = 255;
/// What an entry costs beside its key, headers and body; generously.
const OVERHEAD: usize = 512;

/// The answers that are kept.
#[derive(Debug)]
pub struct Idempotency {
    clock: SharedClock,
    hasher: RandomState,
    shelf: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    entries: HashMap<Key, Entry>,
    /// Kept answers, oldest first.
    order: VecDeque<Key>,
    size: usize,
}

/// One client's key: keys of different projects and operations never meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key(ProjectId, Operation, Arc<str>);

#[derive(Debug)]
struct Entry {
    fingerprint: u64,
    since: Timestamp,
    /// `None` while the first request is under way.
    kept: Option<Kept>,
}

/// An answer that can be given again.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; a stream's events are kept as one.
    pub body: Bytes,
    /// Whether it was a stream.
    pub streamed: bool,
}

/// What to do with a request that carries a key.
pub enum Claim {
    /// It is the first: keep its answer by this ticket.
    First(Ticket),
    /// It was answered before.
    Again(Kept),
}

/// The right to keep an answer. Dropped without one, the key is free again.
#[derive(Debug)]
pub struct Ticket {
    shelf: Arc<Idempotency>,
    key: Option<Key>,
    gathered: Vec<u8>,
}

impl Idempotency {
    /// Nothing kept yet.
    pub fn new(clock: SharedClock) -> Arc<Self> {
        Arc::new(Self { clock, hasher: RandomState::new(), shelf: Mutex::default() })
    }

    /// Claims a key for a request.
    pub fn claim(
        self: &Arc<Self>,
        project: &ProjectId,
        operation: Operation,
        key: &str,
        body: &[u8],
    ) -> Result<Claim, Refusal> {
        if key.len() > LONGEST_KEY {
            let message = format!("Idempotency-Key is longer than {LONGEST_KEY} bytes");
            return Err(Refusal::Request(
                ErrorBody::invalid_request(message).at("Idempotency-Key"),
            ));
        }
        let key = Key(project.clone(), operation, key.into());
        let fingerprint = self.hasher.hash_one(body);
        let now = self.clock.now();
        let mut shelf = self.lock();
        shelf.forget_old(now);
        match shelf.entries.get(&key) {
            Some(entry) if entry.fingerprint != fingerprint => Err(Refusal::IdempotencyMismatch),
            Some(Entry { kept: Some(kept), .. }) => Ok(Claim::Again(kept.clone())),
            Some(Entry { kept: None, .. }) => Err(Refusal::IdempotencyInProgress),
            None => {
                shelf.entries.insert(key.clone(), Entry { fingerprint, since: now, kept: None });
                let shelf = Arc::clone(self);
                Ok(Claim::First(Ticket { shelf, key: Some(key), gathered: Vec::new() }))
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Gathers a piece of a stream.
    pub fn gather(&mut self, piece: &[u8]) {
        if self.key.is_none() {
            return;
        }
        if self.gathered.len() + piece.len() <= LARGEST {
            self.gathered.extend_from_slice(piece);
        } else {
            self.give_up();
        }
    }

    /// Keeps the stream that was gathered.
    pub fn keep_gathered(mut self, headers: HeaderMap) {
        let body = Bytes::from(std::mem::take(&mut self.gathered));
        self.keep(Kept { status: StatusCode::OK, headers, body, streamed: true });
    }

    /// Keeps an answer.
    pub fn keep(mut self, kept: Kept) {
        if kept.body.len() > LARGEST {
            return;
        }
        if let Some(key) = self.key.take() {
            self.shelf.lock().put(key, kept);
        }
    }

    fn give_up(&mut self) {
        if let Some(key) = self.key.take() {
            self.shelf.lock().entries.remove(&key);
        }
        self.gathered = Vec::new();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Shelf {
    fn put(&mut self, key: Key, kept: Kept) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        self.size += size(&key, &kept);
        entry.kept = Some(kept);
        self.order.push_back(key);
        while self.size > ROOM {
            self.drop_oldest();
        }
    }

    fn forget_old(&mut self, now: Timestamp) {
        while let Some(oldest) = self.order.front() {
            let old = |entry: &Entry| now.since(entry.since) > KEPT_FOR;
            if !self.entries.get(oldest).is_none_or(old) {
                break;
            }
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some(key) = self.order.pop_front() else { return };
        let kept = self.entries.remove(&key).and_then(|entry| entry.kept);
        self.size = self.size.saturating_sub(kept.map_or(0, |kept| size(&key, &kept)));
    }
}

/// About how much memory a kept answer takes.
fn size(key: &Key, kept: &Kept) -> usize {
    let headers = kept.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64);
    OVERHEAD + key.2.len() + headers.sum::<usize>() + kept.body.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::SystemClock;

    fn claim(shelf: &Arc<Idempotency>, project: &str, body: &str) -> Result<Claim, Refusal> {
        shelf.claim(&project.into(), Operation::Embeddings, "k", body.as_bytes())
    }

    fn kept(body: &str) -> Kept {
        Kept {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            streamed: false,
        }
    }

    #[test]
    fn the_first_answer_is_given_again() {
        let shelf = Idempotency::new(Arc::new(SystemClock));
        let Ok(Claim::First(ticket)) = claim(&shelf, "proj_1", "a") else { panic!("first") };
        assert!(matches!(claim(&shelf, "proj_1", "a"), Err(Refusal::IdempotencyInProgress)));
        ticket.keep(kept("answer"));
        let Ok(Claim::Again(again)) = claim(&shelf, "proj_1", "a") else { panic!("again") };
        assert_eq!(again.body, "answer");
        assert!(matches!(claim(&shelf, "proj_1", "b"), Err(Refusal::IdempotencyMismatch)));
        assert!(matches!(claim(&shelf, "proj_2", "b"), Ok(Claim::First(_))), "another project");
    }

    #[test]
    fn a_failed_request_frees_its_key() {
        let shelf = Idempotency::new(Arc::new(SystemClock));
        drop(claim(&shelf, "proj_1", "a"));
        assert!(matches!(claim(&shelf, "proj_1", "b"), Ok(Claim::First(_))));
    }

    #[test]
    fn room_is_bounded() {
        let shelf = Idempotency::new(Arc::new(SystemClock));
        let large = "x".repeat(LARGEST);
        for number in 0..40 {
            let key = number.to_string();
            let claimed = shelf.claim(&"proj_1".into(), Operation::Embeddings, &key, b"");
            let Ok(Claim::First(ticket)) = claimed else { panic!("first") };
            ticket.keep(kept(&large));
        }
        let shelf = shelf.lock();
        assert!(shelf.size <= ROOM);
        assert_eq!(shelf.entries.len(), shelf.order.len());
    }

    #[test]
    fn small_answers_count_with_all_they_take() {
        let shelf = Idempotency::new(Arc::new(SystemClock));
        for number in 0..ROOM / OVERHEAD + 10 {
            let key = number.to_string();
            let claimed = shelf.claim(&"proj_1".into(), Operation::Embeddings, &key, b"");
            let Ok(Claim::First(ticket)) = claimed else { panic!("first") };
            ticket.keep(kept(""));
        }
        assert!(shelf.lock().entries.len() < ROOM / OVERHEAD);
        let long = "k".repeat(LONGEST_KEY + 1);
        let refused = shelf.claim(&"proj_1".into(), Operation::Embeddings, &long, b"");
        assert!(matches!(refused, Err(Refusal::Request(_))));
    }
}
