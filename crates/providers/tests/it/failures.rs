//! Errors that the provider itself reports, and connections that bring none.

use kernel::catalog::FailureClass;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::upstream::{chat, failure, openai, provider, spec, upstream};

#[tokio::test]
async fn the_providers_own_error_is_kept() {
    const ERROR: &str = r#"{ "error": {"message":"Slow down","type":"tokens","param":null,"code":"rate_limit_exceeded","extra":1} }"#;
    let address = upstream(|_, mut peer| async move {
        peer.request().await.unwrap();
        let headers = "retry-after: 7\r\nretry-after-ms: 6500\r\nx-should-retry: true\r\n\
                       x-ratelimit-remaining-requests: 0\r\n";
        peer.answer("429 Too Many Requests", headers, ERROR).await;
    })
    .await;
    for streamed in [false, true] {
        let failure = failure(&*openai(address), chat(streamed)).await;
        assert_eq!(failure.class, FailureClass::RateLimited);
        let said = failure.said.unwrap();
        assert_eq!((said.status.as_u16(), &*said.body), (429, ERROR.as_bytes()));
        for (name, value) in [
            ("retry-after", "7"),
            ("retry-after-ms", "6500"),
            ("x-should-retry", "true"),
            ("x-ratelimit-remaining-requests", "0"),
        ] {
            assert_eq!(said.headers[name], value);
        }
    }
}

#[tokio::test]
async fn errors_of_any_shape_become_the_envelope() {
    for (status, body, class) in [
        ("502 Bad Gateway", "<html><h1>Bad gateway</h1></html>", FailureClass::ServerError),
        ("503 Service Unavailable", "", FailureClass::Overloaded),
        ("401 Unauthorized", "{\"detail\":\"no\"}", FailureClass::Unauthorized),
        ("422 Unprocessable Entity", "{\"message\":\"wrong\"}", FailureClass::InvalidRequest),
    ] {
        let address = upstream(move |_, mut peer| async move {
            peer.request().await.unwrap();
            peer.answer(status, "", body).await;
        })
        .await;
        let failure = failure(&*openai(address), chat(false)).await;
        assert_eq!(failure.class, class, "{status}");
        let said = failure.said.unwrap();
        assert!(status.starts_with(said.status.as_str()));
        let envelope: Value = serde_json::from_slice(&said.body).unwrap();
        assert!(envelope["error"]["message"].is_string() && envelope["error"]["type"].is_string());
    }
}

#[tokio::test]
async fn an_error_whose_body_breaks_off_is_still_that_error() {
    let address = upstream(|_, mut peer| async move {
        peer.request().await.unwrap();
        peer.send(
            "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 99\r\nretry-after: 1\r\n\r\n{",
        )
        .await;
    })
    .await;
    let failure = failure(&*openai(address), chat(false)).await;
    assert_eq!(failure.class, FailureClass::RateLimited);
    assert_eq!(failure.said.unwrap().headers["retry-after"], "1");
}

#[tokio::test]
async fn redirects_and_compression_are_explained() {
    for (head, hint) in [
        ("307 Temporary Redirect\r\nlocation: http://elsewhere/", "base_url"),
        ("200 OK\r\ncontent-encoding: gzip", "compressed"),
    ] {
        let address = upstream(move |_, mut peer| async move {
            peer.request().await.unwrap();
            peer.send(format!("HTTP/1.1 {head}\r\ncontent-length: 2\r\n\r\n{{}}")).await;
        })
        .await;
        let failure = failure(&*openai(address), chat(false)).await;
        assert_eq!(failure.class, FailureClass::InvalidAnswer);
        assert!(failure.message.contains(hint), "{failure}");
    }
}

#[tokio::test]
async fn what_is_not_http_is_a_server_error() {
    let address = upstream(|_, mut peer| async move {
        peer.request().await.unwrap();
        peer.send("SSH-2.0-OpenSSH_9.9\r\n\r\n").await;
        peer.hung_up().await;
    })
    .await;
    assert_eq!(failure(&*openai(address), chat(false)).await.class, FailureClass::ServerError);
}

#[tokio::test]
async fn a_whole_answer_that_breaks_off_is_a_lost_connection() {
    let address = upstream(|_, mut peer| async move {
        peer.request().await.unwrap();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"a\":").await;
    })
    .await;
    assert_eq!(failure(&*openai(address), chat(false)).await.class, FailureClass::Connection);
}

#[tokio::test]
async fn a_closed_port_is_a_connection_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let failure = failure(&*openai(address), chat(false)).await;
    assert_eq!(failure.class, FailureClass::Connection);
    assert!(failure.said.is_none() && !failure.message.contains("127.0.0.1"), "{failure}");
}

#[tokio::test]
async fn a_wrong_request_never_leaves() {
    let mut call = chat(false);
    call.body = bytes::Bytes::from_static(b"{\"model\": ");
    let nowhere = "127.0.0.1:1".parse().unwrap();
    let failure = failure(&*openai(nowhere), call).await;
    assert_eq!(failure.class, FailureClass::InvalidRequest);
    assert_eq!(failure.said.unwrap().status, 400);
}

#[tokio::test]
async fn what_one_vendor_cannot_say_another_may() {
    let mut call = chat(false);
    call.body = bytes::Bytes::from_static(br#"{"model":"m","messages":[],"n":2}"#);
    let anthropic = provider(&spec("anthropic", "http://127.0.0.1:1".to_owned()));
    let failure = failure(&*anthropic, call).await;
    assert_eq!(failure.class, FailureClass::Unsupported);
    assert!(failure.class.another_may_succeed() && !failure.class.counts_against_target());
    let said = failure.said.unwrap();
    assert_eq!(said.status, 400);
    assert!(said.body.windows(11).any(|part| part == br#""param":"n""#), "{:?}", said.body);
}
