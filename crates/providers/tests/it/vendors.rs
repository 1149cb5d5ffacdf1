//! Each vendor's URL, headers and translation, end to end.

use std::net::SocketAddr;

use http_body_util::BodyExt;
use kernel::Operation;
use kernel::catalog::FailureClass;
use providers::StreamBreak;
use serde_json::Value;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::upstream::{
    Request, STREAM_HEAD, chat, embeddings, failure, provider, read, spec, stream, upstream, whole,
};

/// An upstream that gives one answer and shows what it was asked.
async fn answering(body: &'static str) -> (SocketAddr, UnboundedReceiver<Request>) {
    let (seen, requests) = mpsc::unbounded_channel();
    let address = upstream(move |_, mut peer| {
        let seen = seen.clone();
        async move {
            while let Some(request) = peer.request().await {
                seen.send(request).unwrap();
                peer.answer("200 OK", "", body).await;
            }
        }
    })
    .await;
    (address, requests)
}

/// An upstream that streams these events.
async fn streaming(events: &'static str) -> (SocketAddr, UnboundedReceiver<Request>) {
    let (seen, requests) = mpsc::unbounded_channel();
    let address = upstream(move |_, mut peer| {
        let seen = seen.clone();
        async move {
            seen.send(peer.request().await.unwrap()).unwrap();
            peer.send(STREAM_HEAD).await;
            for piece in events.as_bytes().chunks(11) {
                peer.chunk(piece).await;
            }
            peer.chunk("").await;
        }
    })
    .await;
    (address, requests)
}

#[tokio::test]
async fn azure_by_deployment() {
    let (address, mut requests) = answering("{}").await;
    let azure = provider(&spec("azure", format!("http://{address}")));
    let mut call = chat(false);
    call.model = "my deployment".into();
    whole(&*azure, call).await.unwrap();
    let head = requests.recv().await.unwrap().head;
    let path = "/openai/deployments/my%20deployment/chat/completions?api-version=2024-10-21";
    assert!(head.starts_with(&format!("post {path} ")), "{head}");
    assert!(head.contains("\r\napi-key: test-key\r\n") && !head.contains("authorization"));
    assert_eq!(azure.models().await.unwrap(), []);
    assert!(!azure.supports(Operation::Moderations));
}

#[tokio::test]
async fn azure_by_its_v1_api() {
    let (address, mut requests) = answering("{}").await;
    let azure = provider(&spec("azure", format!("http://{address}/openai/v1")));
    whole(&*azure, chat(false)).await.unwrap();
    let request = requests.recv().await.unwrap();
    assert!(request.head.starts_with("post /openai/v1/chat/completions "), "{}", request.head);
    assert!(request.body.contains("upstream-model"));
}

#[tokio::test]
async fn ollama() {
    let tags = r#"{"models":[{"name":"tiny:1b","modified_at":"2025-01-01T00:00:00Z"}]}"#;
    let (address, mut requests) = answering(tags).await;
    let ollama = provider(&spec("ollama", format!("http://{address}")));
    let models = ollama.models().await.unwrap();
    assert_eq!((models[0].id.as_str(), models[0].created), ("tiny:1b", 1_735_689_600));
    assert!(requests.recv().await.unwrap().head.starts_with("get /api/tags "));
    whole(&*ollama, chat(false)).await.unwrap();
    assert!(requests.recv().await.unwrap().head.starts_with("post /v1/chat/completions "));
}

#[tokio::test]
async fn anthropic_whole() {
    let (address, mut requests) = answering(
        r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":2}}"#,
    )
    .await;
    let anthropic = provider(&spec("anthropic", format!("http://{address}")));
    let (_, text) = whole(&*anthropic, chat(false)).await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["choices"][0]["message"]["content"], "Hi");
    assert_eq!(answer["usage"]["total_tokens"], 5);
    let head = requests.recv().await.unwrap().head;
    assert!(head.starts_with("post /v1/messages "), "{head}");
    for header in ["x-api-key: test-key", "anthropic-version: 2023-06-01"] {
        assert!(head.contains(&format!("\r\n{header}\r\n")), "{head}");
    }
}

const ANTHROPIC_EVENTS: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hé\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

#[tokio::test]
async fn anthropic_streamed() {
    let (address, mut requests) = streaming(ANTHROPIC_EVENTS).await;
    let anthropic = provider(&spec("anthropic", format!("http://{address}/v1")));
    let mut events = stream(&*anthropic, chat(true)).await.unwrap();
    let (all, broken) = read(&mut events).await;
    let text = String::from_utf8(all).unwrap();
    assert!(text.contains("\"content\":\"Hé\"") && text.ends_with("data: [DONE]\n\n"), "{text}");
    assert_eq!(broken, None);
    assert!(requests.recv().await.unwrap().body.contains("\"stream\":true"));
}

#[tokio::test]
async fn a_translated_stream_that_stops_early_is_broken() {
    let half = ANTHROPIC_EVENTS.find("event: message_delta").unwrap();
    let (address, _requests) = streaming(&ANTHROPIC_EVENTS[..half]).await;
    let anthropic = provider(&spec("anthropic", format!("http://{address}")));
    let mut events = stream(&*anthropic, chat(true)).await.unwrap();
    let (all, broken) = read(&mut events).await;
    assert!(String::from_utf8(all).unwrap().contains("Hé"));
    assert_eq!(broken, Some(StreamBreak::Invalid));
    assert!(events.frame().await.is_none());
}

#[tokio::test]
async fn anthropic_errors_become_the_envelope() {
    let address = upstream(|_, mut peer| async move {
        peer.request().await.unwrap();
        let body = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        peer.answer("529 Overloaded", "retry-after: 3\r\n", body).await;
    })
    .await;
    let anthropic = provider(&spec("anthropic", format!("http://{address}")));
    let failure = failure(&*anthropic, chat(false)).await;
    assert_eq!(failure.class, FailureClass::Overloaded);
    let said = failure.said.unwrap();
    assert_eq!((said.status.as_u16(), &said.headers["retry-after"]), (529, &"3".parse().unwrap()));
    let body: Value = serde_json::from_slice(&said.body).unwrap();
    assert_eq!(body["error"]["message"], "Overloaded");
}

#[tokio::test]
async fn gemini_whole_and_streamed() {
    const ANSWER: &str = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Hi"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5}}"#;
    let (address, mut requests) = answering(ANSWER).await;
    let gemini = provider(&spec("gemini", format!("http://{address}/v1beta")));
    let (_, text) = whole(&*gemini, chat(false)).await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], "Hi");
    let head = requests.recv().await.unwrap().head;
    assert!(head.starts_with("post /v1beta/models/upstream-model:generatecontent "), "{head}");
    assert!(head.contains("\r\nx-goog-api-key: test-key\r\n"));

    let events = format!("data: {ANSWER}\r\n\r\n").leak();
    let (address, mut requests) = streaming(events).await;
    let gemini = provider(&spec("gemini", format!("http://{address}/v1beta")));
    let mut events = stream(&*gemini, chat(true)).await.unwrap();
    let (all, broken) = read(&mut events).await;
    let text = String::from_utf8(all).unwrap();
    assert!(text.contains("\"content\":\"Hi\"") && text.ends_with("data: [DONE]\n\n"), "{text}");
    assert_eq!(broken, None);
    let head = requests.recv().await.unwrap().head;
    assert!(head.contains(":streamgeneratecontent?alt=sse "), "{head}");
}

#[tokio::test]
async fn gemini_embeddings() {
    let (address, mut requests) = answering(r#"{"embeddings":[{"values":[1,-0.5]}]}"#).await;
    let gemini = provider(&spec("gemini", format!("http://{address}/v1beta")));
    let call = embeddings(r#"{"model":"a","input":"x","encoding_format":"base64"}"#);
    let (_, text) = whole(&*gemini, call).await.unwrap();
    assert!(text.contains("\"AACAPwAAAL8=\""), "{text}");
    let request = requests.recv().await.unwrap();
    assert!(request.head.contains(":batchembedcontents "));
    assert!(request.body.contains("\"model\":\"models/upstream-model\""), "{}", request.body);
}

#[tokio::test]
async fn embeddings_are_packed_for_servers_that_cannot() {
    let answer = r#"{"object":"list","data":[{"index":0,"embedding":[1,-0.5]}],"usage":{"prompt_tokens":1}}"#;
    let (address, mut requests) = answering(answer).await;
    let mut spec = spec("openai", format!("http://{address}/v1"));
    spec.quirks = Some("lm_studio".to_owned());
    let call = embeddings(r#"{"model":"a","input":"x","encoding_format":"base64"}"#);
    let (_, text) = whole(&*provider(&spec), call).await.unwrap();
    assert_eq!(text, answer.replace("[1,-0.5]", "\"AACAPwAAAL8=\""));
    assert!(!requests.recv().await.unwrap().body.contains("encoding_format"));
}

#[tokio::test]
async fn models_are_listed() {
    let list =
        r#"{"object":"list","data":[{"id":"m","object":"model","created":5,"owned_by":"o"}]}"#;
    let (address, mut requests) = answering(list).await;
    let models = provider(&spec("openai", format!("http://{address}/v1/"))).models().await.unwrap();
    assert_eq!((models[0].id.as_str(), models[0].created), ("m", 5));
    let head = requests.recv().await.unwrap().head;
    assert!(head.starts_with("get /v1/models ") && head.contains("bearer test-key"), "{head}");

    let (address, _requests) = answering("{\"what\":1}").await;
    let failure = provider(&spec("openai", format!("http://{address}"))).models().await;
    assert_eq!(failure.unwrap_err().class, FailureClass::InvalidAnswer);
}
