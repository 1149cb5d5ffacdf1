//! What is admitted is what is sent: the model's name is exchanged, and nothing else changes.

#![no_main]

use bytes::Bytes;
use kernel::Operation;
use kijun_fuzz::{choice, json};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use wire::envelope::{Envelope, rewrite};

const NAME: &str = "upstream \"model\"\n";

fn fields(body: &[u8]) -> serde_json::Map<String, Value> {
    match json(body) {
        Value::Object(fields) => fields,
        other => panic!("{other} is no object"),
    }
}

fuzz_target!(|data: &[u8]| {
    let (choice, body) = choice(data);
    let operation = Operation::ALL[choice % Operation::ALL.len()];
    let body = Bytes::copy_from_slice(body);
    let Ok(envelope) = Envelope::parse(operation, &body) else { return };
    // Deeper than serde_json reads a value is refused by whoever reads it as one.
    let Ok(Value::Object(mut before)) = serde_json::from_slice::<Value>(&body) else { return };
    // 128 of each prompt at most, and no prompt is shorter than a byte.
    assert!((1..=128 * body.len() as u64).contains(&envelope.choices));
    for ask_usage in [false, true] {
        let sent = envelope.for_upstream(&body, NAME, ask_usage);
        let mut after = fields(&sent);
        assert_eq!(after["model"], NAME);
        if ask_usage && envelope.stream {
            assert_eq!(after["stream_options"]["include_usage"], true);
        }
        let again = rewrite(&sent, "second", ask_usage).expect("what was read once reads again");
        assert_eq!(fields(&again)["model"], "second");
        for map in [&mut before, &mut after] {
            map.shift_remove("model");
            map.shift_remove("stream_options");
        }
        assert_eq!(before, after);
    }
});
