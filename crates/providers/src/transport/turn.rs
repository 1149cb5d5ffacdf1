//! Writes go out in bursts.
//!
//! A write wakes whoever reads on the other side. On a busy node that reader has its work done
//! before the next call is ready to be written, sleeps again, and is woken again: waking it was a
//! quarter of a call's CPU. So a write first lets everything else that is ready go: then the writes
//! of many calls come one upon the other, and find their readers awake. On a node with nothing
//! else to do it goes out at once.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll};

/// Whether a connection's next write has waited for its turn.
#[derive(Debug, Default)]
pub struct WriteTurn {
    waited: bool,
}

impl WriteTurn {
    /// Pending once, until all tasks that are ready have been polled; then ready for one write.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.waited = !self.waited;
        if self.waited { pin!(tokio::task::yield_now()).poll(context) } else { Poll::Ready(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::{Arc, Mutex};

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
                    poll_fn(|context| turn.poll(context)).await;
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
}
