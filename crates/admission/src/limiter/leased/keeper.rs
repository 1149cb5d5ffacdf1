//! What is done beside the calls: heartbeats, giving back what lies idle, and looking for a place
//! that was lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::Leased;
use super::book::{Book, Question};
use super::lease::Lease;
use super::terms::Terms;
use crate::limiter::lock;
use crate::shared::Ask;

/// How often leases are looked through for what lies idle.
const ROUND: Duration = Duration::from_millis(200);

/// How often a place that was lost is tried.
const PROBE: Duration = Duration::from_millis(250);

/// Counters in one question.
const AT_ONCE: usize = 500;

impl Leased {
    /// See [`crate::Limiter::keep`].
    pub(in crate::limiter) async fn keep(&self) {
        let link = &self.link;
        let mut heartbeat_at = Instant::now();
        loop {
            if link.is_lost() {
                self.probe().await;
                heartbeat_at = Instant::now();
            }
            if link.is_lost() {
                sleep_until(Instant::now() + PROBE).await;
                continue;
            }
            let beats = Instant::now() >= heartbeat_at;
            if beats {
                heartbeat_at = Instant::now() + link.sharing.config.heartbeat;
                // What goes wrong is noted by the link.
                let _ = link.ask(&[link.heartbeat()]).await;
            }
            self.round(beats).await;
            tokio::select! {
                () = sleep_until(Instant::now() + ROUND) => {}
                () = link.lost.notified() => {}
            }
        }
    }

    /// See [`crate::Limiter::leave`].
    pub(in crate::limiter) async fn leave(&self) {
        let give_back = async {
            for book in self.organizations.all() {
                let questions = self.questions(&book, Lease::leave);
                for questions in questions.chunks(AT_ONCE) {
                    book.ask(questions.to_vec()).await;
                }
            }
            let _ = self.link.ask(&[self.link.farewell()]).await;
        };
        if !self.link.is_lost() {
            // A node that stops does not wait for the others' sake: what it holds expires.
            let _ = timeout(self.link.sharing.config.patience * 10, give_back).await;
        }
    }

    /// Looks whether the place answers again, in time. The first answer may have had to wait for a
    /// connection; the second shows how fast the place is.
    async fn probe(&self) {
        let link = &self.link;
        for _ in 0..2 {
            let asked_at = Instant::now();
            if link.ask(&[link.heartbeat()]).await.is_err() {
                return;
            }
            if asked_at.elapsed() <= link.sharing.config.patience {
                return link.find();
            }
        }
    }

    /// Gives back what lies idle; after a heartbeat, names the places in use anew.
    async fn round(&self, anew: bool) {
        for book in self.organizations.all() {
            let questions = self.questions(&book, |lease, terms| lease.settle(terms, anew));
            for questions in questions.chunks(AT_ONCE) {
                book.ask(questions.to_vec()).await;
            }
        }
    }

    fn questions(
        &self,
        book: &Arc<Book>,
        mut ask: impl FnMut(&mut Lease, &Terms) -> Option<Ask>,
    ) -> Vec<Question> {
        let terms = self.link.terms();
        let mut questions = Vec::new();
        lock(&book.leases).retain(|key, lease| {
            let asked = ask(lease, &terms);
            let untouched = asked.is_none() && lease.is_untouched();
            questions.extend(asked.map(|ask| (key, ask)));
            !untouched
        });
        questions
    }
}
