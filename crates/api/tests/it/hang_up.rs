//! A client that hangs up is heard upstream, and leaves one record.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::{TestApp, hello, hello_streamed};

/// Sends a call over a real connection.
async fn call(app: &TestApp, body: Value) -> TcpStream {
    let mut tcp = TcpStream::connect(app.listen().await).await.unwrap();
    let (key, body) = (&app.home.api_key, body.to_string());
    let length = body.len();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: kijun\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    tcp.write_all(request.as_bytes()).await.unwrap();
    tcp
}

#[tokio::test]
async fn a_stream_is_hung_up_on() {
    let app = TestApp::start().await;
    let mut client = call(&app, hello_streamed("never-ending")).await;
    let mut read = vec![0; 64 * 1024];
    let mut seen = 0;
    while seen < read.len() {
        seen += client.read(&mut read[seen..]).await.unwrap();
    }
    assert!(String::from_utf8_lossy(&read).contains("more "));
    drop(client);
    app.upstream.hang_ups_reach(1).await;
    assert!(app.gateway.settler().idle(std::time::Duration::from_secs(10)).await);
    let record = app.only_call().await;
    assert_eq!(record["outcome"], "client_closed");
    assert_eq!(record["usage"]["estimated"], true);
    assert!(record["usage"]["output_tokens"].as_u64().unwrap() > 0, "{record}");
}

#[tokio::test]
async fn a_whole_call_is_hung_up_on() {
    let app = TestApp::start().await;
    let client = call(&app, hello("hang")).await;
    app.upstream.requests_reach(1).await;
    drop(client);
    app.upstream.hang_ups_reach(1).await;
    assert!(app.gateway.settler().idle(std::time::Duration::from_secs(10)).await);
    assert_eq!(app.only_call().await["outcome"], "client_closed");
}

#[tokio::test]
async fn a_whole_answer_without_end_is_hung_up_on() {
    let app = TestApp::start().await;
    let client = call(&app, hello("never-ending")).await;
    app.upstream.requests_reach(1).await;
    drop(client);
    app.upstream.hang_ups_reach(1).await;
    assert!(app.gateway.settler().idle(std::time::Duration::from_secs(10)).await);
    assert_eq!(app.calls().await.len(), 1);
}
