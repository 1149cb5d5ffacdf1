//! `reasoning_details` of a chat, put together from the parts that a stream brings.

use serde_json::{Map, Value};

/// Texts that grow from part to part.
const GROWING: &[&str] = &["text", "summary", "data", "signature"];

/// How many pieces grow side by side at most. Looking through all of them for every part would take
/// a stream with many pieces time that grows with its square.
const SIDE_BY_SIDE: usize = 64;

/// Adds a part: to the piece with the same index and type, or as a piece of its own.
pub(super) fn join(pieces: &mut Vec<Value>, part: &Value) {
    let Some(part) = part.as_object() else { return };
    let mut latest = pieces.iter_mut().rev().take(SIDE_BY_SIDE).filter_map(Value::as_object_mut);
    let begun = latest.find(|piece| {
        let same = |field: &str| piece.get(field) == part.get(field);
        part.get("index").is_some_and(Value::is_number) && same("index") && same("type")
    });
    match begun {
        Some(piece) => grow(piece, part),
        None => pieces.push(Value::Object(part.clone())),
    }
}

fn grow(piece: &mut Map<String, Value>, part: &Map<String, Value>) {
    for (name, more) in part {
        match (piece.get_mut(name), more) {
            (Some(Value::String(text)), Value::String(more)) if GROWING.contains(&&**name) => {
                text.push_str(more);
            }
            (None | Some(Value::Null), more) => {
                piece.insert(name.clone(), more.clone());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parts_grow_together_and_pieces_stay_apart() {
        let mut pieces = Vec::new();
        for part in [
            json!({"type": "reasoning.text", "index": 0, "format": "a", "text": "one "}),
            json!({"type": "reasoning.text", "index": 0, "text": "piece"}),
            json!({"type": "reasoning.encrypted", "index": 0, "data": "x"}),
            json!({"type": "reasoning.text", "index": 0, "signature": "s", "format": "a"}),
            json!({"type": "reasoning.text", "text": "without an index"}),
            json!("no piece"),
        ] {
            join(&mut pieces, &part);
        }
        let expected = [
            json!({"type": "reasoning.text", "index": 0, "format": "a", "text": "one piece",
                "signature": "s"}),
            json!({"type": "reasoning.encrypted", "index": 0, "data": "x"}),
            json!({"type": "reasoning.text", "text": "without an index"}),
        ];
        assert_eq!(pieces, expected);
    }

    #[test]
    fn only_the_latest_pieces_are_looked_through() {
        let part = |index: usize| json!({"type": "reasoning.text", "index": index, "text": "a"});
        let mut pieces = Vec::new();
        for index in 0..SIDE_BY_SIDE {
            join(&mut pieces, &part(index));
        }
        join(&mut pieces, &part(0));
        assert_eq!(pieces[0]["text"], "aa");
        join(&mut pieces, &part(SIDE_BY_SIDE));
        join(&mut pieces, &part(0));
        assert_eq!(pieces.len(), SIDE_BY_SIDE + 2);
    }
}
