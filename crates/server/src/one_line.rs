//! Every event of the log is one line, whatever its fields hold.
//!
//! A model's name, an address or an error can carry what a client wrote. With a line break in it, a
//! client could write lines of its own into the log; with other characters, it could paint over the
//! terminal of who reads it, or turn the reading direction around.

use std::fmt::{self, Debug, Write};

use tracing::field::Field;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

/// Formats fields as text.
pub(crate) fn fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    debug_fn(|writer: &mut Writer<'_>, field: &Field, value: &dyn Debug| {
        if field.name() != "message" {
            write!(writer, "{}=", field.name())?;
        }
        write!(OneLine(writer), "{value:?}")
    })
    .delimited(" ")
}

/// A text of which nothing leaves its place.
pub(crate) fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    // A text takes whatever is written to it.
    let _ = OneLine(&mut line).write_str(text);
    line
}

/// Writes what could leave its place escaped.
struct OneLine<'a, W>(&'a mut W);

impl<W: Write> Write for OneLine<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(leaves_its_place) {
            let (plain, from) = rest.split_at(at);
            let mut characters = from.chars();
            self.0.write_str(plain)?;
            if let Some(one) = characters.next() {
                write!(self.0, "{}", one.escape_default())?;
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

/// Control characters, separators of lines and paragraphs, and marks that change the direction.
fn leaves_its_place(one: char) -> bool {
    one.is_control()
        || matches!(one,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::tests::logged;

    #[test]
    fn no_field_begins_a_line_of_its_own() {
        let forged = "x\n2026-11-23T00:00:00Z ERROR kijun: forged\r\u{1b}[31m\u{202e}\u{2028}\0";
        let log = logged(|| {
            tracing::info!(model = %forged, name = forged, debug = ?forged, "it says {forged}");
        });
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.contains("forged"), "it is there, as text: {log}");
        let body = log.trim_end_matches('\n');
        assert!(!body.contains(leaves_its_place), "{log:?}");
    }

    #[test]
    fn what_is_harmless_stays_as_it_is() {
        let log = logged(|| tracing::info!(model = %"gpt-4o \u{65e5}\u{672c} \"x\" \\", "hello"));
        assert!(log.contains("hello model=gpt-4o \u{65e5}\u{672c} \"x\" \\"), "{log}");
    }
}
