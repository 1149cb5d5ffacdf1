//! Writes go out in bursts.
//!
//! A write wakes whoever reads on the other side. On a busy node that reader has its work done
//! before the next call is ready to be written, sleeps again, and is woken again: waking it was a
//! quarter of a call's CPU. So a write first lets everything else that is ready go: then the writes
//! of many calls come one upon the other, and find their readers awake. On a node with nothing
//! else to do it goes out at once.

use std::pin::pin;
use std::task::{Context, Poll};

/// Whether it is a connection's turn to write.
#[derive(Debug, Default)]
pub struct WriteTurn {
    come: bool,
}

impl WriteTurn {
    /// Writes when all tasks that are ready have been polled: pending once before each write that
    /// goes out. One that the socket has no room for keeps its turn, so that it waits for room alone.
    pub fn write<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if !self.come {
            self.come = true;
            if pin!(tokio::task::yield_now()).poll(context).is_pending() {
                return Poll::Pending;
            }
        }
        let outcome = write(context);
        self.come = outcome.is_pending();
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_is_ready_goes_before_the_first_write() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let calls = [1, 2, 3].map(|call| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let mut turn = WriteTurn::default();
                for _ in 0..2 {
                    log.lock().unwrap().push(("answered", call));
                    poll_fn(|context| turn.write(context, |_| Poll::Ready(()))).await;
                    log.lock().unwrap().push(("written", call));
                }
            })
        });
        for call in calls {
            call.await.unwrap();
        }
        let order: Vec<&str> = log.lock().unwrap().iter().map(|(what, _)| *what).collect();
        assert_eq!(order[..3], ["answered"; 3]);
        assert_eq!(order.iter().filter(|what| **what == "written").count(), 6);
        assert_eq!(order[9..], ["written"; 3], "the second writes waited for their turn, too");
    }

    /// However often it is tried: an HTTP connection tries more than once each time it is polled.
    #[tokio::test(start_paused = true)]
    async fn a_write_that_finds_no_room_sleeps_until_there_is_some() {
        let (mut turn, mut polls) = (WriteTurn::default(), 0);
        let stuck = poll_fn(|context| {
            polls += 1;
            assert!(polls < 10, "it spins");
            for _ in 0..2 {
                assert!(turn.write(context, |_| Poll::<()>::Pending).is_pending());
            }
            Poll::<()>::Pending
        });
        tokio::time::timeout(Duration::from_secs(60), stuck).await.unwrap_err();
    }
}
