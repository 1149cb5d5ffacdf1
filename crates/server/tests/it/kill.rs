//! `kill -9` under load: every call whose answer a client has, has its record.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crate::node::{API_KEY, Node, chat_body};

#[test]
fn no_settled_call_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut answered = 0;
    let mut started = 0;
    for _round in 0..3 {
        let node = Arc::new(Node::start(folder.path()));
        let count = Arc::new(AtomicU64::new(0));
        let begun = Arc::new(AtomicU64::new(0));
        let clients: Vec<_> = (0..8)
            .map(|number| {
                let (node, count, begun) =
                    (Arc::clone(&node), Arc::clone(&count), Arc::clone(&begun));
                let stream = number % 2 == 0;
                std::thread::spawn(move || {
                    let body = chat_body("Hello", stream);
                    loop {
                        begun.fetch_add(1, Ordering::SeqCst);
                        let response =
                            node.try_send("POST", "/v1/chat/completions", API_KEY, &body);
                        let whole = |body: &str| {
                            if stream { body.contains("[DONE]") } else { body.ends_with('}') }
                        };
                        match response {
                            Some((200, body)) if whole(&body) => {
                                count.fetch_add(1, Ordering::SeqCst)
                            }
                            last => break last,
                        };
                    }
                })
            })
            .collect();
        while count.load(Ordering::SeqCst) < 200 && !clients.iter().all(JoinHandle::is_finished) {
            std::thread::yield_now();
        }
        node.signal("-KILL");
        let last: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        assert!(
            count.load(Ordering::SeqCst) >= 200,
            "the node failed before it was killed: {last:?}"
        );
        answered += count.load(Ordering::SeqCst);
        started += begun.load(Ordering::SeqCst);
    }
    let node = Node::start(folder.path());
    let recorded = node.recorded();
    assert!(recorded >= answered, "{recorded} records of {answered} answered calls");
    assert!(recorded <= started, "{recorded} records of {started} calls: some counted twice");
}
