//! What a provider must see again and no client may read, as the text that clients keep for us.

use serde_json::{Value, json};

use super::part::Part;
use crate::responses::Seal;

/// What a provider must see again.
#[derive(Default)]
pub(super) struct Private {
    /// The id that it gave the item.
    pub(super) id: Option<String>,
    /// Its own `encrypted_content`.
    pub(super) blob: Option<String>,
    /// The `reasoning_details` of a chat.
    pub(super) details: Vec<Value>,
}

/// Seals it.
pub(super) struct Sealer {
    /// Who answers.
    pub(super) provider: Option<String>,
    pub(super) seal: Seal,
}

impl Sealer {
    /// The `encrypted_content` of an item with this content; `None` where there is nothing to
    /// hand back. Where the provider gave nothing for itself, the readable reasoning is sealed,
    /// since some clients hand back nothing else of an item.
    pub(super) fn seal(&self, private: &Private, content: &[Part]) -> Option<String> {
        let Private { id, blob, details } = private;
        let mut text = String::new();
        if blob.is_none() && details.is_empty() {
            text.extend(content.iter().map(|part| part.text.as_str()));
            if text.is_empty() {
                return None;
            }
        }
        (self.seal)(&json!({
            "provider": self.provider,
            "id": id,
            "blob": blob,
            "details": (!details.is_empty()).then_some(details),
            "summary": null,
            "text": (!text.is_empty()).then_some(text),
        }))
    }
}
