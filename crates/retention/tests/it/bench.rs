//! A store and a folder of blobs with some of every kind of content in them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use files::{BlobConfig, Blobs};
use kernel::{
    Clock as _, FileId, ResponseId, RetentionType, Scope, SystemRng, Timestamp, UploadId,
};
use retention::settings::{self, Days};
use retention::{Parts, RetentionConfig, Sweeper, Swept};
use store::{
    BlobRow, ChatCompletionRow, ContentKind, Deletion, FilePurpose, Lease, NewBatch,
    NewConversation, NewFile, NewItem, NewUpload, Page, PartRow, ResponseRow, ResponseStatus,
    SpanRow, Store, TraceRow,
};
use testkit::FakeClock;

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

pub(crate) struct Bench {
    pub(crate) store: Store,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) blobs: Blobs,
    pub(crate) sweeper: Sweeper,
    /// The whole organisation.
    pub(crate) organization: Scope,
    /// A project of it.
    pub(crate) scope: Scope,
    folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let clock = Arc::new(FakeClock::at(Timestamp::from_secs(1_800_000_000)));
        let store = Store::in_memory(clock.clone(), Arc::new(SystemRng)).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(BlobConfig::Folder(folder.path().to_owned())).unwrap();
        let sweeper = Sweeper::new(Parts {
            config: RetentionConfig::default(),
            store: store.clone(),
            blobs: blobs.clone(),
            clock: clock.clone(),
            rng: Arc::new(SystemRng),
        });
        let made = store.organization_create("Acme").await.unwrap();
        let organization = Scope::organization(made.id);
        let project = store.project_create(&organization, "Search").await.unwrap();
        let scope = Scope { project: Some(project.id), ..organization.clone() };
        Self { store, clock, blobs, sweeper, organization, scope, folder }
    }

    pub(crate) async fn project(&self) -> Scope {
        let project = self.store.project_create(&self.organization, "Another").await.unwrap();
        Scope { project: Some(project.id), ..self.organization.clone() }
    }

    pub(crate) async fn set(&self, scope: &Scope, kind: RetentionType, days: Days) {
        settings::put(&self.store, scope, kind, days).await.unwrap();
    }

    pub(crate) async fn sweep(&self) -> Swept {
        self.sweeper.sweep().await.unwrap().expect("nobody else sweeps")
    }

    /// How many rows of a kind are in a project.
    pub(crate) async fn count(&self, scope: &Scope, kind: ContentKind) -> usize {
        let project = scope.project.as_ref().unwrap();
        // At the end of time everything that is finished is past its time.
        self.store.content_expired(project, kind, Timestamp::MAX, 10_000).await.unwrap().len()
    }

    /// What was deleted, the newest first.
    pub(crate) async fn deletions(&self) -> Vec<Deletion> {
        self.store.deletion_list(&self.organization, &Page::default()).await.unwrap().data
    }

    /// One finished row of each kind but uploads, whose time is shorter.
    pub(crate) async fn some_of_each(&self, scope: &Scope) {
        self.response(scope, ResponseStatus::Completed).await;
        self.conversation(scope).await;
        self.chat_completion(scope).await;
        self.trace(scope).await;
        self.file(scope, None).await;
        self.batch(scope).await;
    }

    pub(crate) async fn response(&self, scope: &Scope, status: ResponseStatus) -> ResponseId {
        let now = self.clock.now();
        let id = ResponseId::new(now, &SystemRng);
        let row = ResponseRow {
            id: id.clone(),
            organization: scope.organization.clone(),
            project: scope.project.clone().unwrap(),
            api_key: "key_1".into(),
            service_account: None,
            call: "req_1".into(),
            created_at: now,
            completed_at: status.is_final().then_some(now),
            model: "kijun-sim".to_owned(),
            status,
            background: !status.is_final(),
            streamed: true,
            previous: None,
            conversation: None,
            input: b"[]".to_vec(),
            body: b"{}".to_vec(),
            request: None,
        };
        let lease = Lease { node: "node_1", until: now.plus(HOUR) };
        let lease = (status == ResponseStatus::InProgress).then_some(lease);
        self.store.response_insert(scope, &[(row, Vec::new())], lease).await.unwrap();
        if status == ResponseStatus::InProgress {
            self.store.response_event_append(scope, &id, 0, 1, b"events").await.unwrap();
        }
        id
    }

    pub(crate) async fn conversation(&self, scope: &Scope) -> String {
        let id = kernel::ConversationId::new(self.clock.now(), &SystemRng);
        let new = NewConversation { id: id.clone(), metadata: "{}".to_owned() };
        let item = NewItem { id: "msg_1".to_owned(), body: b"{}".to_vec() };
        self.store.conversation_create(scope, &new, &[item]).await.unwrap();
        id.to_string()
    }

    async fn chat_completion(&self, scope: &Scope) {
        let row = ChatCompletionRow {
            id: "chatcmpl-1".to_owned(),
            organization: scope.organization.clone(),
            project: scope.project.clone().unwrap(),
            api_key: "key_1".into(),
            service_account: None,
            call: "req_1".into(),
            created_at: self.clock.now(),
            model: "kijun-sim".to_owned(),
            metadata: "{}".to_owned(),
            messages: b"[]".to_vec(),
            body: b"{}".to_vec(),
        };
        self.store.chat_completion_insert(scope, &row).await.unwrap();
    }

    async fn trace(&self, scope: &Scope) {
        let trace = TraceRow {
            id: "trace_1".to_owned(),
            created_at: self.clock.now(),
            workflow: "Search".to_owned(),
            group: None,
            metadata: "{}".to_owned(),
            body: b"{}".to_vec(),
        };
        let span = SpanRow {
            id: "span_1".to_owned(),
            trace: trace.id.clone(),
            parent: None,
            started_at: None,
            ended_at: None,
            kind: "agent".to_owned(),
            response: None,
            call: None,
            body: b"{}".to_vec(),
        };
        self.store.trace_ingest(scope, &[trace], &[span]).await.unwrap();
    }

    /// A file of two blobs; returns its id and their names.
    pub(crate) async fn file(
        &self,
        scope: &Scope,
        expires_at: Option<Timestamp>,
    ) -> (FileId, Vec<String>) {
        let id = FileId::new(self.clock.now(), &SystemRng);
        let (one, two) = (self.blob(), self.blob());
        let new = NewFile {
            id: id.clone(),
            api_key: "key_1".into(),
            filename: "a.txt".to_owned(),
            purpose: FilePurpose::UserData,
            created_at: self.clock.now(),
            expires_at,
            blobs: vec![one.clone(), two.clone()],
        };
        self.store.file_insert(scope, &new).await.unwrap();
        (id, vec![one.blob, two.blob])
    }

    /// A pending upload with one part; returns the part's blob.
    pub(crate) async fn upload(&self, scope: &Scope) -> String {
        let now = self.clock.now();
        let new = NewUpload {
            id: UploadId::new(now, &SystemRng),
            api_key: "key_1".into(),
            filename: "a.txt".to_owned(),
            purpose: FilePurpose::UserData,
            bytes: 10,
            created_at: now,
            expires_at: now.plus(HOUR),
            file_expires_after: None,
        };
        let upload = self.store.upload_insert(scope, new).await.unwrap();
        let blob = self.blob();
        let part = PartRow { id: "part_1".into(), blob: blob.clone(), created_at: now };
        self.store.upload_part_insert(scope, &upload.id, &part).await.unwrap();
        blob.blob
    }

    /// A batch whose input was wrong, so that it has ended.
    pub(crate) async fn batch(&self, scope: &Scope) {
        let batch = self.unfinished_batch(scope).await;
        let now = self.clock.now();
        let lease = Lease { node: "node_1", until: now.plus(HOUR) };
        let claimed = self.store.batch_claim(lease, now).await.unwrap().unwrap();
        assert_eq!(claimed.id, batch);
        assert!(self.store.batch_failed(scope, &batch, "node_1", "[]").await.unwrap());
    }

    pub(crate) async fn unfinished_batch(&self, scope: &Scope) -> kernel::BatchId {
        let new = NewBatch {
            api_key: "key_1".into(),
            service_account: None,
            endpoint: "/v1/embeddings".to_owned(),
            completion_window: "24h".to_owned(),
            expires_at: self.clock.now().plus(DAY),
            input_file: "file-1".into(),
            output_lifetime: None,
            metadata: None,
        };
        self.store.batch_create(scope, &new).await.unwrap().id
    }

    /// A blob that is there.
    pub(crate) fn blob(&self) -> BlobRow {
        let name = kernel::id::time_ordered("", self.clock.now(), &SystemRng);
        let path = self.blob_path(&name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"sealed").unwrap();
        BlobRow { blob: name, bytes: 5 }
    }

    /// Where a blob is on the disk.
    pub(crate) fn blob_path(&self, name: &str) -> PathBuf {
        self.folder.path().join(&name[..2]).join(name)
    }
}
