//! Counts compared with `tiktoken`, from whose Rust port the tables were built. It splits with the
//! published regular expressions and merges a piece as a whole, so it shares no step with ours.

use proptest::prelude::*;
use tiktoken_rs::{CoreBPE, cl100k_base_singleton, o200k_base_singleton};
use vocabulary::{CL100K_BASE, O200K_BASE, Vocabulary};

#[track_caller]
fn same(text: &str) {
    let pairs: [(&str, &Vocabulary, &CoreBPE); 2] = [
        ("o200k_base", &O200K_BASE, o200k_base_singleton()),
        ("cl100k_base", &CL100K_BASE, cl100k_base_singleton()),
    ];
    for (name, ours, theirs) in pairs {
        let expected = theirs.encode_ordinary(text).len() as u64;
        let start: String = text.chars().take(60).collect();
        assert_eq!(ours.count(text), expected, "{name}: {} bytes, {start:?}", text.len());
    }
}

#[test]
fn known_counts() {
    for (text, newer, older) in [
        ("", 0, 0),
        ("tiktoken is great!", 6, 6),
        ("antidisestablishmentarianism", 6, 6),
        ("お誕生日おめでとう", 8, 9),
    ] {
        assert_eq!((O200K_BASE.count(text), CL100K_BASE.count(text)), (newer, older), "{text}");
    }
}

/// Every order of the characters that the patterns tell apart.
#[test]
fn every_short_text_of_every_class() {
    let alphabet = ['A', 'a', '漢', '\u{301}', '1', ' ', '\t', '\n', '\'', 's', '/', '!'];
    for length in 1..=4_u32 {
        for number in 0..alphabet.len().pow(length) {
            let digits = (0..length).map(|place| number / alphabet.len().pow(place));
            let text: String = digits.map(|digit| alphabet[digit % alphabet.len()]).collect();
            same(&text);
        }
    }
}

#[test]
fn every_character_of_the_basic_plane() {
    let characters: Vec<char> = ('\0'..='\u{ffff}').collect();
    for some in characters.chunks(64) {
        let text: String = some.iter().flat_map(|character| ['a', *character, 'B']).collect();
        same(&text);
    }
}

#[test]
fn text_of_many_kinds() {
    for text in [
        "Don't PANIC: we've 42,000.50 €uros — “quoted” (and it'll cost more)…",
        "吾輩は猫である。名前はまだ無い。ｶﾀｶﾅ　全角スペース、Ｆｕｌｌ　ｗｉｄｔｈ",
        "👩‍👩‍👧‍👦 🏳️‍🌈 🇯🇵 ❤️ e\u{301} n\u{303}\u{323} \u{202e}abc\u{feff}\0\u{1}\u{7f}\u{fffd}",
        "fn main() {\n\tlet x: Vec<u8> = vec![0x1F; 1_000];\r\n\r\n    // a/b//c\n    println!(\"{x:?}\");\n}\n",
        "नमस्ते दुनिया, สวัสดีชาวโลก, 안녕하세요 세계, مرحبا بالعالم, Ελληνικά, Привет",
        "<|endoftext|><|im_start|> is text like any other",
        "https://example.com/a/b?c=d&e=%20#f aGVsbG8gd29ybGQ= 0123456789abcdefABCDEF",
        "  leading\n\n\n   and trailing \t \u{3000}\n  ",
    ] {
        same(text);
        same(&text.repeat(7));
        same(&text.to_uppercase());
    }
}

#[test]
fn runs_of_one_character() {
    for character in
        ['a', 'A', ' ', '\n', '\t', '\0', '0', '!', '=', '漢', 'あ', '\u{301}', '🙂', '/']
    {
        for length in [1, 2, 3, 7, 8, 9, 63, 64, 65, 127, 128, 129, 500, 5_000] {
            same(&character.to_string().repeat(length));
        }
    }
}

/// Pieces far longer than a window, and the arguments of a tool.
#[test]
fn long_texts() {
    for unit in ["a", "abcde", "漢字", "こんにちは", "!?", "AAAa", "नि", " ", "x\u{301}"]
    {
        same(&unit.repeat(20_000 / unit.len()));
    }
    let item = r#"{"city":"東京","note":"line\n\"quoted\"","n":[1,2.5,-3e8,null,true]},"#;
    same(&format!("[{}]", item.repeat(100_000 / item.len())));
    assert_eq!(O200K_BASE.count(&"a".repeat(1 << 20)), 1 << 17);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_text(text in "\\PC{0,200}|[\\s\\x00a-cA-C0-2'!/漢\u{301}]{0,200}") {
        same(&text);
    }

    #[test]
    fn long_words(text in "[a-e]{0,4000}|[あ-ん]{0,1500}|[!-/]{0,4000}|[A-Ca-c]{0,4000}") {
        same(&text);
    }
}
