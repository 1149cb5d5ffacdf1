//! What commands say on standard output.

use std::io::{ErrorKind, Write as _};

use kernel::Timestamp;
use kernel::catalog::Source;

use crate::one_line::escaped;

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

/// Characters of a cell that are shown, but in the last column, which pushes no other aside.
const LONGEST_CELL: usize = 200;

/// Rows under a heading, each column as wide as its widest cell. A cell stays in its row, whatever
/// is written in it.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) {
    let rows: Vec<_> = rows.iter().map(shown).collect();
    let mut widths = heading.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let show = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        line(padded.collect::<Vec<_>>().join("  ").trim_end());
    };
    show(heading);
    for row in &rows {
        show(row.each_ref().map(String::as_str));
    }
}

/// A row as it is shown.
fn shown<const N: usize>(row: &[String; N]) -> [String; N] {
    let mut row = row.each_ref().map(|cell| escaped(cell));
    for cell in row.iter_mut().rev().skip(1) {
        if cell.chars().count() > LONGEST_CELL {
            *cell = cell.chars().take(LONGEST_CELL - 1).chain(['\u{2026}']).collect();
        }
    }
    row
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_stays_in_its_row() {
        let row =
            ["root\nforged \u{1b}[31m\u{202e}".to_owned(), "x".repeat(5_000), "y".repeat(5_000)];
        let [forged, middle, last] = shown(&row);
        assert_eq!(forged, r"root\nforged \u{1b}[31m\u{202e}");
        assert_eq!(middle.chars().count(), LONGEST_CELL);
        assert!(middle.ends_with('\u{2026}'));
        assert_eq!(last, row[2], "the last column pushes nothing aside");
    }
}
