//! What a node does with the bank beside its calls: one question at a time, so that what the bank
//! says and what the accounts have never cross on the way.

use std::future::Future;
use std::time::Duration;

use store::StoreError;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::Spending;

/// How often the bank hears that this node is alive.
const RENEWAL: Duration = Duration::from_secs(60);

/// How long a bank that did not answer is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// How often what is old is forgotten.
const TRIM: Duration = Duration::from_secs(86_400);

/// How the bank has answered so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Answered {
    /// How many questions it has answered.
    pub(super) questions: u64,
    /// It did not answer the last one.
    pub(super) away: bool,
}

impl Spending {
    /// Asks the bank for leases as calls need them, keeps them, and gives back what is idle. Runs
    /// for ever; drop it to stop.
    pub async fn run(&self) {
        let mut renewal = interval(RENEWAL);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut trimmed = Instant::now();
        loop {
            let mut renew = tokio::select! {
                _ = renewal.tick() => true,
                () = self.0.wake.notified() => false,
            };
            while let Err(error) = self.turn(renew).await {
                if !self.0.answered.borrow().away {
                    tracing::warn!(%error, "the database does not answer: this node spends what it has leased of each budget, and no more");
                }
                self.with(|accounts| accounts.bank_is_away());
                self.0.answered.send_modify(|answered| answered.away = true);
                sleep(PAUSE).await;
                // What came of the last question is not known.
                renew = true;
            }
            if trimmed.elapsed() > TRIM && self.ask(self.0.bank.trim()).await.is_ok() {
                trimmed = Instant::now();
            }
        }
    }

    /// Gives back what is leased and not needed. For a node that stops, after the records of its
    /// calls were carried.
    pub async fn leave(&self) {
        let (returns, nothing_held) = self.with(|accounts| accounts.give_up());
        let left = match nothing_held {
            true => self.ask(self.0.bank.leave()).await,
            false => self.ask(self.0.bank.give_back(&returns)).await,
        };
        if let Err(error) = left {
            tracing::debug!(%error, "leases of budgets end by themselves in ten minutes");
        }
    }

    /// Everything that there is to do now.
    pub(super) async fn turn(&self, renew: bool) -> Result<(), StoreError> {
        let bank = &self.0.bank;
        if renew {
            let now = self.now();
            self.with(|accounts| accounts.sweep(now));
        }
        let returns = self.with(|accounts| accounts.take_returns());
        if !returns.is_empty()
            && let Err(error) = self.ask(bank.give_back(&returns)).await
        {
            self.with(|accounts| accounts.keep_returns(returns));
            return Err(error);
        }
        if renew {
            let now = self.now();
            let changes = self.with(|accounts| accounts.changes());
            let renewed = self.ask(bank.renew()).await?;
            self.with(|accounts| accounts.renewed(renewed, changes, now));
        }
        if self.with(|accounts| accounts.reset_is_due()) {
            self.ask(bank.reset()).await?;
            self.with(|accounts| accounts.was_reset());
        }
        loop {
            let (number, asks) = self.with(|accounts| accounts.questions());
            if !asks.is_empty() {
                let now = self.now();
                let drawn = self.ask(bank.draw(&asks)).await?;
                self.with(|accounts| accounts.drawn(&asks, &drawn, now));
            }
            if self.with(|accounts| accounts.bank_is_back()) {
                tracing::info!("the database answers again: budgets are shared by all nodes");
            }
            self.0.answered.send_replace(Answered { questions: number, away: false });
            if asks.is_empty() {
                return Ok(());
            }
        }
    }

    async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        timeout(self.0.patience, question).await.unwrap_or_else(|_| {
            let reason = format!("it did not answer in {} ms", self.0.patience.as_millis());
            Err(StoreError::Unavailable { reason })
        })
    }
}
