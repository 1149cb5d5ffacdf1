//! Cuts a text into the pieces that are merged apart, as the vocabularies' published patterns do.
//!
//! The patterns are regular expressions whose first alternative that matches wins. Here each
//! alternative is a function from a text to what remains after its match, and they are asked in the
//! same order. Each looks at a character a fixed number of times, so a text takes linear time.

use crate::class::is;
use crate::layout::{CASELESS, LOWER, MARK, NEWLINE, NUMBER, OTHER, SPACE, UPPER};

const LETTER: u8 = UPPER | LOWER | CASELESS;
/// What may stand in a word's part of capitals, and in its part of small letters.
const CAPITAL: u8 = UPPER | CASELESS | MARK;
const SMALL: u8 = LOWER | CASELESS | MARK;
const SYMBOL: u8 = MARK | OTHER;
const BLANK: u8 = SPACE | NEWLINE;

/// A published pattern.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pattern {
    O200k,
    Cl100k,
}

impl Pattern {
    /// The pieces of a text. Together they are the text.
    pub(crate) fn pieces(self, text: &str) -> impl Iterator<Item = &str> {
        let mut rest = text;
        std::iter::from_fn(move || {
            let (piece, after) = split(rest, self.after_piece(rest))?;
            rest = after;
            Some(piece)
        })
    }

    /// What remains after the first piece.
    fn after_piece(self, text: &str) -> &str {
        let word = match self {
            Self::O200k => o200k_word(text),
            Self::Cl100k => contraction(text).or_else(|| cl100k_word(text)),
        };
        word.or_else(|| number(text))
            .or_else(|| self.symbols(text))
            .unwrap_or_else(|| self.blank(text))
    }

    /// ` ?[^\s\p{L}\p{N}]+[\r\n]*`, and in the newer pattern slashes among the ends of lines.
    fn symbols(self, text: &str) -> Option<&str> {
        let after = some(SYMBOL, text.strip_prefix(' ').unwrap_or(text))?;
        Some(match self {
            Self::O200k => after.trim_start_matches(['\r', '\n', '/']),
            Self::Cl100k => after.trim_start_matches(['\r', '\n']),
        })
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`: white space up to its last end of a line; else all of it but the
    /// last character, which goes with the word behind it. The older pattern has `\s+$` first.
    fn blank(self, text: &str) -> &str {
        let after = any(BLANK, text);
        let Some((run, _)) = split(text, after) else { return one(text) };
        let at_end = after.is_empty();
        let lines = run.trim_end_matches(|character| is(character, SPACE));
        let piece = match self {
            Self::Cl100k if at_end => run,
            _ if !lines.is_empty() => lines,
            _ if at_end => run,
            _ => all_but_last(run),
        };
        text.strip_prefix(piece).unwrap_or(after)
    }
}

/// `[^\r\n\p{L}\p{N}]?` before one of two words, and a contraction after it. The second kind of word
/// is asked for only when the first fails with the character before it and without.
fn o200k_word(text: &str) -> Option<&str> {
    let prefixed = prefix(text);
    let after = prefixed
        .and_then(small_word)
        .or_else(|| small_word(text))
        .or_else(|| prefixed.and_then(capital_word))
        .or_else(|| capital_word(text))?;
    Some(contraction(after).unwrap_or(after))
}

/// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`
fn small_word(text: &str) -> Option<&str> {
    let after_capitals = any(CAPITAL, text);
    some(SMALL, after_capitals).or_else(|| {
        // The first part gives back its last character that may be the second part.
        let (capitals, _) = split(text, after_capitals)?;
        let word = capitals.trim_end_matches(|character| is(character, UPPER));
        text.strip_prefix(word).filter(|_| !word.is_empty())
    })
}

/// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*`
fn capital_word(text: &str) -> Option<&str> {
    some(CAPITAL, text).map(|after| any(SMALL, after))
}

/// `[^\r\n\p{L}\p{N}]?\p{L}+`
fn cl100k_word(text: &str) -> Option<&str> {
    some(LETTER, prefix(text).unwrap_or(text))
}

/// `[^\r\n\p{L}\p{N}]`
fn prefix(text: &str) -> Option<&str> {
    one_of(SPACE | SYMBOL, text)
}

/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)`. The long s is an s too when case is ignored.
fn contraction(text: &str) -> Option<&str> {
    let text = text.strip_prefix('\'')?;
    let after = one(text);
    match text.chars().next()?.to_ascii_lowercase() {
        's' | 'ſ' | 't' | 'm' | 'd' => Some(after),
        'r' | 'v' => after.strip_prefix(['e', 'E']),
        'l' => after.strip_prefix(['l', 'L']),
        _ => None,
    }
}

/// `\p{N}{1,3}`
fn number(text: &str) -> Option<&str> {
    let digit = |text| one_of(NUMBER, text);
    let first = digit(text)?;
    let Some(second) = digit(first) else { return Some(first) };
    Some(digit(second).unwrap_or(second))
}

/// What remains after all characters of these classes.
fn any(classes: u8, text: &str) -> &str {
    text.trim_start_matches(|character| is(character, classes))
}

/// The same, if there is at least one.
fn some(classes: u8, text: &str) -> Option<&str> {
    Some(any(classes, text)).filter(|after| after.len() < text.len())
}

/// What remains after one character of these classes.
fn one_of(classes: u8, text: &str) -> Option<&str> {
    text.strip_prefix(|character| is(character, classes))
}

/// What remains after one character, whatever it is.
fn one(text: &str) -> &str {
    let mut characters = text.chars();
    characters.next();
    characters.as_str()
}

/// A text without its last character, unless it has no other.
fn all_but_last(text: &str) -> &str {
    let mut characters = text.chars();
    characters.next_back();
    let shorter = characters.as_str();
    if shorter.is_empty() { text } else { shorter }
}

/// A text before its remainder, and the remainder; nothing if it remains whole.
fn split<'a>(text: &'a str, after: &str) -> Option<(&'a str, &'a str)> {
    let length = text.len().checked_sub(after.len()).filter(|length| *length > 0)?;
    text.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::Pattern::{Cl100k, O200k};
    use super::*;

    fn pieces(pattern: Pattern, text: &str) -> Vec<&str> {
        pattern.pieces(text).collect()
    }

    #[test]
    fn words_take_one_character_before_them() {
        for pattern in [O200k, Cl100k] {
            assert_eq!(pieces(pattern, "Hello, big world"), ["Hello", ",", " big", " world"]);
            assert_eq!(pieces(pattern, "(a)\u{3000}b"), ["(a", ")", "\u{3000}b"]);
        }
    }

    #[test]
    fn the_newer_pattern_cuts_between_cases_and_keeps_contractions() {
        assert_eq!(pieces(O200k, "getHTTPUrl I'LL"), ["get", "HTTPUrl", " I'LL"]);
        assert_eq!(pieces(Cl100k, "getHTTPUrl I'LL"), ["getHTTPUrl", " I", "'LL"]);
        assert_eq!(pieces(O200k, "it'ſ'x"), ["it'ſ", "'x"]);
    }

    #[test]
    fn a_run_of_capitals_gives_back_its_last_letter_without_case() {
        assert_eq!(pieces(O200k, "AB漢CD!"), ["AB漢", "CD", "!"]);
        assert_eq!(pieces(O200k, "\u{301}AB"), ["\u{301}", "AB"]);
    }

    #[test]
    fn numbers_come_in_threes() {
        assert_eq!(pieces(O200k, "1234567 8"), ["123", "456", "7", " ", "8"]);
    }

    #[test]
    fn symbols_take_the_ends_of_lines_after_them() {
        assert_eq!(pieces(O200k, "a ();\n//\nb"), ["a", " ();\n//\n", "b"]);
        assert_eq!(pieces(Cl100k, "a ();\n//\nb"), ["a", " ();\n", "//\n", "b"]);
    }

    #[test]
    fn white_space_ends_after_its_lines_or_before_the_next_word() {
        assert_eq!(pieces(O200k, "a \n \n   b  "), ["a", " \n \n", "  ", " b", "  "]);
        assert_eq!(pieces(O200k, "a\n  "), ["a", "\n", "  "]);
        assert_eq!(pieces(Cl100k, "a\n  "), ["a", "\n  "]);
        assert_eq!(pieces(O200k, "1 2"), ["1", " ", "2"]);
    }
}
