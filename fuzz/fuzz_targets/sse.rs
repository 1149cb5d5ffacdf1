//! How a stream is cut into pieces changes nothing of its events, and nothing of them is lost.

#![no_main]

use bytes::Bytes;
use kijun_fuzz::choice;
use libfuzzer_sys::fuzz_target;
use wire::sse::{Event, Splitter, write_data};

const MOST: usize = 1 << 20;

fn events(pieces: &[&[u8]]) -> Vec<Bytes> {
    let mut splitter = Splitter::new(MOST);
    let mut events = Vec::new();
    for piece in pieces {
        splitter.push(Bytes::copy_from_slice(piece));
        while let Some(event) = splitter.next() {
            events.push(event.expect("it is shorter than the bound"));
        }
    }
    events.extend(splitter.finish());
    events
}

fuzz_target!(|data: &[u8]| {
    let (size, stream) = choice(data);
    let whole = events(&[stream]);
    let pieces: Vec<&[u8]> = stream.chunks(size.max(1)).collect();
    assert_eq!(events(&pieces), whole);
    let joined = whole.concat();
    assert_eq!(joined, stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream));
    for event in &whole {
        let parsed = Event::parse(event);
        let mut written = Vec::new();
        write_data(&mut written, &parsed.data);
        if !parsed.data.contains(&b'\n') && !parsed.data.contains(&b'\r') {
            assert_eq!(Event::parse(&written).data, parsed.data, "what is written reads back");
        }
    }
    let mut short = Splitter::new(size);
    short.push(Bytes::copy_from_slice(stream));
    while let Some(event) = short.next() {
        assert!(event.is_err() || event.is_ok_and(|event| event.len() <= size));
    }
});
