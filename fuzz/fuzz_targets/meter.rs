//! What an upstream answers is measured, and its errors are told, whatever it is.

#![no_main]

use bytes::Bytes;
use kernel::Operation;
use kijun_fuzz::{choice, is_json, json};
use libfuzzer_sys::fuzz_target;
use wire::error::{ErrorBody, classify, envelope, is_envelope};
use wire::meter::{StreamMeter, output_text, read_whole};
use wire::sse::Splitter;

fuzz_target!(|data: &[u8]| {
    let (chosen, body) = choice(data);
    let body = Bytes::copy_from_slice(body);
    let operation = Operation::ALL[chosen % Operation::ALL.len()];
    let _ = (read_whole(&body), output_text(operation, &body));
    for status in [400, 429, 500] {
        let _ = classify(status, &body);
        assert!(is_json(&ErrorBody::from_upstream(status, &body).to_json()));
        let told = envelope(status, &body);
        assert!(is_envelope(&told));
        assert!(json(&told)["error"]["message"].is_string() || told == body);
    }
    let mut meter = if chosen & 1 == 0 {
        StreamMeter::new(chosen & 2 == 0)
    } else {
        StreamMeter::of_response()
    };
    let mut splitter = Splitter::new(1 << 20);
    splitter.push(body);
    while let Some(Ok(event)) = splitter.next() {
        let _ = meter.read(&event);
    }
    let _ = (meter.usage(), meter.has_output(), meter.error(), meter.is_done());
});
