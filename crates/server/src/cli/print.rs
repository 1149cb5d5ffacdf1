//! What commands say on standard output.

use std::io::{ErrorKind, Write as _};

use kernel::Timestamp;
use kernel::catalog::Source;

/// A line, in one piece. A node goes on when nobody reads what it says, and a command when its
/// reader has seen enough; any other trouble is told.
pub(super) fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(format!("{text}\n").as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(&format!("standard output cannot be written: {error}"));
        }
        _ => {}
    }
}

/// A line on standard error; there is nowhere to tell of its loss.
pub(super) fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(format!("kijun: {text}\n").as_bytes());
}

/// Rows under a heading, each column as wide as its widest cell.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) {
    let mut widths = heading.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let show = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        line(padded.collect::<Vec<_>>().join("  ").trim_end());
    };
    show(heading);
    for row in rows {
        show(row.each_ref().map(String::as_str));
    }
}

/// Where something was written down.
pub(super) const fn source(source: Source) -> &'static str {
    match source {
        Source::File => "configuration file",
        Source::Environment => "environment",
        Source::Database => "database",
        Source::BuiltIn => "built in",
    }
}

/// Whether a key works.
pub(super) fn key_state(
    revoked_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> String {
    match (revoked_at, expires_at) {
        (Some(at), _) => format!("revoked {at}"),
        (None, Some(at)) if at <= now => format!("expired {at}"),
        (None, Some(at)) => format!("works until {at}"),
        (None, None) => "works".to_owned(),
    }
}

/// When a key was last used.
pub(super) fn last_used(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| at.to_string())
}
