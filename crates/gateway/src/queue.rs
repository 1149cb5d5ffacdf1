//! Who goes first when a node has more calls than places.
//!
//! A node has a fixed number of places for calls under way. Each service tier has a share that is
//! its own: no other tier takes it, however many of its calls come. What is left is common, and the
//! most urgent tier that waits has it first. A call that finds no place waits for a while; if none
//! comes free, it is shed. When the node itself falls behind (its timers fire late), `flex` is shed
//! at once, then `default`; `priority` never is.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::ServiceTier;
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::Refusal;

/// How many calls a node answers at once, and who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// Calls under way at once.
    pub max_calls: usize,
    /// Of these, in percent: kept free for `priority`.
    pub priority_percent: usize,
    /// Kept free for `default`.
    pub default_percent: usize,
    /// Kept free for `flex`.
    pub flex_percent: usize,
    /// Calls of each tier that may wait for a place.
    pub max_waiting: usize,
    /// Milliseconds that a call waits for a place.
    pub patience_ms: u64,
    /// Milliseconds that a call of `flex` waits.
    pub flex_patience_ms: u64,
    /// Milliseconds by which this node's timers may be late before it sheds `flex`; twice as many,
    /// and it sheds `default`; 0: it never does.
    pub shed_lag_ms: u64,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            max_calls: 10_000,
            priority_percent: 20,
            default_percent: 40,
            flex_percent: 5,
            max_waiting: 1_000,
            patience_ms: 5_000,
            flex_patience_ms: 60_000,
            shed_lag_ms: 1_000,
        }
    }
}

/// How often the node looks whether its timers are late.
const LOOK: Duration = Duration::from_millis(100);

/// The places of one node.
#[derive(Debug)]
pub(crate) struct Queue {
    config: QueueConfig,
    places: Mutex<Places>,
    /// By how many microseconds the last timers were late, the newest weighing a quarter.
    lag_us: AtomicU64,
}

#[derive(Debug)]
struct Places {
    /// Free places that are common.
    common: usize,
    /// The most urgent first.
    lanes: [Lane; 3],
}

/// What is one tier's own.
#[derive(Debug)]
struct Lane {
    /// Free places.
    free: usize,
    waiting: VecDeque<oneshot::Sender<Slot>>,
}

/// Which kind of place it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Slot {
    Own(ServiceTier),
    Common,
}

/// A place among the calls under way; free again when dropped.
#[derive(Debug)]
#[must_use = "a place that is dropped at once is free at once"]
pub(crate) struct Place {
    queue: Arc<Queue>,
    slot: Slot,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.free(self.slot);
    }
}

/// Somebody who waits. If it goes away with a place already on its way to it, the place goes on.
struct Waiting<'q> {
    queue: &'q Arc<Queue>,
    slot: oneshot::Receiver<Slot>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.slot.close();
        if let Ok(slot) = self.slot.try_recv() {
            self.queue.free(slot);
        }
    }
}

impl Queue {
    pub(crate) fn new(config: QueueConfig) -> Arc<Self> {
        let share = |percent: usize| config.max_calls.saturating_mul(percent) / 100;
        let lanes = [config.priority_percent, config.default_percent, config.flex_percent]
            .map(|percent| Lane { free: share(percent), waiting: VecDeque::new() });
        let own: usize = lanes.iter().map(|lane| lane.free).sum();
        let common = config.max_calls.saturating_sub(own);
        let places = Places { common, lanes };
        Arc::new(Self { config, places: Mutex::new(places), lag_us: AtomicU64::new(0) })
    }

    /// A place for a call of this tier, now or after some waiting.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`]
    pub(crate) async fn enter(self: &Arc<Self>, tier: ServiceTier) -> Result<Place, Refusal> {
        if self.behind(tier) {
            return Err(Refusal::Overloaded { tier });
        }
        let slot = {
            let mut places = self.lock();
            match places.take(tier) {
                Some(slot) => return Ok(Place { queue: Arc::clone(self), slot }),
                None => places.wait(tier, self.config.max_waiting),
            }
        };
        let Some(slot) = slot else { return Err(Refusal::Overloaded { tier }) };
        let mut waiting = Waiting { queue: self, slot };
        match timeout(self.patience(tier), &mut waiting.slot).await {
            Ok(Ok(slot)) => Ok(Place { queue: Arc::clone(self), slot }),
            _ => Err(Refusal::Overloaded { tier }),
        }
    }

    /// Looks for ever whether this node falls behind.
    pub(crate) async fn watch_lag(&self) {
        loop {
            let begun = Instant::now();
            sleep(LOOK).await;
            let late = begun.elapsed().saturating_sub(LOOK);
            let late = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
            let before = self.lag_us.load(Ordering::Relaxed);
            self.lag_us.store(before / 4 * 3 + late / 4, Ordering::Relaxed);
        }
    }

    /// By how much this node's timers are late.
    pub(crate) fn lag(&self) -> Duration {
        Duration::from_micros(self.lag_us.load(Ordering::Relaxed))
    }

    /// Calls that wait for a place, in the order of [`ServiceTier::ALL`].
    pub(crate) fn waiting(&self) -> [usize; 3] {
        self.lock().lanes.each_ref().map(|lane| lane.waiting.len())
    }

    fn behind(&self, tier: ServiceTier) -> bool {
        let bearable = Duration::from_millis(self.config.shed_lag_ms);
        let bearable = match tier {
            ServiceTier::Priority => return false,
            ServiceTier::Default => bearable * 2,
            ServiceTier::Flex => bearable,
        };
        !bearable.is_zero() && self.lag() > bearable
    }

    fn patience(&self, tier: ServiceTier) -> Duration {
        Duration::from_millis(match tier {
            ServiceTier::Flex => self.config.flex_patience_ms,
            _ => self.config.patience_ms,
        })
    }

    fn free(&self, slot: Slot) {
        self.lock().give(slot);
    }

    /// No code panics while it holds the places, so a poisoned lock holds sound ones.
    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn lane(&mut self, tier: ServiceTier) -> &mut Lane {
        let [priority, default, flex] = &mut self.lanes;
        match tier {
            ServiceTier::Priority => priority,
            ServiceTier::Default => default,
            ServiceTier::Flex => flex,
        }
    }

    fn take(&mut self, tier: ServiceTier) -> Option<Slot> {
        let lane = self.lane(tier);
        if let Some(left) = lane.free.checked_sub(1) {
            lane.free = left;
            return Some(Slot::Own(tier));
        }
        self.common = self.common.checked_sub(1)?;
        Some(Slot::Common)
    }

    fn wait(&mut self, tier: ServiceTier, most: usize) -> Option<oneshot::Receiver<Slot>> {
        let waiting = &mut self.lane(tier).waiting;
        if waiting.len() >= most {
            // Those who went away still stand in line.
            waiting.retain(|waiting| !waiting.is_closed());
        }
        if waiting.len() >= most {
            return None;
        }
        let (slot, receiver) = oneshot::channel();
        waiting.push_back(slot);
        Some(receiver)
    }

    /// Hands a place to who waits for it, or keeps it free.
    fn give(&mut self, slot: Slot) {
        let taken = match slot {
            Slot::Own(tier) => self.lane(tier).hand(slot),
            Slot::Common => self.lanes.iter_mut().any(|lane| lane.hand(slot)),
        };
        match slot {
            _ if taken => {}
            Slot::Own(tier) => self.lane(tier).free += 1,
            Slot::Common => self.common += 1,
        }
    }
}

impl Lane {
    /// Hands a place to the first who still waits. Returns whether somebody did.
    fn hand(&mut self, slot: Slot) -> bool {
        while let Some(waiting) = self.waiting.pop_front() {
            if waiting.send(slot).is_ok() {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use kernel::ServiceTier::{Default as Usual, Flex, Priority};

    use super::*;

    fn queue(max_calls: usize) -> Arc<Queue> {
        Queue::new(QueueConfig { max_calls, max_waiting: 2, ..QueueConfig::default() })
    }

    async fn places(queue: &Arc<Queue>, tier: ServiceTier, count: usize) -> Vec<Place> {
        let mut places = Vec::new();
        for _ in 0..count {
            places.push(queue.enter(tier).now_or_never().expect("at once").unwrap());
        }
        places
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_one_tier_leaves_the_others_their_share() {
        let queue = queue(100);
        // 5 of its own and the 35 common ones.
        let flood = places(&queue, Flex, 40).await;
        assert!(queue.enter(Flex).now_or_never().is_none(), "it waits");
        let usual = places(&queue, Usual, 40).await;
        let urgent = places(&queue, Priority, 20).await;
        let begun = Instant::now();
        assert!(matches!(queue.enter(Usual).await, Err(Refusal::Overloaded { tier: Usual })));
        assert_eq!(begun.elapsed(), Duration::from_millis(5_000));
        drop((flood, usual, urgent));
        assert_eq!(queue.lock().lanes.each_ref().map(|lane| lane.free), [20, 40, 5]);
        assert_eq!(queue.lock().common, 35);
    }

    #[tokio::test]
    async fn a_common_place_goes_to_the_most_urgent_who_waits() {
        let queue = queue(100);
        let _urgent = places(&queue, Priority, 20).await;
        let _usual = places(&queue, Usual, 40).await;
        let mut flood = places(&queue, Flex, 40).await;
        let mut flex = Box::pin(queue.enter(Flex));
        let mut urgent = Box::pin(queue.enter(Priority));
        assert!(flex.as_mut().now_or_never().is_none());
        assert!(urgent.as_mut().now_or_never().is_none());
        let common = flood.iter().position(|place| place.slot == Slot::Common).unwrap();
        drop(flood.remove(common));
        let _came_later = urgent.now_or_never().expect("at once").unwrap();
        assert!(flex.as_mut().now_or_never().is_none());
        let own = flood.iter().position(|place| place.slot == Slot::Own(Flex)).unwrap();
        drop(flood.remove(own));
        assert!(flex.now_or_never().expect("at once").is_ok());
    }

    #[tokio::test]
    async fn nobody_who_went_away_keeps_a_place() {
        let queue = queue(1);
        let only = queue.enter(Usual).await.unwrap();
        let mut gone = Box::pin(queue.enter(Usual));
        let mut stays = Box::pin(queue.enter(Usual));
        assert!(gone.as_mut().now_or_never().is_none());
        assert!(stays.as_mut().now_or_never().is_none());
        assert!(matches!(queue.enter(Usual).await, Err(Refusal::Overloaded { .. })), "two wait");
        // The place is on its way to one who then goes away.
        drop(only);
        drop(gone);
        assert!(stays.now_or_never().expect("at once").is_ok());
    }

    #[tokio::test]
    async fn a_node_that_falls_behind_sheds_the_least_urgent_first() {
        let queue = queue(100);
        queue.lag_us.store(1_500_000, Ordering::Relaxed);
        assert!(queue.enter(Flex).await.is_err());
        let _place = queue.enter(Usual).await.unwrap();
        queue.lag_us.store(9_000_000, Ordering::Relaxed);
        assert!(queue.enter(Usual).await.is_err());
        let _place = queue.enter(Priority).await.unwrap();
    }
}
