//! Invariants of the wire format over arbitrary input.

use bytes::Bytes;
use kernel::Operation;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use wire::envelope::{self, Envelope};
use wire::meter::{Forward, StreamMeter, output_text, read_whole};
use wire::sse::{Event, Splitter, TooLong, write_data};
use wire::{error, usage};

/// Streams made of what matters to the splitter: line ends, marks, fields, text of several bytes.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => Just(&b"\n"[..]),
        4 => Just(&b"\r"[..]),
        2 => Just(&b"\r\n\r\n"[..]),
        1 => Just(&b"\n\n"[..]),
        2 => Just("data: é".as_bytes()),
        1 => Just(&b"\xef\xbb\xbf"[..]),
        1 => Just(&b": ping"[..]),
        1 => Just(&b"event: x"[..]),
        1 => Just(&b"\xff"[..]),
    ];
    vec(part, 0..40).prop_map(|parts| parts.concat())
}

/// The events of a stream cut at these places, and what ended it.
fn split(stream: &[u8], cuts: &[usize], max: usize) -> (Vec<Vec<u8>>, Option<TooLong>) {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    cuts.extend([0, stream.len()]);
    cuts.sort_unstable();
    let mut splitter = Splitter::new(max);
    let mut events = Vec::new();
    for pair in cuts.windows(2) {
        splitter.push(Bytes::copy_from_slice(&stream[pair[0]..pair[1]]));
        while let Some(event) = splitter.next() {
            match event {
                Ok(event) => events.push(event.to_vec()),
                Err(too_long) => return (events, Some(too_long)),
            }
        }
    }
    events.extend(splitter.finish().map(|rest| rest.to_vec()));
    (events, None)
}

/// JSON values with few keys, so that the ones with a meaning come up often.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-8..12i32).prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        "[a-zé\"\\\\\n]{0,6}".prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec![
        "model",
        "messages",
        "role",
        "content",
        "stream",
        "stream_options",
        "include_usage",
        "usage",
        "choices",
        "delta",
        "message",
        "text",
        "tool_calls",
        "function",
        "arguments",
        "error",
        "type",
        "code",
        "input",
        "prompt",
        "n",
        "prompt_tokens",
        "completion_tokens",
        "prompt_tokens_details",
        "cached_tokens",
        "user",
        "detail",
    ]);
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((keys.clone(), inner), 0..6).prop_map(|members| {
                let members = members.into_iter().map(|(key, value)| (key.to_owned(), value));
                Value::Object(members.collect::<Map<_, _>>())
            }),
        ]
    })
}

fn every_reader(bytes: &[u8]) {
    let body = Bytes::copy_from_slice(bytes);
    for operation in Operation::ALL {
        if let Ok(envelope) = Envelope::parse(operation, &body) {
            let sent = envelope.for_upstream(&body, "up", true);
            let sent: Value = serde_json::from_slice(&sent).expect("still JSON");
            assert_eq!(sent["model"], "up");
            assert!(!envelope.stream || sent["stream_options"]["include_usage"] == json!(true));
        }
        let _ = (read_whole(bytes), output_text(operation, bytes));
    }
    let _ = envelope::rewrite(&body, "up", true);
    let _ = usage::read(bytes);
    for status in [200, 400, 404, 500] {
        let _ = error::classify(status, bytes);
        let made = error::envelope(status, &body);
        assert!(error::is_envelope(&made), "{made:?}");
    }
}

proptest! {
    #[test]
    fn any_split_of_any_stream_gives_the_same_events(
        stream in streams(),
        cuts in vec(any::<usize>(), 0..30),
        max in prop_oneof![Just(1_000usize), 5..30usize],
    ) {
        let whole = split(&stream, &[], max);
        prop_assert_eq!(&split(&stream, &cuts, max), &whole);
        let bytewise: Vec<usize> = (0..stream.len()).collect();
        prop_assert_eq!(&split(&stream, &bytewise, max), &whole);
        if whole.1.is_none() {
            let joined = whole.0.concat();
            prop_assert_eq!(joined, stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&stream));
        }
    }

    #[test]
    fn what_is_written_is_read_back(value in values()) {
        let mut stream = Vec::new();
        write_data(&mut stream, serde_json::to_string_pretty(&value).expect("JSON").as_bytes());
        let (events, _) = split(&stream, &[3, 7], usize::MAX);
        prop_assert_eq!(&events, std::slice::from_ref(&stream));
        let event = Event::parse(&stream);
        let read: Value = serde_json::from_slice(&event.data).expect("JSON");
        prop_assert_eq!(read, value);
    }

    #[test]
    fn hiding_the_usage_takes_nothing_else(value in values(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let mut raw = Vec::new();
        write_data(&mut raw, text.expect("JSON").as_bytes());
        let raw = Bytes::from(raw);
        prop_assert_eq!(StreamMeter::new(true).read(&raw), Forward::AsIs);
        let mut expected = value;
        let usage = expected.as_object_mut().and_then(|object| object.shift_remove("usage"));
        match StreamMeter::new(false).read(&raw) {
            Forward::AsIs => prop_assert_eq!(usage, None),
            Forward::Drop => prop_assert_eq!(&expected["choices"], &json!([])),
            Forward::Edited(edited) => {
                let read: Value = serde_json::from_slice(&Event::parse(&edited).data).expect("JSON");
                prop_assert!(usage.is_some());
                prop_assert_eq!(read, expected);
            }
        }
    }

    #[test]
    fn no_json_breaks_a_reader(value in values()) {
        every_reader(value.to_string().as_bytes());
    }

    #[test]
    fn no_bytes_break_a_reader(bytes in vec(any::<u8>(), 0..200)) {
        every_reader(&bytes);
    }
}
