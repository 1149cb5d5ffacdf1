//! Whose turn it is to sweep: one row in the store says so, and until when.

use std::time::Duration;

use kernel::{SharedClock, Timestamp};
use store::{Store, StoreError};

/// The setting under which the turn is written down: who has it, and until which microsecond.
const NAME: &str = "retention.turn";
/// After this long without a sign of life the turn is another's.
const LENGTH: Duration = Duration::from_secs(300);

/// The right to sweep.
pub(crate) struct Turn<'a> {
    store: &'a Store,
    clock: &'a SharedClock,
    sweeper: &'a str,
    /// As it stands in the store.
    written: String,
    until: Timestamp,
}

impl<'a> Turn<'a> {
    /// Takes the turn, unless another has it.
    pub(crate) async fn take(
        store: &'a Store,
        clock: &'a SharedClock,
        sweeper: &'a str,
    ) -> Result<Option<Self>, StoreError> {
        let now = clock.now();
        let until = now.plus(LENGTH);
        let written = line(sweeper, until);
        let taken = match store.setting_get(NAME).await? {
            None => store.setting_claim(NAME, &written).await?,
            Some(held) if is_free(&held, sweeper, now) => {
                store.setting_swap(NAME, &held, &written).await?
            }
            Some(_) => false,
        };
        Ok(taken.then_some(Self { store, clock, sweeper, written, until }))
    }

    /// Gives a sign of life when one is due. Returns whether the turn is still ours.
    pub(crate) async fn keep(&mut self) -> Result<bool, StoreError> {
        let now = self.clock.now();
        match self.until.since(now) > LENGTH / 2 {
            true => Ok(true),
            false => self.write(now.plus(LENGTH)).await,
        }
    }

    /// Lets the next one have it.
    pub(crate) async fn give_back(mut self) -> Result<(), StoreError> {
        self.write(self.clock.now()).await.map(drop)
    }

    async fn write(&mut self, until: Timestamp) -> Result<bool, StoreError> {
        let line = line(self.sweeper, until);
        let ours = self.store.setting_swap(NAME, &self.written, &line).await?;
        (self.written, self.until) = (line, until);
        Ok(ours)
    }
}

fn line(sweeper: &str, until: Timestamp) -> String {
    format!("{sweeper} {}", until.as_micros())
}

/// Whether a sweeper may take the turn. A line that cannot be read holds nobody up; one's own is of
/// a sweep that broke off.
fn is_free(line: &str, sweeper: &str, now: Timestamp) -> bool {
    let Some((holder, until)) = line.split_once(' ') else { return true };
    let until = until.parse().map_or(now, Timestamp::from_micros);
    holder == sweeper || until <= now
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kernel::SystemRng;
    use testkit::FakeClock;

    use super::*;

    #[tokio::test]
    async fn one_sweeper_at_a_time_and_none_for_ever() {
        let fake = Arc::new(FakeClock::at(Timestamp::from_secs(1_800_000_000)));
        let clock: SharedClock = fake.clone();
        let store = Store::in_memory(clock.clone(), Arc::new(SystemRng)).await.unwrap();
        let take = async |name| Turn::take(&store, &clock, name).await.unwrap();

        let mut one = take("one").await.expect("nobody has it");
        assert!(take("two").await.is_none());
        fake.advance(LENGTH / 2);
        assert!(one.keep().await.unwrap());
        fake.advance(LENGTH / 2);
        assert!(take("two").await.is_none(), "it gave a sign of life");
        fake.advance(LENGTH);
        let two = take("two").await.expect("one is taken for dead");
        assert!(!one.keep().await.unwrap());
        one.give_back().await.unwrap();
        assert!(take("three").await.is_none(), "what is not one's own is not given back");
        drop(two);
        let two = take("two").await.expect("a sweep of its own that broke off holds nobody up");
        two.give_back().await.unwrap();
        assert!(take("three").await.is_some());
    }
}
