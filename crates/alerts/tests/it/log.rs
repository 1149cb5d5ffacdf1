//! What is logged, kept to be read.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use tracing::level_filters::LevelFilter;

thread_local! {
    /// What this thread has logged since it began to listen.
    static HEARD: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// All that this thread logs, until it is dropped.
pub(crate) struct Log(());

impl Log {
    /// Begins to listen. One subscriber serves all threads: with one for each, a place in the code
    /// that another thread came by first, while nobody listened there, could stay silent.
    pub(crate) fn listen() -> Self {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            tracing_subscriber::fmt()
                .with_max_level(LevelFilter::TRACE)
                .with_ansi(false)
                .with_writer(|| Heard)
                .init();
        });
        HEARD.set(Some(Vec::new()));
        Self(())
    }

    pub(crate) fn said(&self) -> String {
        String::from_utf8(HEARD.with_borrow(|heard| heard.clone().unwrap_or_default())).unwrap()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        HEARD.set(None);
    }
}

struct Heard;

impl io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        HEARD.with_borrow_mut(|heard| heard.iter_mut().for_each(|heard| heard.extend(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
