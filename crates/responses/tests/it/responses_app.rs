//! The Responses API in front of kijun-sim and of scripted upstreams.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use files::{BlobConfig, Blobs, Files, FilesConfig};
use gateway::catalog::Catalog;
use gateway::journal::{Journal, JournalConfig};
use gateway::price::PriceTable;
use gateway::spine::{Beside, Parts};
use gateway::{Gateway, GatewayConfig, Identified};
use http::HeaderMap;
use http_body_util::BodyExt as _;
use identity::{Administration, Bootstrap, Presented};
use kernel::catalog::{ModelSpec, ProviderSpec, Source, TargetSpec, Timeouts};
use kernel::{CallRecord, Clock as _, RequestId, Scope, SystemClock, SystemRng};
use providers::{Rack, Transport, TransportConfig};
use responses::{Asked, Created, CreatedBody, Refused, Responses, ResponsesConfig};
use serde_json::{Value, json};
use store::{CallFilter, Page, Store};

const KEY: &str = "sk-test-project-key";

pub(crate) struct TestResponses {
    pub(crate) responses: Responses,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) store: Store,
    pub(crate) scope: Scope,
    background: Vec<tokio::task::JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Drop for TestResponses {
    fn drop(&mut self) {
        self.background.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl TestResponses {
    pub(crate) async fn new() -> Self {
        Self::with(ResponsesConfig { lease_secs: 2, ..ResponsesConfig::default() }).await
    }

    pub(crate) async fn with(config: ResponsesConfig) -> Self {
        let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
        let store = Store::in_memory(clock, rng).await.unwrap();
        Self::on(store, config).await
    }

    /// Another node on this store.
    pub(crate) async fn on(store: Store, config: ResponsesConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
        let administration = Administration::new(store.clone(), clock.clone(), rng.clone());
        let given = Bootstrap { api_key: Some(KEY.to_owned().into()), admin_key: None };
        let keys = administration.bootstrap(given).await.unwrap();
        let prices = PriceTable::embedded().unwrap();
        let parts = Parts {
            config: GatewayConfig::default(),
            catalog: Catalog {
                providers: vec![provider()],
                models: vec![model("kijun-sim")],
                limits: Vec::new(),
                prices,
            },
            store: store.clone(),
            journal: Arc::new(
                Journal::open(&folder.path().join("journal"), JournalConfig::default()).unwrap(),
            ),
            rack: Rack::new(Transport::new(TransportConfig::default()), clock.clone(), rng.clone()),
            beside: Beside::default(),
            clock: clock.clone(),
            rng: rng.clone(),
        };
        let gateway = Gateway::open(parts).await.unwrap();
        let blobs = Blobs::open(BlobConfig::Folder(folder.path().join("blobs"))).unwrap();
        let limit = FilesConfig { max_file_bytes: 1 << 20 };
        let files = Files::new(limit, store.clone(), blobs, clock.clone(), rng.clone());
        let responses = Responses::new(responses::Parts {
            config,
            gateway: Arc::clone(&gateway),
            store: store.clone(),
            files,
            clock,
            rng,
        });
        let background = vec![
            tokio::spawn({
                let gateway = Arc::clone(&gateway);
                async move { gateway.background().await }
            }),
            tokio::spawn({
                let responses = responses.clone();
                async move { responses.background().await }
            }),
        ];
        let scope = Scope::organization(keys.organization);
        Self { responses, gateway, store, scope, background, _folder: folder }
    }

    /// The node dies: whatever it was at stops, and nobody is told.
    pub(crate) fn die(mut self) {
        self.background.drain(..).for_each(|task| task.abort());
    }

    pub(crate) fn caller(&self) -> Identified {
        let authorization = format!("Bearer {KEY}");
        let presented = Presented { authorization: Some(&authorization), api_key: None };
        self.gateway.identify(presented).unwrap()
    }

    pub(crate) async fn ask(&self, body: Value) -> Result<Created, Refused> {
        self.responses.create(self.caller(), asked(&body)).await
    }

    /// A response that must come, whole.
    pub(crate) async fn whole(&self, body: Value) -> Value {
        let created = self.ask(body).await.unwrap_or_else(|refused| panic!("{refused}"));
        match created.body {
            CreatedBody::Whole(document) => serde_json::from_slice(&document).unwrap(),
            _ => panic!("it is a stream"),
        }
    }

    /// The events of a response.
    pub(crate) async fn events(&self, mut body: Value) -> Vec<Value> {
        body["stream"] = json!(true);
        let created = self.ask(body).await.unwrap_or_else(|refused| panic!("{refused}"));
        events(created).await
    }

    pub(crate) async fn retrieve(&self, id: &str) -> Result<Value, Refused> {
        let document = self.responses.retrieve(&self.caller(), id).await?;
        Ok(serde_json::from_slice(&document).unwrap())
    }

    /// The response once it is over.
    pub(crate) async fn over(&self, id: &str) -> Value {
        for _ in 0..600 {
            let response = self.retrieve(id).await.unwrap();
            if !matches!(response["status"].as_str(), Some("queued" | "in_progress")) {
                return response;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{id} is never over")
    }

    /// All records there are, the oldest first.
    pub(crate) async fn records(&self) -> Vec<CallRecord> {
        assert!(self.gateway.settled_calls_are_stored(Duration::from_secs(10)).await);
        let (filter, page) = (CallFilter::default(), Page { limit: 1_000, ..Page::default() });
        let mut records = self.store.call_list(&self.scope, &filter, &page).await.unwrap().data;
        records.sort_by_key(|record| record.started_at);
        records
    }
}

pub(crate) fn asked(body: &Value) -> Asked {
    let now = SystemClock.now();
    Asked {
        room: None,
        id: RequestId::new(now, &SystemRng),
        arrived: now,
        headers: HeaderMap::new(),
        body: Bytes::from(body.to_string()),
        batch: None,
    }
}

/// The events of an answer that is a stream, which must be closed by `[DONE]`.
pub(crate) async fn events(created: Created) -> Vec<Value> {
    let CreatedBody::Events(body) = created.body else { panic!("it is no stream") };
    let text = body.collect().await.unwrap().to_bytes();
    read_events(std::str::from_utf8(&text).unwrap())
}

pub(crate) fn read_events(text: &str) -> Vec<Value> {
    let mut blocks: Vec<&str> = text.split("\n\n").filter(|block| !block.is_empty()).collect();
    assert_eq!(blocks.pop(), Some("data: [DONE]"), "{text}");
    let read = |block: &str| {
        let (name, data) = block.split_once('\n').unwrap();
        let event: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), event["type"].as_str());
        event
    };
    blocks.into_iter().map(read).collect()
}

fn model(name: &str) -> ModelSpec {
    let target = TargetSpec {
        provider: "sim".to_owned(),
        model: name.to_owned(),
        weight: 1,
        operations: Vec::new(),
    };
    ModelSpec {
        name: name.to_owned(),
        targets: vec![target],
        fallbacks: Vec::new(),
        source: Source::File,
    }
}

fn provider() -> ProviderSpec {
    ProviderSpec {
        name: "sim".to_owned(),
        kind: "sim".to_owned(),
        base_url: None,
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
