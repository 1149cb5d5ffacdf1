//! `encrypted_content`: what a client keeps for us unread and hands back, sealed for its project.
//!
//! Inside, reasoning and compaction items carry a private object `kijun`; outside, they carry this
//! text in its place.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use store::Sealer;
use wire::error::ErrorBody;
use wire::responses::PRIVATE;

/// What every such text of ours begins with.
const MARK: &str = "kijun1.";
/// What the seal is bound to, beside the project.
const PURPOSE: &str = "encrypted_content";

/// The text that stands for a private object; `None` if it cannot be sealed.
pub(crate) fn seal(sealer: &Sealer, private: &Value) -> Option<String> {
    let sealed = sealer.seal(PURPOSE, private.to_string().as_bytes());
    let sealed =
        sealed.map_err(|error| tracing::error!(%error, "reasoning was not sealed")).ok()?;
    Some(format!("{MARK}{}", URL_SAFE_NO_PAD.encode(sealed)))
}

/// Puts the private object in the place of every text of ours. Texts of others stay.
///
/// # Errors
/// A text that is not whole, or was sealed for another project.
pub(crate) fn open(sealer: &Sealer, items: &mut [Value]) -> Result<(), ErrorBody> {
    for (place, item) in items.iter_mut().enumerate() {
        let Some(fields) = item.as_object_mut() else { continue };
        // It is ours to write, nobody else's.
        fields.remove(PRIVATE);
        let Some(text) = fields.get("encrypted_content").and_then(Value::as_str) else { continue };
        let Some(coded) = text.strip_prefix(MARK) else { continue };
        let private = URL_SAFE_NO_PAD
            .decode(coded)
            .ok()
            .and_then(|sealed| sealer.open(PURPOSE, &sealed).ok())
            .and_then(|opened| serde_json::from_slice::<Value>(&opened).ok())
            .ok_or_else(|| {
                let message = "The encrypted content could not be verified. It must be handed back \
                               as it was given, by a key of the same project.";
                ErrorBody::invalid_request(message)
                    .at(format!("input[{place}].encrypted_content"))
                    .coded("invalid_encrypted_content")
            })?;
        fields.remove("encrypted_content");
        fields.insert(PRIVATE.to_owned(), private);
    }
    Ok(())
}
