//! Whatever an upstream streams, a client reads one well-formed response.

#![no_main]

use bytes::Bytes;
use kijun_fuzz::{choice, json};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use wire::responses::{Ending, Event, Opening, Source, Synthesis, ToolNames};
use wire::sse::Splitter;

fn synthesis() -> Synthesis {
    let mut count = 0;
    let mut synthesis = Synthesis::new(Opening {
        id: "resp_1".to_owned(),
        created_at: 1,
        echo: Map::new(),
        tools: ToolNames::default(),
        new_id: Box::new(move |prefix| {
            count += 1;
            format!("{prefix}{count}")
        }),
        seal: Box::new(|_| None),
    });
    synthesis.answered_by("house");
    synthesis
}

fuzz_target!(|data: &[u8]| {
    let (chosen, stream) = choice(data);
    let source = if chosen & 1 == 0 { Source::Chat } else { Source::Native };
    let mut synthesis = synthesis();
    if chosen & 8 != 0 {
        let _ = synthesis.whole(source, stream);
        synthesis.conclude(Ending::Said, 2);
        return;
    }
    let mut told = synthesis.begin();
    let hold = chosen & 2 != 0;
    if hold {
        synthesis.hold_text();
    }
    let mut splitter = Splitter::new(1 << 20);
    splitter.push(Bytes::copy_from_slice(stream));
    while let Some(Ok(event)) = splitter.next() {
        told.extend(synthesis.read(source, &event).unwrap_or_default());
    }
    if hold {
        synthesis.replace_text("{}".to_owned());
    }
    let ending = if chosen & 4 == 0 { Ending::Said } else { Ending::Cancelled };
    told.extend(synthesis.conclude(ending, 2));
    for (number, event) in (0..).zip(&told) {
        assert_eq!(event.sequence_number, number);
        assert_eq!(json(&event.to_json())["type"], *event.kind);
    }
    assert!(told.iter().rev().skip(1).all(|event| !event.is_terminal()));
    let last = told.last().expect("a response ends");
    // A response that was cancelled before it began has no last event.
    if last.is_terminal() {
        assert_eq!(last.body["response"]["output"], Value::Array(synthesis.output()));
    }
    let added = |kind: &str| told.iter().filter(|event: &&Event| event.kind == kind).count();
    assert_eq!(added("response.output_item.added"), added("response.output_item.done"));
});
