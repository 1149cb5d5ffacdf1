//! `kill -9` under load: every call whose answer a client has, has its record, once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crate::node::{ADMIN_KEY, API_KEY, Node, Response, chat_body};

/// Answers before the node is killed.
const ENOUGH: usize = 200;

/// A client that calls until it gets no whole answer; returns the ids of those it got, and the
/// last response.
fn client(node: &Node, stream: bool, answered: &AtomicUsize) -> (Vec<String>, Option<Response>) {
    let body = chat_body("Hello", stream);
    let mut ids = Vec::new();
    loop {
        let whole = |response: &Response| {
            let end = if stream {
                response.body.contains("[DONE]")
            } else {
                response.body.ends_with('}')
            };
            response.status == 200 && end
        };
        match node.try_exchange("POST", "/v1/chat/completions", API_KEY, &body) {
            Some(response) if whole(&response) => {
                ids.push(response.id);
                answered.fetch_add(1, Ordering::SeqCst);
            }
            last => return (ids, last),
        }
    }
}

#[test]
fn no_settled_call_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ids, mut cut_off) = (Vec::new(), 0);
    for _round in 0..3 {
        let node = Arc::new(Node::start(folder.path()));
        let answered = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..8)
            .map(|number| {
                let (node, answered) = (Arc::clone(&node), Arc::clone(&answered));
                std::thread::spawn(move || client(&node, number % 2 == 0, &answered))
            })
            .collect();
        while answered.load(Ordering::SeqCst) < ENOUGH
            && !clients.iter().all(JoinHandle::is_finished)
        {
            std::thread::yield_now();
        }
        node.signal("-KILL");
        let ended: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        assert!(answered.load(Ordering::SeqCst) >= ENOUGH, "it failed before: {ended:?}");
        cut_off += ended.len();
        ids.extend(ended.into_iter().flat_map(|(ids, _)| ids));
    }
    let node = Node::start(folder.path());
    let recorded = node.recorded();
    for id in &ids {
        let (status, body) =
            node.send("GET", &format!("/v1/organization/calls/{id}"), ADMIN_KEY, "");
        assert_eq!(status, 200, "the call {id} was answered and has no record: {body}");
    }
    let most = ids.len() + cut_off;
    assert!(recorded <= most as u64, "{recorded} records of at most {most} calls");
}
