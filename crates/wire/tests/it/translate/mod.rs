//! Tests of the translations: golden fixtures, properties, and what must be refused.

mod arbitrary;
mod golden;
mod refusals;
mod streams;

use wire::translate::{BadAnswer, Context, Inexpressible, StreamTranslator, anthropic, gemini};

type Request = fn(&[u8], &str, bool) -> Result<Vec<u8>, Inexpressible>;

/// The four functions of a vendor.
pub(crate) struct Vendor {
    name: &'static str,
    request: Request,
    response: fn(&[u8], &Context) -> Result<Vec<u8>, BadAnswer>,
    stream: fn(Context) -> Box<dyn StreamTranslator>,
    error: fn(u16, &[u8]) -> wire::error::ErrorBody,
}

pub(crate) const VENDORS: [Vendor; 2] = [
    Vendor {
        name: "anthropic",
        request: anthropic::request,
        response: anthropic::response,
        stream: anthropic::stream,
        error: anthropic::error,
    },
    Vendor {
        name: "gemini",
        request: gemini::request,
        response: gemini::response,
        stream: gemini::stream,
        error: gemini::error,
    },
];

pub(crate) fn context() -> Context {
    Context {
        id: "chatcmpl-0192f0c1a2b3c4d5e6f708192a3b4c5d".to_owned(),
        created: 1_767_225_600,
        model: "house-model".to_owned(),
    }
}

/// Translates a whole stream, cut into events as the providers' code cuts it.
pub(crate) fn translate_stream(vendor: &Vendor, upstream: &[u8]) -> Result<Vec<u8>, BadAnswer> {
    let mut splitter = wire::sse::Splitter::new(1 << 24);
    let mut translator = (vendor.stream)(context());
    let mut out = Vec::new();
    splitter.push(bytes::Bytes::copy_from_slice(upstream));
    while let Some(event) = splitter.next() {
        translator.push(&event.unwrap(), &mut out)?;
    }
    translator.finish(&mut out)?;
    Ok(out)
}
