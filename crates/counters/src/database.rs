//! Shared counters in PostgreSQL, by the store's SQL.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use admission::shared::{Answer, Answering, Ask, Drawn, Heard, Held, Shared, SharedError};
use store::{CounterDraw, PlaceHold, Store, StoreError};

/// After how many round trips what is over is deleted.
const PURGE_EVERY: u64 = 5_000;

/// Counters in the database.
#[derive(Debug)]
pub(crate) struct Database {
    store: Store,
    node: String,
    lives: Duration,
    asked: AtomicU64,
}

impl Database {
    /// The counters in this store, for a node of this name. What the node holds is its own for as
    /// long as it `lives` without saying so again.
    pub(crate) fn new(store: Store, node: &str, lives: Duration) -> Self {
        Self { store, node: node.to_owned(), lives, asked: AtomicU64::new(0) }
    }

    async fn answers(&self, asks: &[Ask]) -> Result<Vec<Answer>, StoreError> {
        let (mut draws, mut holds) = (Vec::new(), Vec::new());
        for ask in asks {
            match ask {
                Ask::Draw(draw) => draws.push(CounterDraw {
                    key: draw.key.to_string(),
                    amount: draw.amount,
                    window_us: draw.window,
                    charge: draw.charge,
                    want: draw.want,
                    at_least: draw.at_least,
                    born: draw.heard.born,
                    full_at: draw.heard.full_at,
                }),
                Ask::Hold(hold) => holds.push(PlaceHold {
                    key: hold.key.to_string(),
                    amount: hold.amount,
                    held: hold.held,
                    want: hold.want,
                    at_least: hold.at_least,
                }),
            }
        }
        let (mut drawn, mut held) = (Vec::new(), Vec::new());
        if !draws.is_empty() {
            drawn = self.store.shared_counter_draw(&draws).await?;
        }
        if !holds.is_empty() {
            held = self.store.shared_place_hold(&self.node, self.lives, &holds).await?;
        }
        if self.asked.fetch_add(1, Ordering::Relaxed) % PURGE_EVERY == PURGE_EVERY - 1 {
            self.store.shared_counter_purge().await?;
        }
        let (mut drawn, mut held) = (drawn.into_iter(), held.into_iter());
        let answers = asks.iter().filter_map(|ask| match ask {
            Ask::Draw(_) => drawn.next().map(|drawn| {
                let heard = Heard { born: drawn.born, full_at: drawn.full_at };
                Answer::Drawn(Drawn { granted: drawn.granted, reset: drawn.reset, heard })
            }),
            Ask::Hold(_) => held.next().map(|held| {
                let (granted, total, holders) = (held.granted, held.total, held.holders);
                Answer::Held(Held { granted, total, holders })
            }),
        });
        Ok(answers.collect())
    }
}

impl Shared for Database {
    fn ask<'a>(&'a self, asks: &'a [Ask]) -> Answering<'a> {
        Box::pin(async move {
            let answers = self.answers(asks).await;
            answers.map_err(|error| SharedError::Unavailable { reason: error.to_string() })
        })
    }
}
