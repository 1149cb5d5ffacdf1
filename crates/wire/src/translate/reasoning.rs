//! `reasoning_details`: what a provider must see again to go on with its own chain of thought.
//!
//! A message carries its reasoning twice. `reasoning` and `reasoning_content` are for people and
//! hold plain text. `reasoning_details` is for the provider: signatures and encrypted pieces that
//! a client hands back unread with the assistant's message. Each piece names the provider whose it
//! is, so a conversation that moves to another provider leaves the pieces of the first behind.

use serde::{Deserialize, Serialize};

/// One piece. In a stream a piece comes in parts with the same `index`; only the first part has
/// the `format`, because clients join strings of equal keys.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Detail {
    /// Text that may be read, or data that may not.
    #[serde(rename = "type")]
    pub kind: DetailKind,
    /// The piece's place in the array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// Whose piece it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The tool call that the piece belongs to, if to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Readable reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The provider's seal on the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Reasoning that only the provider can read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

/// What a piece holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) enum DetailKind {
    /// Text, possibly signed.
    #[default]
    #[serde(rename = "reasoning.text")]
    Text,
    /// Data of the provider.
    #[serde(rename = "reasoning.encrypted")]
    Encrypted,
    /// A summary, and kinds that are yet to come: of no use to the provider.
    #[serde(rename = "reasoning.summary", other)]
    Summary,
}

/// Joins the parts that a client collected from a stream and keeps the pieces of one provider.
pub(super) fn pieces_of(format: &str, parts: Vec<Detail>) -> Vec<Detail> {
    let mut pieces: Vec<Detail> = Vec::new();
    for part in parts {
        let begun = pieces.iter_mut().rfind(|piece| {
            part.index.is_some() && piece.index == part.index && piece.kind == part.kind
        });
        match begun {
            Some(piece) => join(piece, part),
            None => pieces.push(part),
        }
    }
    pieces.retain(|piece| piece.format.as_deref() == Some(format));
    pieces
}

fn join(piece: &mut Detail, part: Detail) {
    let append = |whole: &mut Option<String>, more: Option<String>| match (whole, more) {
        (Some(whole), Some(more)) => whole.push_str(&more),
        (whole @ None, more) => *whole = more,
        (Some(_), None) => {}
    };
    append(&mut piece.text, part.text);
    append(&mut piece.signature, part.signature);
    append(&mut piece.data, part.data);
    piece.format = piece.format.take().or(part.format);
    piece.id = piece.id.take().or(part.id);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_stream_become_one_piece() {
        let parts = serde_json::from_value(serde_json::json!([
            {"type": "reasoning.text", "index": 0, "format": "a", "text": "first "},
            {"type": "reasoning.text", "index": 0, "text": "second"},
            {"type": "reasoning.text", "index": 0, "signature": "sealed"},
            {"type": "reasoning.encrypted", "index": 1, "format": "b", "data": "of another"},
            {"type": "reasoning.unheard_of", "index": 2, "format": "a"},
        ]))
        .unwrap();
        let pieces = pieces_of("a", parts);
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces[0].text.as_deref(), Some("first second"));
        assert_eq!(pieces[0].signature.as_deref(), Some("sealed"));
        assert_eq!(pieces[1].kind, DetailKind::Summary);
    }
}
