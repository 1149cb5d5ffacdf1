//! A gateway in front of kijun-sim, and the records it leaves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway::catalog::Catalog;
use gateway::journal::{Journal, JournalConfig};
use gateway::price::PriceTable;
use gateway::spine::{Beside, Parts};
use gateway::{Gateway, GatewayConfig, Inbound, Refusal, Reply, ReplyBody};
use http::HeaderMap;
use http_body_util::BodyExt as _;
use identity::{Administration, Bootstrap, Presented};
use kernel::catalog::{Fallback, ModelSpec, ProviderSpec, Source, TargetSpec, Timeouts};
use kernel::limit::Limit;
use kernel::{CallRecord, Clock as _, Operation, RequestId, Scope, SystemClock, SystemRng};
use providers::{Rack, Transport, TransportConfig};
use serde_json::{Value, json};
use store::{CallFilter, Page, Store};

const KEY: &str = "sk-test-project-key";

pub(crate) struct TestGateway {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) store: Store,
    scope: Scope,
    background: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        self.background.abort();
    }
}

/// An alias of these upstream models of the one provider, each with its weight, and with fallbacks
/// for every failure.
pub(crate) fn alias(name: &str, targets: &[(&str, u32)], fallbacks: &[&str]) -> ModelSpec {
    let target = |(model, weight): &(&str, u32)| TargetSpec {
        provider: "sim".to_owned(),
        model: (*model).to_owned(),
        weight: *weight,
        operations: Vec::new(),
    };
    let fallback = |model: &&str| Fallback { model: (*model).to_owned(), on: Vec::new() };
    ModelSpec {
        name: name.to_owned(),
        targets: targets.iter().map(target).collect(),
        fallbacks: fallbacks.iter().map(fallback).collect(),
        source: Source::File,
    }
}

fn sim() -> ProviderSpec {
    ProviderSpec {
        name: "sim".to_owned(),
        kind: "sim".to_owned(),
        base_url: None,
        api_key: None,
        quirks: None,
        api_version: None,
        headers: BTreeMap::new(),
        timeouts: Timeouts { first_byte_ms: 200, ..Timeouts::default() },
        max_concurrent: Some(100),
        discover: false,
        source: Source::File,
    }
}

impl TestGateway {
    pub(crate) async fn new(models: Vec<ModelSpec>) -> Self {
        Self::with_limits(models, Vec::new()).await
    }

    pub(crate) async fn with_limits(models: Vec<ModelSpec>, limits: Vec<Limit>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
        let store = Store::in_memory(clock.clone(), rng.clone()).await.unwrap();
        let administration = Administration::new(store.clone(), clock.clone(), rng.clone());
        let given = Bootstrap { api_key: Some(KEY.to_owned().into()), admin_key: None };
        let keys = administration.bootstrap(given).await.unwrap();
        let prices = PriceTable::embedded().unwrap();
        let transport = Transport::new(TransportConfig::default());
        let parts = Parts {
            config: GatewayConfig::default(),
            catalog: Catalog { providers: vec![sim()], models, limits, prices },
            store: store.clone(),
            journal: Arc::new(
                Journal::open(&folder.path().join("journal"), JournalConfig::default()).unwrap(),
            ),
            rack: Rack::new(transport, clock.clone(), rng.clone()),
            beside: Beside::default(),
            clock,
            rng,
        };
        let gateway = Gateway::open(parts).await.unwrap();
        let background = {
            let gateway = Arc::clone(&gateway);
            tokio::spawn(async move { gateway.background().await })
        };
        let scope = Scope::organization(keys.organization);
        Self { gateway, store, scope, background, _folder: folder }
    }

    /// Asks `model` with this message.
    pub(crate) async fn chat(&self, model: &str, message: &str) -> Result<Reply, Refusal> {
        self.ask(chat_body(model, message), HeaderMap::new()).await
    }

    pub(crate) async fn ask(&self, body: Value, headers: HeaderMap) -> Result<Reply, Refusal> {
        let authorization = format!("Bearer {KEY}");
        let presented = Presented { authorization: Some(&authorization), api_key: None };
        let identified = self.gateway.identify(presented)?;
        let now = SystemClock.now();
        let inbound = Inbound {
            response: None,
            batch: None,
            id: RequestId::new(now, &SystemRng),
            arrived: now,
            operation: Operation::ChatCompletions,
            headers,
            body: Bytes::from(body.to_string()),
            room: None,
        };
        self.gateway.answer(identified, inbound).await
    }

    /// All records there are, the oldest first.
    pub(crate) async fn records(&self) -> Vec<CallRecord> {
        assert!(self.gateway.settled_calls_are_stored(Duration::from_secs(10)).await);
        let (filter, page) = (CallFilter::default(), Page { limit: 1_000, ..Page::default() });
        let mut records = self.store.call_list(&self.scope, &filter, &page).await.unwrap().data;
        // Ids of one millisecond are in no order.
        records.sort_by_key(|record| record.started_at);
        records
    }

    pub(crate) async fn only_record(&self) -> CallRecord {
        let mut records = self.records().await;
        assert_eq!(records.len(), 1, "exactly one record: {records:?}");
        records.remove(0)
    }
}

pub(crate) fn chat_body(model: &str, message: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": message}]})
}

/// The whole answer, as text.
pub(crate) async fn text(reply: Reply) -> String {
    let bytes = match reply.body {
        ReplyBody::Whole(bytes) | ReplyBody::Replay(bytes) => bytes,
        ReplyBody::Stream(stream) => stream.collect().await.unwrap().to_bytes(),
    };
    String::from_utf8(bytes.to_vec()).unwrap()
}
