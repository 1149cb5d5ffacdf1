//! Stopping in order.

use std::io::Read as _;

use crate::node::{API_KEY, Node, chat_body};

#[test]
fn a_stream_finishes_while_new_calls_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::start(folder.path());
    let body = chat_body("sim: tokens 40\nsim: pace 50ms", true);
    let mut stream = node.request("POST", "/v1/chat/completions", API_KEY, &body).unwrap();
    let mut first = [0; 512];
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("data:") {
        let read = stream.read(&mut first).unwrap();
        seen.extend_from_slice(&first[..read]);
    }
    node.signal("-TERM");
    // From the signal on, every new call hears that the node is stopping.
    let refused = std::iter::repeat_with(|| {
        node.try_send("POST", "/v1/chat/completions", API_KEY, &chat_body("x", false))
    })
    .take(200)
    .flatten()
    .find(|(status, _)| *status == 503);
    assert!(refused.is_some_and(|(_, body)| body.contains("stopping")));
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("data: [DONE]"), "{rest}");
    assert!(node.child.wait().unwrap().success());

    let again = Node::start(folder.path());
    assert!(again.recorded() >= 1, "the stream has its record");
}

#[test]
fn who_asks_twice_does_not_wait() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::start(folder.path());
    // Far longer than the drain allows.
    let body = chat_body("sim: tokens 1000\nsim: pace 1000ms", true);
    let mut stream = node.request("POST", "/v1/chat/completions", API_KEY, &body).unwrap();
    let mut first = [0; 512];
    assert!(stream.read(&mut first).unwrap() > 0);
    node.signal("-TERM");
    // The node may still take calls before it hears the signal.
    let mut taken = 0;
    let stopping = std::iter::repeat_with(|| {
        node.try_send("POST", "/v1/chat/completions", API_KEY, &chat_body("x", false))
    })
    .take(200)
    .flatten()
    .inspect(|(status, _)| taken += u64::from(*status == 200))
    .find(|(status, _)| *status == 503);
    assert!(stopping.is_some());
    assert!(node.child.try_wait().unwrap().is_none(), "it waits for the stream");
    node.signal("-INT");
    assert!(node.child.wait().unwrap().success());
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("[DONE]"), "the stream was cut off");

    let again = Node::start(folder.path());
    assert_eq!(again.recorded(), taken + 1, "what was cut off has its record");
}
