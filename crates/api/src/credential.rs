//! Where a request shows its credential.

use http::{HeaderMap, HeaderName, header};
use identity::Presented;

/// The credential of a request: `Authorization: Bearer …` as OpenAI's clients send it, else
/// `x-api-key` (Anthropic's) or `api-key` (Azure's).
pub fn credential(headers: &HeaderMap) -> Presented<'_> {
    // A value that is no text is a credential that nobody has.
    let text =
        |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"));
    Presented {
        authorization: text(header::AUTHORIZATION),
        api_key: text(HeaderName::from_static("x-api-key"))
            .or_else(|| text(HeaderName::from_static("api-key"))),
    }
}
