//! A queue between those who must not wait and the one who may. What it has no room for is counted
//! and let go.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::carrier::Stopping;
use super::tally::{Signal, Tally};

/// Items that wait at most; with about a kilobyte each, two megabytes.
const ROOM: usize = 2_048;

/// Items that are sent together at most.
const BATCH: usize = 512;

/// How long the first item of a batch waits for others.
const DELAY: Duration = Duration::from_secs(5);

/// The queue's beginning.
#[derive(Debug)]
pub(crate) struct Feed<T> {
    sender: mpsc::Sender<T>,
    signal: Signal,
    tally: Arc<Tally>,
}

/// The queue's end.
#[derive(Debug)]
pub(crate) struct Queue<T>(mpsc::Receiver<T>);

/// A queue for items of one signal.
pub(crate) fn bounded<T>(signal: Signal, tally: &Arc<Tally>) -> (Feed<T>, Queue<T>) {
    let (sender, receiver) = mpsc::channel(ROOM);
    tally.begin(signal);
    (Feed { sender, signal, tally: Arc::clone(tally) }, Queue(receiver))
}

impl<T> Feed<T> {
    /// Puts an item in, if there is room. Never waits.
    pub(crate) fn offer(&self, item: T) {
        if self.sender.try_send(item).is_err() {
            self.tally.dropped(self.signal, 1);
        }
    }
}

impl<T> Queue<T> {
    /// The next items, some time after the first of them came. After a stop, what is there at
    /// once; `None` when nothing is.
    pub(crate) async fn next(&mut self, stopping: &mut Stopping) -> Option<Vec<T>> {
        let mut batch = Vec::new();
        tokio::select! {
            _ = self.0.recv_many(&mut batch, BATCH) => {}
            () = stopping.asked() => {}
        }
        let filled = async {
            while batch.len() < BATCH {
                let room = BATCH - batch.len();
                if self.0.recv_many(&mut batch, room).await == 0 {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            () = filled => {}
            () = stopping.asked() => {}
            () = tokio::time::sleep(DELAY) => {}
        }
        (!batch.is_empty()).then_some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn items_are_sent_together_and_not_late() {
        let tally = Arc::default();
        let (feed, mut queue) = bounded(Signal::Logs, &tally);
        let (_stop, mut stopping) = Stopping::pair();
        feed.offer(1);
        feed.offer(2);
        let began = Instant::now();
        assert_eq!(queue.next(&mut stopping).await, Some(vec![1, 2]));
        assert_eq!(began.elapsed(), DELAY);
        (0..BATCH + 1).for_each(|item| feed.offer(item));
        assert_eq!(queue.next(&mut stopping).await.unwrap().len(), BATCH);
        assert_eq!(began.elapsed(), DELAY, "a full batch does not wait");
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_no_room_is_counted() {
        let tally = Arc::default();
        let (feed, mut queue) = bounded(Signal::Traces, &tally);
        (0..ROOM + 7).for_each(|item| feed.offer(item));
        assert_eq!(tally.read()[0].1.dropped, 7);
        let (stop, mut stopping) = Stopping::pair();
        stop.send(true).unwrap();
        let mut left = 0;
        while let Some(batch) = queue.next(&mut stopping).await {
            left += batch.len();
        }
        assert_eq!(left, ROOM, "after a stop everything comes at once, then nothing");
    }
}
