//! Chat Completions to Anthropic's and Google's formats and back: JSON goes in, JSON comes out.

#![no_main]

use kijun_fuzz::{choice, is_json};
use libfuzzer_sys::fuzz_target;
use wire::error::ErrorBody;
use wire::sse::{Event, Splitter};
use wire::translate::{BadAnswer, Context, Inexpressible, StreamTranslator, anthropic, gemini};

struct Vendor {
    request: fn(&[u8], &str, bool) -> Result<Vec<u8>, Inexpressible>,
    response: fn(&[u8], &Context) -> Result<Vec<u8>, BadAnswer>,
    stream: fn(Context) -> Box<dyn StreamTranslator>,
    error: fn(u16, &[u8]) -> ErrorBody,
}

const VENDORS: [Vendor; 2] = [
    Vendor {
        request: anthropic::request,
        response: anthropic::response,
        stream: anthropic::stream,
        error: anthropic::error,
    },
    Vendor {
        request: gemini::request,
        response: gemini::response,
        stream: gemini::stream,
        error: gemini::error,
    },
];

const MODELS: [&str; 4] = ["claude-sonnet-4-5", "claude-opus-4-7", "gemini-3-pro", ""];

fn context() -> Context {
    Context { id: "chatcmpl-1".to_owned(), created: 1, model: "m".to_owned() }
}

fuzz_target!(|data: &[u8]| {
    let (chosen, body) = choice(data);
    let vendor = &VENDORS[chosen & 1];
    match chosen >> 1 & 3 {
        0 => {
            let model = MODELS[chosen >> 3 & 3];
            if let Ok(request) = (vendor.request)(body, model, chosen & 32 != 0) {
                assert!(is_json(&request));
            }
        }
        1 => {
            if let Ok(response) = (vendor.response)(body, &context()) {
                assert!(is_json(&response));
            }
        }
        2 => {
            let error = (vendor.error)(500, body);
            assert!(!error.message.is_empty());
            assert!(is_json(&error.to_json()));
        }
        _ => {
            let mut translator = (vendor.stream)(context());
            let mut out = Vec::new();
            let mut splitter = Splitter::new(1 << 20);
            splitter.push(bytes::Bytes::copy_from_slice(body));
            while let Some(Ok(event)) = splitter.next() {
                if translator.push(&event, &mut out).is_err() {
                    break;
                }
            }
            let _ = translator.finish(&mut out);
            splitter = Splitter::new(usize::MAX);
            splitter.push(out.into());
            while let Some(Ok(event)) = splitter.next() {
                let event = Event::parse(&event);
                assert!(event.is_done() || is_json(&event.data), "{event:?}");
            }
        }
    }
});
