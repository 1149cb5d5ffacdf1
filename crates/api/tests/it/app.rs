//! A node without its process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use alerts::{Alerts, AlertsConfig, MailConfig};
use api::{App, Deps, Edge, MetricsDoor};
use axum::body::Body;
use batches::{Batches, BatchesConfig};
use bytes::Bytes;
use files::{BlobConfig, Blobs, Files, FilesConfig};
use gateway::catalog::Catalog;
use gateway::journal::{Journal, JournalConfig};
use gateway::price::PriceTable;
use gateway::retry::RetryConfig;
use gateway::spine::{Beside, Parts};
use gateway::{Gateway, GatewayConfig};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use identity::{Administration, KeyToMake};
use kernel::catalog::{ModelSpec, ProviderSpec, Source, TargetSpec, Timeouts};
use kernel::limit::{Limit, LimitMeasure, LimitScope};
use kernel::{Operation, OrganizationId, ProjectId, Scope, Timestamp};
use providers::{Rack, Transport, TransportConfig};
use responses::chats::Chats;
use responses::conversations::Conversations;
use responses::traces::Traces;
use responses::{Responses, ResponsesConfig};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use store::Store;
use telemetry::Metrics;
use testkit::upstream::Behaviour;
use testkit::{FakeClock, SeededRng, Upstream};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// When every test begins.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

pub(crate) const MAX_BODY: usize = 4 * 1024 * 1024;
pub(crate) const MAX_FILE: u64 = 16 * 1024 * 1024;

pub(crate) struct TestApp {
    pub(crate) edge: Edge,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) upstream: Upstream,
    pub(crate) store: Store,
    pub(crate) metrics: Arc<Metrics>,
    /// The organisation of most tests.
    pub(crate) home: Tenant,
    administration: Administration,
    background: JoinHandle<()>,
    folder: tempfile::TempDir,
}

/// An organisation with a key of each kind.
pub(crate) struct Tenant {
    pub(crate) organization: OrganizationId,
    pub(crate) project: ProjectId,
    pub(crate) admin_key: String,
    pub(crate) api_key: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.background.abort();
    }
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, rng) = (Arc::new(FakeClock::at(NOW)), Arc::new(SeededRng::new(7)));
        let upstream = Upstream::start().await.unwrap();
        let store = Store::in_memory(clock.clone(), rng.clone()).await.unwrap();
        let administration = Administration::new(store.clone(), clock.clone(), rng.clone());
        let home = tenant(&administration, "Home").await;
        let transport = Transport::new(TransportConfig::default());
        let retry = RetryConfig { max_attempts: NonZeroU32::MIN, ..RetryConfig::default() };
        let metrics = Metrics::new(clock.clone());
        let gateway = Gateway::open(Parts {
            config: GatewayConfig { probe_secs: 0, retry, ..GatewayConfig::default() },
            catalog: catalog(&upstream),
            store: store.clone(),
            journal: Arc::new(
                Journal::open(&folder.path().join("journal"), JournalConfig::default()).unwrap(),
            ),
            rack: Rack::new(transport, clock.clone(), rng.clone()),
            beside: Beside { watches: vec![metrics.clone()], ..Beside::default() },
            clock: clock.clone(),
            rng: rng.clone(),
        })
        .await
        .unwrap();
        let blobs = Blobs::open(BlobConfig::Folder(folder.path().join("blobs"))).unwrap();
        let limits = FilesConfig { max_file_bytes: MAX_FILE };
        let files = Files::new(limits, store.clone(), blobs, clock.clone(), rng.clone());
        let responses = Responses::new(responses::Parts {
            config: ResponsesConfig::default(),
            gateway: Arc::clone(&gateway),
            store: store.clone(),
            files: files.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
        });
        let batches = Batches::new(batches::Parts {
            config: BatchesConfig::default(),
            gateway: Arc::clone(&gateway),
            responses: responses.clone(),
            files: files.clone(),
            store: store.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
        });
        let alerts = Alerts::new(alerts::Parts {
            config: AlertsConfig::default(),
            mail: MailConfig::default(),
            store: store.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
        })
        .unwrap();
        let background = {
            let (gateway, batches) = (Arc::clone(&gateway), batches.clone());
            tokio::spawn(async move {
                tokio::join!(gateway.background(), batches.run());
            })
        };
        let edge = Edge::new(App::new(Deps {
            gateway: Arc::clone(&gateway),
            responses,
            batches,
            conversations: Conversations::new(store.clone(), clock.clone(), rng.clone()),
            chats: Chats::new(store.clone(), rng.clone()),
            traces: Traces::new(store.clone(), clock.clone()),
            files,
            store: store.clone(),
            alerts,
            administration: administration.clone(),
            metrics: Some(MetricsDoor { metrics: Arc::clone(&metrics), token: None }),
            clock: clock.clone(),
            rng,
            max_body_bytes: MAX_BODY,
            body_timeout: Duration::from_secs(5),
        }));
        Self {
            edge,
            gateway,
            clock,
            upstream,
            store,
            metrics,
            home,
            administration,
            background,
            folder,
        }
    }

    /// Another organisation on the same node.
    pub(crate) async fn neighbour(&self) -> Tenant {
        let neighbour = tenant(&self.administration, "Neighbour").await;
        self.gateway.refresh().await.unwrap();
        neighbour
    }

    /// Answers a request as it is.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.edge.answer(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map(|all| all.to_bytes()).unwrap_or_default();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Asks with a key and, unless it is null, a JSON body.
    pub(crate) async fn ask(&self, method: &str, path: &str, key: &str, body: Value) -> Answer {
        self.send(request(method, path, key, body)).await
    }

    /// Asks as home's administrator; what is not 200 fails the test.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.try_admin(method, path, body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        answer.json()
    }

    /// Asks as home's administrator.
    pub(crate) async fn try_admin(&self, method: &str, path: &str, body: Value) -> Answer {
        self.ask(method, &format!("/v1/organization{path}"), &self.home.admin_key, body).await
    }

    /// Asks a model with home's API key.
    pub(crate) async fn chat(&self, body: Value) -> Answer {
        self.ask("POST", "/v1/chat/completions", &self.home.api_key, body).await
    }

    /// All of home's calls, the newest first.
    pub(crate) async fn calls(&self) -> Vec<Value> {
        let list = self.admin("GET", "/calls?limit=100", Value::Null).await;
        list["data"].as_array().unwrap().clone()
    }

    /// The only call there is.
    pub(crate) async fn only_call(&self) -> Value {
        let calls = self.calls().await;
        assert_eq!(calls.len(), 1, "exactly one record: {calls:?}");
        calls[0].clone()
    }

    /// The paths of all blobs.
    pub(crate) fn blobs(&self) -> Vec<std::path::PathBuf> {
        let inside = |path: std::path::PathBuf| {
            std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path())
        };
        let shards = inside(self.folder.path().join("blobs"));
        let shards = shards.filter(|path| path.file_name().unwrap().len() == 2);
        shards.flat_map(inside).collect()
    }

    /// Serves on a real socket, for as long as the test runs.
    pub(crate) async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let edge = self.edge.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let edge = edge.clone();
                let service = service_fn(move |request| {
                    let edge = edge.clone();
                    async move { edge.handle(request).await }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(tcp), service));
            }
        });
        address
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Fails unless it is this error, in OpenAI's envelope; returns the error.
    pub(crate) fn is_error(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        let error = self.json()["error"].clone();
        assert!(error["message"].is_string() && error["type"].is_string(), "{error}");
        assert!(error.get("param").is_some() && error.get("code").is_some(), "{error}");
        assert!(self.header("x-request-id").starts_with("req_"));
        error
    }

    /// The data of a stream's events, `[DONE]` included.
    pub(crate) fn events(&self) -> Vec<String> {
        let text = String::from_utf8(self.body.to_vec()).expect("a stream is UTF-8");
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(str::to_owned).collect()
    }

    /// The text that a stream's events make together.
    pub(crate) fn streamed_text(&self) -> String {
        let read = |event: &String| serde_json::from_str::<Value>(event).ok();
        let text = |event: Value| {
            let content = &event["choices"][0]["delta"]["content"];
            content.as_str().map(str::to_owned)
        };
        self.events().iter().filter_map(read).filter_map(text).collect()
    }
}

pub(crate) fn request(method: &str, path: &str, key: &str, body: Value) -> Request<Body> {
    let mut request =
        Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
    if !key.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
    }
    match body {
        Value::Null => request.body(Body::empty()).unwrap(),
        body => request
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .unwrap(),
    }
}

/// A message to a model.
pub(crate) fn hello(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Hello"}]})
}

/// The same, with the answer streamed.
pub(crate) fn hello_streamed(model: &str) -> Value {
    json!({"model": model, "stream": true, "messages": [{"role": "user", "content": "Hello"}]})
}

async fn tenant(administration: &Administration, name: &str) -> Tenant {
    let made = administration.organization_create(name).await.unwrap();
    let (organization, project) = (made.organization.id, made.project.id);
    let scope = Scope::organization(organization.clone());
    let key = KeyToMake {
        project: project.clone(),
        name: "First key".to_owned(),
        service_account: None,
        expires_at: None,
    };
    let api_key = administration.api_key_create(&scope, key).await.unwrap().secret;
    Tenant {
        organization,
        project,
        admin_key: made.admin_key.expose_secret().to_owned(),
        api_key: api_key.expose_secret().to_owned(),
    }
}

fn catalog(upstream: &Upstream) -> Catalog {
    let mut models: Vec<ModelSpec> =
        Behaviour::ALL.iter().map(|behaviour| model(behaviour.model(), "awkward", None)).collect();
    models.push(model("kijun-sim", "kijun-sim", None));
    models.push(model("kijun-sim-embedding", "kijun-sim", Some(Operation::Embeddings)));
    models.push(model("kijun-sim-moderation", "kijun-sim", Some(Operation::Moderations)));
    Catalog {
        providers: vec![
            provider("awkward", "openai", Some(upstream.base_url())),
            provider("kijun-sim", "sim", None),
        ],
        models,
        limits: vec![Limit {
            id: "limit_file_1".into(),
            scope: LimitScope::Project,
            subject: None,
            model: None,
            measure: LimitMeasure::RequestsPerMinute,
            amount: 10_000,
        }],
        prices: PriceTable::embedded().unwrap(),
    }
}

fn provider(name: &str, kind: &str, base_url: Option<String>) -> ProviderSpec {
    ProviderSpec {
        name: name.to_owned(),
        kind: kind.to_owned(),
        base_url,
        api_key: None,
        quirks: None,
        api_version: None,
        headers: BTreeMap::new(),
        timeouts: Timeouts::default(),
        max_concurrent: None,
        discover: false,
        source: Source::File,
    }
}

fn model(name: &str, provider: &str, operation: Option<Operation>) -> ModelSpec {
    ModelSpec {
        name: name.to_owned(),
        targets: vec![TargetSpec {
            provider: provider.to_owned(),
            model: name.to_owned(),
            weight: 1,
            operations: operation.into_iter().collect(),
        }],
        fallbacks: Vec::new(),
        source: Source::File,
    }
}
