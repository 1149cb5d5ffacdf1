//! Whole answers.

use kernel::catalog::FailureClass;
use tokio::sync::mpsc;

use crate::upstream::{BODY, chat, failure, openai, upstream, whole};

#[tokio::test]
async fn bodies_pass_byte_for_byte_both_ways() {
    const ANSWER: &str = "{ \"unknown\" : 1.50,\n \"choices\":[ ], \"text\":\"\\u00e9 é\" }\n";
    let (seen, mut requests) = mpsc::unbounded_channel();
    let address = upstream(move |_, mut peer| {
        let seen = seen.clone();
        async move {
            seen.send(peer.request().await.unwrap()).unwrap();
            let headers = "x-request-id: theirs\r\nset-cookie: a=b\r\nx-new: 1\r\n";
            peer.answer("200 OK", headers, ANSWER).await;
        }
    })
    .await;
    let (answer, text) = whole(&*openai(address), chat(false)).await.unwrap();
    assert_eq!(text, ANSWER);
    assert_eq!(answer.headers["x-upstream-request-id"], "theirs");
    assert_eq!(answer.headers["x-new"], "1");
    for gone in ["x-request-id", "set-cookie", "content-length"] {
        assert!(!answer.headers.contains_key(gone), "{gone}");
    }
    let request = requests.recv().await.unwrap();
    assert_eq!(request.body, BODY.replace("alias", "upstream-model"));
    assert!(request.head.starts_with("post /v1/chat/completions http/1.1\r\n"));
    for header in [
        format!("host: {address}"),
        "authorization: bearer test-key".to_owned(),
        "content-type: application/json".to_owned(),
        "accept-encoding: identity".to_owned(),
        "x-request-id: req_test".to_owned(),
        "openai-beta: x=v2".to_owned(),
    ] {
        assert!(request.head.contains(&format!("\r\n{header}\r\n")), "{header}\n{}", request.head);
    }
}

#[tokio::test]
async fn bodies_may_end_with_the_connection() {
    let address = upstream(|_, mut peer| async move {
        peer.request().await.unwrap();
        peer.send("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":").await;
        peer.send("1}").await;
    })
    .await;
    let provider = openai(address);
    for _ in 0..2 {
        assert_eq!(whole(&*provider, chat(false)).await.unwrap().1, "{\"a\":1}");
    }
}

#[tokio::test]
async fn large_bodies_come_whole() {
    let text = format!("{{\"a\":\"{}\"}}", "é".repeat(200_000));
    let sent = text.clone();
    let address = upstream(move |_, mut peer| {
        let sent = sent.clone();
        async move {
            peer.request().await.unwrap();
            peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            // An odd size splits characters.
            for piece in sent.as_bytes().chunks(7_777) {
                peer.chunk(piece).await;
            }
            peer.chunk("").await;
        }
    })
    .await;
    assert_eq!(whole(&*openai(address), chat(false)).await.unwrap().1, text);
}

#[tokio::test]
async fn what_is_no_json_object_is_no_answer() {
    for wrong in ["not json", "[1]", "{\"cut\": ", ""] {
        let address = upstream(move |_, mut peer| async move {
            peer.request().await.unwrap();
            peer.answer("200 OK", "", wrong).await;
        })
        .await;
        let failure = failure(&*openai(address), chat(false)).await;
        assert_eq!(failure.class, FailureClass::InvalidAnswer, "{wrong}");
        assert!(failure.said.is_none() && !failure.message.contains("127.0.0.1"));
    }
}

#[tokio::test]
async fn a_body_without_end_is_cut() {
    let (gone, mut hung_up) = mpsc::unbounded_channel();
    let address = upstream(move |_, mut peer| {
        let gone = gone.clone();
        async move {
            peer.request().await.unwrap();
            peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            while peer.chunk(" ".repeat(65_536)).await {}
            gone.send(()).unwrap();
        }
    })
    .await;
    let failure = failure(&*openai(address), chat(false)).await;
    assert_eq!(failure.class, FailureClass::InvalidAnswer);
    assert!(failure.message.contains("longer"), "{failure}");
    hung_up.recv().await.unwrap();
}

#[tokio::test]
async fn a_claimed_length_that_is_too_long_is_not_read() {
    let address = upstream(|_, mut peer| async move {
        peer.request().await.unwrap();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n{").await;
        peer.hung_up().await;
    })
    .await;
    assert!(failure(&*openai(address), chat(false)).await.message.contains("longer"));
}

#[tokio::test]
async fn a_client_that_hangs_up_is_felt_upstream() {
    let (asked, mut began) = mpsc::unbounded_channel();
    let (gone, mut hung_up) = mpsc::unbounded_channel();
    let address = upstream(move |_, mut peer| {
        let (asked, gone) = (asked.clone(), gone.clone());
        async move {
            peer.request().await.unwrap();
            asked.send(()).unwrap();
            peer.hung_up().await;
            gone.send(()).unwrap();
        }
    })
    .await;
    let provider = openai(address);
    let call = tokio::spawn(async move { provider.call(chat(false)).await.is_ok() });
    began.recv().await.unwrap();
    call.abort();
    hung_up.recv().await.unwrap();
}
