//! Room for the bodies of requests: all that are being read or answered share one bound, so that
//! many large ones cannot fill a node's memory.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// What room is counted in.
const UNIT: usize = 1_024;

/// The room of one node. Clones share it.
#[derive(Debug, Clone)]
pub struct Rooms {
    units: Arc<Semaphore>,
    all: u32,
    patience: Duration,
}

/// Room that is taken; free again when dropped.
#[derive(Debug)]
#[must_use = "room that is dropped at once is free at once"]
pub struct Room {
    taken: OwnedSemaphorePermit,
}

/// The bodies under way leave no room for this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this node has no room for another request body of this size right now; try again")]
pub struct NoRoom;

impl Rooms {
    /// Room for so many bytes. Who finds none waits for it, for so long.
    pub fn new(bytes: usize, patience: Duration) -> Self {
        let all = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        let units = usize::try_from(all).unwrap_or(Semaphore::MAX_PERMITS);
        Self { units: Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))), all, patience }
    }

    /// Room for a body of so many bytes. One that is larger than all room has it all.
    ///
    /// # Errors
    /// [`NoRoom`]
    pub async fn take(&self, bytes: usize) -> Result<Room, NoRoom> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.all);
        let units_of = || Arc::clone(&self.units);
        // Most find room at once and need no timer.
        if let Ok(taken) = units_of().try_acquire_many_owned(units) {
            return Ok(Room { taken });
        }
        match timeout(self.patience, units_of().acquire_many_owned(units)).await {
            Ok(Ok(taken)) => Ok(Room { taken }),
            _ => Err(NoRoom),
        }
    }

    /// Bytes that are taken.
    pub fn taken(&self) -> u64 {
        let free = u64::try_from(self.units.available_permits()).unwrap_or(u64::MAX);
        u64::from(self.all).saturating_sub(free).saturating_mul(UNIT as u64)
    }
}

impl Room {
    /// Joins the room of two parts of one body.
    pub fn join(&mut self, more: Self) {
        self.taken.merge(more.taken);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bodies_wait_for_room_and_are_refused_when_none_comes() {
        let rooms = Rooms::new(10 * UNIT, Duration::from_secs(2));
        let mut first = rooms.take(6 * UNIT).await.unwrap();
        first.join(rooms.take(1).await.unwrap());
        assert_eq!(rooms.taken(), 7 * UNIT as u64);
        assert_eq!(rooms.take(4 * UNIT).await.unwrap_err(), NoRoom);
        let mut waiting = Box::pin(rooms.take(4 * UNIT));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(first);
        assert!(waiting.await.is_ok());
        assert_eq!(rooms.taken(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_larger_than_all_room_goes_alone() {
        let rooms = Rooms::new(10 * UNIT, Duration::from_secs(2));
        let _alone = rooms.take(usize::MAX).await.unwrap();
        assert!(rooms.take(1).await.is_err());
    }
}
