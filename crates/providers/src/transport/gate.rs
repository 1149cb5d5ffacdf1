//! Keeps a connection's wake-ups to itself while it is being polled.
//!
//! A connection and the body it feeds share one task here. Handing a piece from one to the other
//! wakes that same task, which tokio would answer by scheduling it once more. The gate swallows
//! such wake-ups: while it is shut, the poller looks again by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Wake, Waker};

use futures_util::task::AtomicWaker;

/// Nobody is polling: wake-ups pass.
const OPEN: u8 = 0;
/// The connection is being polled.
const SHUT: u8 = 1;
/// The connection is being polled, and a wake-up came meanwhile.
const KNOCKED: u8 = 2;

/// The waker that a connection sees, in front of the task's own.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: AtomicU8,
    task: AtomicWaker,
    heard: AtomicBool,
}

impl Gate {
    /// Shuts the gate: from now on wake-ups are kept, for the task behind `waker`.
    pub(super) fn shut(&self, waker: &Waker) {
        self.task.register(waker);
        self.state.store(SHUT, Ordering::Release);
    }

    /// Opens the gate. A kept wake-up is handed on where the poll made no progress: then somebody
    /// else must be let run first (tokio's budget is spent, or hyper yielded).
    pub(super) fn open(&self, pending: bool) {
        if self.state.swap(OPEN, Ordering::AcqRel) == KNOCKED && pending {
            self.task.wake();
        }
    }

    /// Forgets the task: an idle connection wakes nobody.
    pub(super) fn forget_task(&self) {
        drop(self.task.take());
    }

    /// Notes that bytes arrived.
    pub(super) fn hear(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// Whether bytes arrived since `listen_afresh`.
    pub(super) fn has_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// A new request begins.
    pub(super) fn listen_afresh(&self) {
        self.heard.store(false, Ordering::Relaxed);
    }
}

impl Wake for Gate {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let kept = self.state.compare_exchange(SHUT, KNOCKED, Ordering::AcqRel, Ordering::Acquire);
        if kept == Err(OPEN) {
            self.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn setup() -> (Arc<Gate>, Waker, Arc<Count>, Waker) {
        let (gate, count) = (Arc::new(Gate::default()), Arc::new(Count::default()));
        let (inner, outer) = (Waker::from(Arc::clone(&gate)), Waker::from(Arc::clone(&count)));
        (gate, inner, count, outer)
    }

    #[test]
    fn wake_ups_pass_when_nobody_polls() {
        let (gate, inner, count, outer) = setup();
        gate.shut(&outer);
        gate.open(true);
        inner.wake_by_ref();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn wake_ups_during_a_poll_are_kept_and_none_is_lost() {
        let (gate, inner, count, outer) = setup();
        gate.shut(&outer);
        inner.wake_by_ref();
        gate.open(false);
        assert_eq!(count.0.load(Ordering::Relaxed), 0, "progress was made: the poller comes back");
        gate.shut(&outer);
        inner.wake_by_ref();
        inner.wake_by_ref();
        gate.open(true);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn an_idle_connection_wakes_nobody() {
        let (gate, inner, count, outer) = setup();
        gate.shut(&outer);
        gate.open(false);
        gate.forget_task();
        inner.wake_by_ref();
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
    }
}
