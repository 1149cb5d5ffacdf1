//! The leases of one organisation, and the questions about them that are under way.

use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::lease::Lease;
use super::link::Link;
use crate::limiter::counters::{Count as _, Counters};
use crate::limiter::lock;
use crate::limiter::permit::{Change, Ledger};
use crate::shared::{Answer, Ask};

/// A question about one lease, by its key on this node.
pub(super) type Question = (u64, Ask);

/// The leases of one organisation.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) link: Arc<Link>,
    pub(super) leases: Mutex<Counters<Lease>>,
    /// Wakes the callers that wait for an answer.
    pub(super) answered: Notify,
}

impl Book {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link, leases: Mutex::default(), answered: Notify::new() }
    }

    /// Asks in a task of its own: a caller that gives up does not take the answer with it.
    pub(super) fn launch(self: &Arc<Self>, questions: Vec<Question>) {
        if questions.is_empty() {
            return;
        }
        match Handle::try_current() {
            Ok(runtime) => {
                let book = Arc::clone(self);
                runtime.spawn(async move { book.ask(questions).await });
            }
            // A permit that outlives the runtime; nobody is left to ask.
            Err(_) => self.note(&questions, None),
        }
    }

    /// Asks, and asks again while there are places to free.
    pub(super) async fn ask(&self, mut questions: Vec<Question>) {
        while !questions.is_empty() {
            let asks: Vec<Ask> = questions.iter().map(|(_, ask)| ask.clone()).collect();
            let answers = self.link.ask(&asks).await.ok();
            self.note(&questions, answers.as_deref());
            self.answered.notify_waiters();
            questions = self.places_to_free(questions.iter().map(|(key, _)| *key));
        }
    }

    /// Notes the answers; without any, that the place did not answer.
    fn note(&self, questions: &[Question], answers: Option<&[Answer]>) {
        let mut leases = lock(&self.leases);
        let now = self.link.clock.now();
        for (index, (key, ask)) in questions.iter().enumerate() {
            let Some(lease) = leases.get_mut(*key) else { continue };
            match answers.and_then(|answers| answers.get(index)) {
                Some(answer) => lease.answered(ask, answer, now),
                None => lease.failed(ask),
            }
        }
    }

    fn places_to_free(&self, keys: impl Iterator<Item = u64>) -> Vec<Question> {
        let terms = self.link.terms();
        let mut leases = lock(&self.leases);
        let mut questions = Vec::new();
        for key in keys {
            let lease = leases.get_mut(key).filter(|lease| lease.frees_places(&terms));
            if let Some(ask) = lease.and_then(|lease| lease.settle(&terms, false)) {
                questions.push((key, ask));
            }
        }
        questions
    }
}

impl Ledger for Book {
    fn change(self: Arc<Self>, keys: &mut dyn Iterator<Item = u64>, change: Change) {
        let keys: Vec<u64> = keys.collect();
        let mut leases = lock(&self.leases);
        let now = self.link.clock.now();
        for key in &keys {
            let Some(lease) = leases.get_mut(*key) else { continue };
            match change {
                Change::Charge(units) => lease.charge(units, now),
                Change::Refund(units) => lease.refund(units, now),
            }
        }
        drop(leases);
        if matches!(change, Change::Refund(_)) {
            // Who waits on this node is served from here; only what is left over goes to others.
            self.answered.notify_waiters();
            self.launch(self.places_to_free(keys.into_iter()));
        }
    }
}
