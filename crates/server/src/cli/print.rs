//! What commands say on standard output.

use kernel::catalog::Source;

/// A line.
#[expect(clippy::print_stdout, reason = "the command line speaks to a person")]
pub(super) fn line(text: &str) {
    println!("{text}");
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
