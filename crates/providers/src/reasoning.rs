//! Reasoning under both names that clients look for.
//!
//! Servers call a model's reasoning either `reasoning` or `reasoning_content`, and clients read one
//! or the other. Where an answer has only one of them, the other is added behind it. Everything
//! else stays byte for byte.

use std::ops::Range;

use memchr::memmem;

use crate::StreamBreak;
use crate::events::Edit;

const NAMES: [&str; 2] = ["\"reasoning\"", "\"reasoning_content\""];

/// The answer with both names, or `None` if it needs no change.
pub(crate) fn both(json: &[u8]) -> Option<Vec<u8>> {
    // Most answers end here, after one fast search.
    memmem::find(json, b"\"reasoning")?;
    let [short, long] = NAMES.map(|name| values(json, name));
    match (short.is_empty(), long.is_empty()) {
        (false, true) => Some(insert(json, &short, NAMES[1])),
        (true, false) => Some(insert(json, &long, NAMES[0])),
        _ => None,
    }
}

/// Both names in every event.
pub(crate) struct BothNames;

impl Edit for BothNames {
    fn leaves(&self, piece: &[u8]) -> bool {
        memmem::find(piece, b"\"reasoning").is_none()
    }

    fn event(&mut self, event: &[u8], out: &mut Vec<u8>) -> Result<(), StreamBreak> {
        match both(event) {
            Some(edited) => out.extend_from_slice(&edited),
            None => out.extend_from_slice(event),
        }
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<(), StreamBreak> {
        Ok(())
    }
}

/// Where the string and null values of this key are.
///
/// A quoted name is a key if a brace or comma is before it and a colon behind it. Inside a string
/// its first quote would have a backslash before it, so text that only speaks of the key is safe.
fn values(json: &[u8], key: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for at in memmem::find_iter(json, key) {
        let before = json.get(..at).unwrap_or_default().trim_ascii_end().last();
        let behind = json.get(at + key.len()..).unwrap_or_default();
        let Some(value) = behind.trim_ascii_start().strip_prefix(b":") else { continue };
        let value = value.trim_ascii_start();
        if let Some(length) = length_of_text(value)
            && matches!(before, Some(b'{' | b','))
        {
            let start = json.len() - value.len();
            found.push(start..start + length);
        }
    }
    found
}

/// The length of the string or null that `json` begins with.
fn length_of_text(json: &[u8]) -> Option<usize> {
    if json.starts_with(b"null") {
        return Some(4);
    }
    let text = json.strip_prefix(b"\"")?;
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', text.get(from..)?)?;
        match text.get(at)? {
            b'"' => return Some(at + 2),
            _ => from = at + 2,
        }
    }
}

fn insert(json: &[u8], values: &[Range<usize>], key: &str) -> Vec<u8> {
    let added: usize = values.iter().map(|value| value.len() + key.len() + 2).sum();
    let mut out = Vec::with_capacity(json.len() + added);
    let mut copied = 0;
    for value in values {
        out.extend_from_slice(json.get(copied..value.end).unwrap_or_default());
        out.push(b',');
        out.extend_from_slice(key.as_bytes());
        out.push(b':');
        out.extend_from_slice(json.get(value.clone()).unwrap_or_default());
        copied = value.end;
    }
    out.extend_from_slice(json.get(copied..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(json: &str) -> Option<String> {
        both(json.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn the_missing_name_is_added() {
        assert_eq!(
            edited(r#"{"choices":[{"delta":{"reasoning_content" : "a \" \\"},"index":0}]}"#)
                .unwrap(),
            r#"{"choices":[{"delta":{"reasoning_content" : "a \" \\","reasoning":"a \" \\"},"index":0}]}"#,
        );
        assert_eq!(
            edited(r#"{"a":{"role":"x","reasoning":"é"},"b":{"reasoning":null}}"#).unwrap(),
            r#"{"a":{"role":"x","reasoning":"é","reasoning_content":"é"},"b":{"reasoning":null,"reasoning_content":null}}"#,
        );
    }

    #[test]
    fn the_rest_is_left_alone() {
        for untouched in [
            r#"{"content":"no such thing"}"#,
            r#"{"reasoning":"a","reasoning_content":"a"}"#,
            r#"{"content":"say \"reasoning\": \"x\""}"#,
            r#"{"content":"reasoning","names":["reasoning"]}"#,
            r#"{"reasoning":{"effort":"low"},"reasoning_tokens":3}"#,
            r#"{"reasoning":"cut off"#,
        ] {
            assert_eq!(edited(untouched), None, "{untouched}");
        }
    }
}
