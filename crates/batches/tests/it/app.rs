//! Nodes with batches on one database, one blob store and one clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use batches::{BatchError, Batches, BatchesConfig, Wanted};
use files::{BlobConfig, Blobs, Files, FilesConfig, NewFile, Owner};
use gateway::catalog::Catalog;
use gateway::journal::{Journal, JournalConfig};
use gateway::price::PriceTable;
use gateway::{Gateway, GatewayConfig, Identified};
use identity::{Administration, Bootstrap, Presented};
use kernel::catalog::{ModelSpec, ProviderSpec, Source, TargetSpec, Timeouts};
use kernel::limit::Limit;
use kernel::{BatchId, CallRecord, FileId, Operation, Scope, SystemRng, Timestamp};
use providers::{Rack, Transport, TransportConfig};
use responses::{Responses, ResponsesConfig};
use serde_json::{Value, json};
use store::{Batch, CallFilter, FilePurpose, Page, Store};
use testkit::FakeClock;
use tokio::task::JoinHandle;

const KEY: &str = "sk-test-project-key";
const ADMIN_KEY: &str = "sk-admin-test-key-of-the-organisation";

/// What all nodes share.
pub(crate) struct Place {
    pub(crate) store: Store,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) scope: Scope,
    pub(crate) administration: Administration,
    limits: Vec<Limit>,
    /// The base URL of a server that the model `upstream` is served by.
    pub(crate) upstream: Option<String>,
    folder: tempfile::TempDir,
}

/// One node.
pub(crate) struct Node {
    pub(crate) batches: Batches,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) files: Files,
    run: Option<JoinHandle<()>>,
    background: JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.background.abort();
        if let Some(run) = &self.run {
            run.abort();
        }
    }
}

impl Place {
    pub(crate) async fn new() -> Self {
        Self::with_limits(Vec::new()).await
    }

    pub(crate) async fn with_limits(limits: Vec<Limit>) -> Self {
        let clock = Arc::new(FakeClock::at(Timestamp::from_secs(1_800_000_000)));
        let rng = Arc::new(SystemRng);
        let store = Store::in_memory(clock.clone(), rng.clone()).await.unwrap();
        let administration = Administration::new(store.clone(), clock.clone(), rng);
        let given = Bootstrap {
            api_key: Some(KEY.to_owned().into()),
            admin_key: Some(ADMIN_KEY.to_owned().into()),
        };
        let keys = administration.bootstrap(given).await.unwrap();
        let scope = Scope::organization(keys.organization);
        let folder = tempfile::tempdir().unwrap();
        Self { store, clock, scope, administration, limits, upstream: None, folder }
    }

    /// A node that works on batches.
    pub(crate) async fn node(&self) -> Node {
        let mut node = self.idle_node(BatchesConfig { lease_secs: 3, ..Default::default() }).await;
        node.begin();
        node
    }

    /// A node that does not work on batches yet.
    pub(crate) async fn idle_node(&self, config: BatchesConfig) -> Node {
        let (clock, rng) = (self.clock.clone(), Arc::new(SystemRng));
        let journal = tempfile::tempdir_in(self.folder.path()).unwrap().keep();
        let transport = Transport::new(TransportConfig::default());
        let gateway = Gateway::open(gateway::spine::Parts {
            config: GatewayConfig { refresh_ms: 20, ..GatewayConfig::default() },
            catalog: Catalog {
                providers: vec![provider("sim", None), provider("openai", self.upstream.clone())],
                models: vec![
                    model("sim", "kijun-sim"),
                    model("sim", "kijun-sim-embedding"),
                    model("sim", "kijun-sim-moderation"),
                    model("openai", "upstream"),
                ],
                limits: self.limits.clone(),
                prices: PriceTable::embedded().unwrap(),
            },
            store: self.store.clone(),
            journal: Arc::new(Journal::open(&journal, JournalConfig::default()).unwrap()),
            rack: Rack::new(transport, clock.clone(), rng.clone()),
            beside: gateway::spine::Beside::default(),
            clock: clock.clone(),
            rng: rng.clone(),
        });
        let gateway = gateway.await.unwrap();
        let blobs = Blobs::open(BlobConfig::Folder(self.folder.path().join("blobs"))).unwrap();
        let limit = FilesConfig { max_file_bytes: 1 << 30 };
        let files = Files::new(limit, self.store.clone(), blobs, clock.clone(), rng.clone());
        let responses = Responses::new(responses::Parts {
            config: ResponsesConfig::default(),
            gateway: Arc::clone(&gateway),
            store: self.store.clone(),
            files: files.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
        });
        let batches = Batches::new(batches::Parts {
            config,
            gateway: Arc::clone(&gateway),
            responses,
            files: files.clone(),
            store: self.store.clone(),
            clock,
            rng,
        });
        let background = {
            let gateway = Arc::clone(&gateway);
            tokio::spawn(async move { gateway.background().await })
        };
        Node { batches, gateway, files, run: None, background }
    }

    /// All records that calls left, once every node's are in the database.
    pub(crate) async fn records(&self, nodes: &[&Node]) -> Vec<CallRecord> {
        for node in nodes {
            assert!(node.gateway.settled_calls_are_stored(Duration::from_secs(10)).await);
        }
        let (filter, page) = (CallFilter::default(), Page { limit: 10_000, ..Page::default() });
        self.store.call_list(&self.scope, &filter, &page).await.unwrap().data
    }
}

impl Node {
    /// Begins to work on batches.
    pub(crate) fn begin(&mut self) {
        let batches = self.batches.clone();
        self.run = Some(tokio::spawn(async move { batches.run().await }));
    }

    /// The node dies: whatever it was at stops, and nobody is told.
    pub(crate) async fn die(mut self) {
        if let Some(run) = self.run.take() {
            run.abort();
            let _ = run.await;
        }
    }

    /// The node stops in order.
    pub(crate) async fn stop(mut self) {
        self.batches.stop(Duration::from_secs(10)).await;
        self.run.take().unwrap().await.unwrap();
    }

    pub(crate) fn caller(&self) -> Identified {
        let authorization = format!("Bearer {KEY}");
        let presented = Presented { authorization: Some(&authorization), api_key: None };
        self.gateway.identify(presented).unwrap()
    }

    /// A file of this text.
    pub(crate) async fn upload(&self, text: &str, purpose: FilePurpose) -> FileId {
        let caller = self.caller();
        let owner = Owner {
            organization: caller.owner().organization.clone(),
            project: caller.owner().project.clone(),
            key: caller.owner().key.clone(),
            retention: caller.retention(),
        };
        let mut file = self.files.writer(&owner).await.unwrap();
        file.write(text.as_bytes()).await.unwrap();
        let new = NewFile { filename: "input.jsonl".to_owned(), purpose, expires_after: None };
        file.finish(new).await.unwrap().id
    }

    /// A batch of these lines.
    pub(crate) async fn create(&self, operation: Operation, lines: &str) -> Batch {
        let input = self.upload(lines, FilePurpose::Batch).await;
        self.ask(wanted(input, operation)).await.unwrap()
    }

    pub(crate) async fn ask(&self, wanted: Wanted) -> Result<Batch, BatchError> {
        self.batches.create(&self.caller(), wanted).await
    }

    pub(crate) async fn get(&self, id: &BatchId) -> Batch {
        self.batches.get(&self.caller().scope(), id).await.unwrap()
    }

    /// Waits until the batch is as it should be.
    pub(crate) async fn until(&self, id: &BatchId, is: impl Fn(&Batch) -> bool) -> Batch {
        for _ in 0..3_000 {
            let batch = self.get(id).await;
            if is(&batch) {
                return batch;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never is: {:?}", self.get(id).await);
    }

    /// The batch once it is over.
    pub(crate) async fn over(&self, id: &BatchId) -> Batch {
        use store::BatchStatus::{Cancelled, Completed, Expired, Failed};
        let ends = [Cancelled, Completed, Expired, Failed];
        self.until(id, |batch| ends.contains(&batch.status)).await
    }

    /// The lines of a file; none where there is no file.
    pub(crate) async fn lines(&self, file: Option<&FileId>) -> Vec<Value> {
        let Some(file) = file else { return Vec::new() };
        let reader = self.files.open(&self.caller().scope(), file).await.unwrap();
        let text = reader.read_range(0, reader.size()).await.unwrap();
        assert!(text.ends_with(b"\n"));
        std::str::from_utf8(&text)
            .unwrap()
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    }

    /// The output file's lines.
    pub(crate) async fn output(&self, batch: &Batch) -> Vec<Value> {
        self.lines(batch.output_file.as_ref()).await
    }

    /// The error file's lines.
    pub(crate) async fn errors(&self, batch: &Batch) -> Vec<Value> {
        self.lines(batch.error_file.as_ref()).await
    }
}

pub(crate) fn wanted(input_file: FileId, operation: Operation) -> Wanted {
    Wanted {
        input_file,
        endpoint: format!("/v1{}", operation.path()),
        completion_window: "24h".to_owned(),
        metadata: None,
        output_lifetime_secs: None,
    }
}

/// A line of an input file.
pub(crate) fn line(custom_id: &str, operation: Operation, body: &Value) -> String {
    let url = format!("/v1{}", operation.path());
    let line = json!({"custom_id": custom_id, "method": "POST", "url": url, "body": body});
    format!("{line}\n")
}

/// A line that asks kijun-sim for a chat completion.
pub(crate) fn chat(custom_id: &str, message: &str) -> String {
    let messages = json!([{"role": "user", "content": message}]);
    let body = json!({"model": "kijun-sim", "messages": messages});
    line(custom_id, Operation::ChatCompletions, &body)
}

/// That many chats, `line-1` and so on.
pub(crate) fn chats(count: usize) -> String {
    (1..=count).map(|n| chat(&format!("line-{n}"), &format!("sim: say Answer {n}."))).collect()
}

/// The ids of lines, in their order.
pub(crate) fn custom_ids(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["custom_id"].as_str().unwrap()).collect()
}

/// What [`chats`] is answered, every line once and in order.
pub(crate) fn assert_answers(output: &[Value], count: usize) {
    let expected: Vec<_> = (1..=count).map(|n| format!("line-{n}")).collect();
    assert_eq!(custom_ids(output), expected);
    for (n, line) in (1..).zip(output) {
        let answer = &line["response"]["body"]["choices"][0]["message"]["content"];
        assert_eq!(answer, &json!(format!("Answer {n}.")), "{line}");
    }
}

fn model(provider: &str, name: &str) -> ModelSpec {
    let target = TargetSpec {
        provider: provider.to_owned(),
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

/// A provider with the name of its kind.
fn provider(kind: &str, base_url: Option<String>) -> ProviderSpec {
    ProviderSpec {
        name: kind.to_owned(),
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
