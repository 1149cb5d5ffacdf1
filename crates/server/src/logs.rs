//! Structured logs, to standard error.

use std::panic::{self, PanicHookInfo};

use telemetry::LogBridge;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::{self, time::SystemTime};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogConfig, LogFormat, LogLevel};
use crate::log_line::{self, LogLines};
use crate::one_line;

/// Starts logging, also by `bridge` to a collector. A second start in one process changes nothing.
pub(crate) fn start(config: LogConfig, bridge: Option<LogBridge>) {
    let level = match config.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let Ok(lines) = LogLines::to_stderr() else { return };
    log_line::remember(lines.clone());
    let lines = fmt::layer().with_writer(lines).log_internal_errors(false).with_timer(SystemTime);
    let registry = tracing_subscriber::registry().with(level).with(bridge);
    // Someone else's subscriber is as good.
    let _ = match config.format {
        LogFormat::Text => {
            registry.with(lines.with_ansi(false).fmt_fields(one_line::fields())).try_init()
        }
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    panic::set_hook(Box::new(tell));
}

/// Says where a bug is. What a panic says itself may be made of what somebody sent, so it is not
/// repeated; a backtrace holds no data, and is there with `RUST_BACKTRACE=1`.
fn tell(panicked: &PanicHookInfo<'_>) {
    let place = panicked.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let backtrace = std::backtrace::Backtrace::capture();
    tracing::error!(
        place,
        thread = thread.name().unwrap_or("?"),
        %backtrace,
        "Kijun panicked; please report this as a bug"
    );
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged meanwhile, as text.
    pub(crate) fn logged(work: impl FnOnce()) -> String {
        let sink = Sink::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .fmt_fields(one_line::fields())
            .with_writer({
                let sink = sink.clone();
                move || sink.clone()
            })
            .finish();
        tracing::subscriber::with_default(subscriber, work);
        let written = sink.0.lock().unwrap().clone();
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn a_panic_tells_where_it_was_and_not_what_it_says() {
        let before = panic::take_hook();
        panic::set_hook(Box::new(tell));
        let log = logged(|| {
            let secret = "sk-canary";
            assert!(panic::catch_unwind(|| panic!("no such key: {secret}")).is_err());
        });
        panic::set_hook(before);
        assert!(log.contains(file!()), "{log}");
        assert!(!log.contains("canary"), "{log}");
    }
}
