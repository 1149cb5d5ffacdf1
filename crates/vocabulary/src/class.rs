//! What kind of character one is, as far as the patterns ask.

use crate::layout::{BLOCK, OTHER};

static INDEX: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/classes.index"));
static BLOCKS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/classes.blocks"));

/// Whether a character is of one of these classes.
pub(crate) fn is(character: char, classes: u8) -> bool {
    class(character) & classes != 0
}

fn class(character: char) -> u8 {
    let code = character as usize;
    let block = INDEX.get(code / BLOCK).copied().unwrap_or_default();
    BLOCKS.get(usize::from(block) * BLOCK + code % BLOCK).copied().unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{CASELESS, LOWER, MARK, NEWLINE, NUMBER, SPACE, UPPER};

    #[test]
    fn every_class_has_its_characters() {
        for (class, characters) in [
            (UPPER, "AÉЯǅ𝐀"),
            (LOWER, "aéяſ𝐚"),
            (CASELESS, "漢あアאʰ한𠮷"),
            (MARK, "\u{301}\u{93f}\u{20dd}\u{fe0f}"),
            (NUMBER, "0٣Ⅷ½²〇"),
            (SPACE, " \t\u{b}\u{c}\u{85}\u{a0}\u{2028}\u{3000}"),
            (NEWLINE, "\r\n"),
            (OTHER, "!_'/。🙂\0\u{200d}\u{feff}\u{378}\u{e000}\u{10ffff}"),
        ] {
            for character in characters.chars() {
                assert_eq!(super::class(character), class, "{character:?}");
            }
        }
    }

    #[test]
    fn the_library_agrees_where_it_has_the_same_words() {
        for character in '\0'..='\u{ffff}' {
            let space = is(character, SPACE | NEWLINE);
            assert_eq!(space, character.is_whitespace(), "{character:?}");
        }
    }
}
