//! A scripted upstream on a real socket, and the calls that tests make to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use kernel::catalog::{ProviderSpec, Source, Timeouts};
use kernel::{Operation, RequestId, SystemClock, SystemRng};
use providers::{
    Answer, AnswerBody, EventStream, Failure, Outbound, Provider, Rack, StreamBreak, Transport,
    TransportConfig,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One connection, from the upstream's side.
pub(crate) struct Peer {
    tcp: TcpStream,
    read: Vec<u8>,
}

/// A request as it stood on the wire.
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Peer {
    /// The next request; `None` if the client hung up instead.
    pub(crate) async fn request(&mut self) -> Option<Request> {
        let end = loop {
            if let Some(at) = memchr::memmem::find(&self.read, b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap().to_lowercase();
        let length = head
            .split("content-length: ")
            .nth(1)
            .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
        while self.read.len() < length {
            self.more().await?;
        }
        let body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        Some(Request { head, body })
    }

    async fn more(&mut self) -> Option<()> {
        let read = self.tcp.read_buf(&mut self.read).await.unwrap_or(0);
        (read > 0).then_some(())
    }

    /// Sends bytes as they are; false once the client is gone.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.tcp.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Sends one chunk of a chunked body.
    pub(crate) async fn chunk(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let bytes = bytes.as_ref();
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.send(chunk).await
    }

    /// Answers with a JSON document.
    pub(crate) async fn answer(&mut self, status: &str, headers: &str, body: &str) -> bool {
        let length = body.len();
        self.send(format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: \
             {length}\r\n\r\n{body}"
        ))
        .await
    }

    /// Waits until the client hangs up.
    pub(crate) async fn hung_up(mut self) {
        while self.more().await.is_some() {}
    }

    /// Ends the connection with a reset instead of an orderly close.
    pub(crate) fn reset(self) {
        self.tcp.set_zero_linger().unwrap();
    }
}

/// The head of an event stream.
pub(crate) const STREAM_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

type Script = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts an upstream; the script is run for each connection, with its number.
pub(crate) async fn upstream<F, S>(script: F) -> SocketAddr
where
    F: Fn(usize, Peer) -> S + Send + Sync + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let (tcp, _) = listener.accept().await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let script: Script = Box::pin(script(number, Peer { tcp, read: Vec::new() }));
            tokio::spawn(script);
        }
    });
    address
}

/// A provider's configuration.
pub(crate) fn spec(kind: &str, base_url: String) -> ProviderSpec {
    ProviderSpec {
        name: "scripted".to_owned(),
        kind: kind.to_owned(),
        base_url: Some(base_url),
        api_key: Some("test-key".to_owned().into()),
        quirks: None,
        api_version: None,
        headers: BTreeMap::new(),
        timeouts: Timeouts::default(),
        max_concurrent: None,
        discover: false,
        source: Source::File,
    }
}

/// The provider that a configuration describes.
pub(crate) fn provider(spec: &ProviderSpec) -> Arc<dyn Provider> {
    let config = TransportConfig { max_answer_bytes: 1024 * 1024, ..TransportConfig::default() };
    let rack = Rack::new(Transport::new(config), Arc::new(SystemClock), Arc::new(SystemRng));
    rack.build(spec).unwrap()
}

/// An OpenAI-compatible provider at this address.
pub(crate) fn openai(address: SocketAddr) -> Arc<dyn Provider> {
    provider(&spec("openai", format!("http://{address}/v1")))
}

/// What clients ask in these tests.
pub(crate) const BODY: &str = r#"{ "model" : "alias", "messages":[{"role":"user","content":"hé"}], "unknown": {"kept": 1.50} }"#;

/// A chat call.
pub(crate) fn chat(stream: bool) -> Outbound {
    let body =
        if stream { BODY.replacen("{ ", r#"{ "stream":true, "#, 1) } else { BODY.to_owned() };
    let mut headers = HeaderMap::new();
    headers.insert("openai-beta", HeaderValue::from_static("x=v2"));
    Outbound {
        id: RequestId::from("req_test"),
        operation: Operation::ChatCompletions,
        model: "upstream-model".into(),
        body: Bytes::from(body),
        stream,
        headers,
        deadline: Duration::from_secs(60),
    }
}

/// An embeddings call.
pub(crate) fn embeddings(body: &str) -> Outbound {
    Outbound {
        operation: Operation::Embeddings,
        body: Bytes::copy_from_slice(body.as_bytes()),
        ..chat(false)
    }
}

/// The call's answer as a whole.
pub(crate) async fn whole(
    provider: &dyn Provider,
    call: Outbound,
) -> Result<(Answer, String), Failure> {
    let mut answer = provider.call(call).await?;
    let AnswerBody::Whole { document: body, .. } = &mut answer.body else { panic!("a stream") };
    let text = String::from_utf8(body.to_vec()).unwrap();
    Ok((answer, text))
}

/// The call's answer as a stream.
pub(crate) async fn stream(
    provider: &dyn Provider,
    call: Outbound,
) -> Result<EventStream, Failure> {
    match provider.call(call).await?.body {
        AnswerBody::Events(events) => Ok(events),
        AnswerBody::Whole { .. } => panic!("no stream"),
    }
}

/// All that a stream brings, and how it ends.
pub(crate) async fn read(events: &mut EventStream) -> (Vec<u8>, Option<StreamBreak>) {
    let mut all = Vec::new();
    while let Some(frame) = events.frame().await {
        match frame {
            Ok(frame) => all.extend_from_slice(&frame.into_data().unwrap()),
            Err(broken) => return (all, Some(broken)),
        }
    }
    (all, None)
}

/// A failure where an answer would be wrong.
pub(crate) async fn failure(provider: &dyn Provider, call: Outbound) -> Failure {
    match provider.call(call).await {
        Err(failure) => failure,
        Ok(_) => panic!("an answer"),
    }
}
