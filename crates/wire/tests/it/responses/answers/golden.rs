//! Golden fixtures of answers: `tests/fixtures/responses/answers/<case>/`.
//!
//! `chat.sse` or `native.sse`, what an upstream sends, becomes `events.sse`; `chat.json` or
//! `native.json` becomes `response.json`. To write a new case, write the left side, run
//! `cargo test -p kijun-wire -- --ignored regenerate_answers`, and read the right one.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;
use wire::responses::{Ending, Event, Source, Synthesis};
use wire::sse::Splitter;

use super::grammar::check;
use super::{CONCLUDED, synthesis};

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/responses/answers");
    let mut cases: Vec<_> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

/// Reads a whole stream as the engine does.
pub(super) fn read_stream(synthesis: &mut Synthesis, source: Source, stream: &[u8]) -> Vec<Event> {
    let mut splitter = Splitter::new(1 << 20);
    splitter.push(Bytes::copy_from_slice(stream));
    let mut events = synthesis.begin();
    while let Some(raw) = splitter.next() {
        events.extend(synthesis.read(source, &raw.unwrap()).unwrap());
        if synthesis.upstream_done() || synthesis.upstream_error().is_some() {
            break;
        }
    }
    let ending = match synthesis.upstream_error() {
        Some(error) => Ending::Failed(error.clone()),
        None if synthesis.upstream_done() => Ending::Said,
        None => Ending::Failed(super::lost()),
    };
    events.extend(synthesis.conclude(ending, CONCLUDED));
    events
}

fn made(case: &Path) -> (PathBuf, String) {
    for (name, source) in [("chat", Source::Chat), ("native", Source::Native)] {
        if let Ok(stream) = fs::read(case.join(format!("{name}.sse"))) {
            let events = read_stream(&mut synthesis(), source, &stream);
            check(&events);
            let text = events.iter().map(|event| String::from_utf8(event.to_sse()).unwrap());
            return (case.join("events.sse"), text.collect());
        }
        if let Ok(document) = fs::read(case.join(format!("{name}.json"))) {
            let mut synthesis = synthesis();
            synthesis.whole(source, &document).unwrap();
            assert!(synthesis.upstream_done());
            assert!(synthesis.conclude(Ending::Said, CONCLUDED).is_empty(), "nobody listens");
            let pretty = serde_json::to_string_pretty(&synthesis.response()).unwrap();
            return (case.join("response.json"), format!("{pretty}\n"));
        }
    }
    panic!("{} holds no case", case.display());
}

#[test]
fn answers_are_told_as_written() {
    let cases = cases();
    assert!(cases.len() > 15, "the fixtures are there");
    for case in cases {
        let (path, text) = made(&case);
        let golden =
            fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
        assert_eq!(text, golden, "{}", path.display());
    }
}

#[test]
#[ignore = "writes the fixtures' right sides; read the difference before you commit it"]
fn regenerate_answers() {
    for case in cases() {
        let (path, text) = made(&case);
        fs::write(path, text).unwrap();
    }
}

/// The items of a stream, without their ids, are those of the whole answer.
#[test]
fn a_whole_answer_says_what_its_stream_says() {
    let mut compared = 0;
    for case in cases() {
        for (name, source) in [("chat", Source::Chat), ("native", Source::Native)] {
            let Ok(stream) = fs::read(case.join(format!("{name}.sse"))) else { continue };
            let mut streamed = synthesis();
            read_stream(&mut streamed, source, &stream);
            let streamed = streamed.response();
            if streamed["status"] == "failed" {
                continue;
            }
            // Our own response is a whole native answer, too.
            let mut whole = synthesis();
            whole.whole(Source::Native, streamed.to_string().as_bytes()).unwrap();
            whole.conclude(Ending::Said, CONCLUDED);
            let bare = |mut response: Value| {
                for item in response["output"].as_array_mut().unwrap() {
                    let item = item.as_object_mut().unwrap();
                    item.remove("id");
                    item.remove("encrypted_content");
                }
                response
            };
            assert_eq!(bare(whole.response()), bare(streamed), "{}", case.display());
            compared += 1;
        }
    }
    assert!(compared > 10);
}
