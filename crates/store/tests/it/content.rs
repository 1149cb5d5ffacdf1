//! Content whose time is over is found, deleted whole, and looked for.

use std::time::Duration;

use kernel::{ApiKeyId, Scope, Timestamp};
use store::{
    BlobRow, ChatCompletionRow, ContentKind, FilePurpose, Lease, NewBatch, NewConversation,
    NewFile, NewItem, NewUpload, PartRow, ResponseRow, ResponseStatus, SpanRow, TraceRow,
};

use crate::bench::{Bench, Tenant, invalid, store_suite};
use crate::responses::row;

store_suite!(
    everything_old_is_found_and_goes_whole,
    what_is_young_or_not_finished_stays,
    an_old_conversation_in_use_stays,
    what_has_a_time_of_its_own_goes_by_it,
    another_projects_content_stays,
    the_oldest_go_first,
);

const DAY: Duration = Duration::from_secs(86_400);

/// Content of every kind with a part of every sort, all of it made now under the name `name`.
pub(crate) async fn fill(bench: &Bench, tenant: &Tenant, name: &str, secret: &str) {
    let (store, scope, now) = (&bench.store, tenant.project_scope(), bench.now());
    let content = || secret.as_bytes().to_vec();
    let id = |prefix: &str| format!("{prefix}{name}");
    let conversation = NewConversation { id: id("conv_").into(), metadata: secret.into() };
    let item = NewItem { id: id("msg_"), body: content() };
    store.conversation_create(&scope, &conversation, std::slice::from_ref(&item)).await.unwrap();

    let response = ResponseRow {
        created_at: now,
        input: content(),
        body: content(),
        request: Some(content()),
        ..row(tenant, &id("resp_"), ResponseStatus::Completed)
    };
    store.response_insert(&scope, &[(response.clone(), vec![])], None).await.unwrap();
    store.response_event_append(&scope, &response.id, 0, 5, secret.as_bytes()).await.unwrap();

    let chat = ChatCompletionRow {
        id: id("chatcmpl-"),
        organization: tenant.organization.id.clone(),
        project: tenant.project.id.clone(),
        api_key: "key_1".into(),
        service_account: None,
        call: "req_1".into(),
        created_at: now,
        model: "gpt-5".into(),
        metadata: secret.into(),
        messages: content(),
        body: content(),
    };
    store.chat_completion_insert(&scope, &chat).await.unwrap();

    let trace = TraceRow {
        id: id("trace_"),
        created_at: now,
        workflow: secret.into(),
        group: Some(secret.into()),
        metadata: secret.into(),
        body: content(),
    };
    let span = SpanRow {
        id: id("span_"),
        trace: trace.id.clone(),
        parent: None,
        started_at: None,
        ended_at: None,
        kind: "custom".into(),
        response: None,
        call: None,
        body: content(),
    };
    store.trace_ingest(&scope, &[trace], &[span]).await.unwrap();
}

/// A file and an upload, with their blobs.
pub(crate) async fn fill_files(
    bench: &Bench,
    tenant: &Tenant,
    name: &str,
    expires_at: Option<Timestamp>,
) {
    let (scope, api_key) = (tenant.project_scope(), ApiKeyId::from("key_1"));
    let blob = |number| BlobRow { blob: format!("blob-{name}-{number}"), bytes: 3 };
    let file = NewFile {
        id: format!("file-{name}").into(),
        api_key: api_key.clone(),
        filename: "notes.txt".into(),
        purpose: FilePurpose::UserData,
        created_at: bench.now(),
        expires_at,
        blobs: vec![blob(1), blob(2)],
    };
    bench.store.file_insert(&scope, &file).await.unwrap();
    let upload = NewUpload {
        id: format!("upload_{name}").into(),
        api_key,
        filename: "notes.txt".into(),
        purpose: FilePurpose::UserData,
        bytes: 3,
        created_at: bench.now(),
        expires_at: expires_at.unwrap_or(bench.now().plus(DAY * 99)),
        file_expires_after: None,
    };
    bench.store.upload_insert(&scope, upload.clone()).await.unwrap();
    let part =
        PartRow { id: format!("part_{name}").into(), blob: blob(3), created_at: bench.now() };
    bench.store.upload_part_insert(&scope, &upload.id, &part).await.unwrap();
}

async fn expired(bench: &Bench, tenant: &Tenant, kind: ContentKind, age: Duration) -> Vec<String> {
    let cutoff = Timestamp::from_micros(bench.now().as_micros() - age.as_micros() as i64);
    let rows = bench.store.content_expired(&tenant.project.id, kind, cutoff, 100).await.unwrap();
    rows.into_iter().map(|row| row.id).collect()
}

const STATE: [ContentKind; 4] = [
    ContentKind::Response,
    ContentKind::Conversation,
    ContentKind::ChatCompletion,
    ContentKind::Trace,
];

async fn everything_old_is_found_and_goes_whole(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, tenant.project_scope());
    fill(bench, &tenant, "old", "x").await;
    fill_files(bench, &tenant, "old", None).await;
    bench.clock.advance(DAY * 31);
    for kind in ContentKind::ALL.into_iter().filter(|kind| *kind != ContentKind::Batch) {
        let ids = expired(bench, &tenant, kind, DAY * 30).await;
        assert_eq!(ids.len(), 1, "{kind:?}");
        assert_eq!(store.content_remaining(&scope, kind, &ids).await.unwrap(), ids);
        assert_eq!(store.content_delete(&scope, kind, &ids).await.unwrap(), 1);
        assert!(store.content_remaining(&scope, kind, &ids).await.unwrap().is_empty());
        assert_eq!(store.content_delete(&scope, kind, &ids).await.unwrap(), 0);
        assert!(expired(bench, &tenant, kind, DAY * 30).await.is_empty());
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    for table in ["response_event", "conversation_item", "trace_span", "file_blob", "upload_part"] {
        assert_eq!(bench.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
    }
    invalid(store.content_delete(&tenant.scope, ContentKind::Response, &["resp_old".into()]).await);
}

async fn what_is_young_or_not_finished_stays(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let scope = tenant.project_scope();
    fill(bench, &tenant, "young", "x").await;
    let lease = Lease { node: "a", until: bench.now() };
    for (id, status) in
        [("resp_queued", ResponseStatus::Queued), ("resp_running", ResponseStatus::InProgress)]
    {
        let group = [(row(&tenant, id, status), vec![])];
        bench.store.response_insert(&scope, &group, Some(lease)).await.unwrap();
    }
    let batch = NewBatch {
        api_key: "key_1".into(),
        service_account: None,
        endpoint: "/v1/responses".into(),
        completion_window: "24h".into(),
        expires_at: bench.now(),
        input_file: "file-1".into(),
        output_lifetime: None,
        metadata: None,
    };
    let batch = bench.store.batch_create(&scope, &batch).await.unwrap();
    bench.clock.advance(DAY * 30);
    for kind in STATE {
        assert!(expired(bench, &tenant, kind, DAY * 30).await.is_empty(), "{kind:?}");
    }
    assert!(expired(bench, &tenant, ContentKind::Batch, DAY).await.is_empty());
    bench.clock.advance(Duration::from_micros(1));
    for kind in STATE {
        assert_eq!(expired(bench, &tenant, kind, DAY * 30).await.len(), 1, "{kind:?}");
    }
    bench.execute("UPDATE batch SET status = 'cancelled'").await;
    let kind = ContentKind::Batch;
    let ids = expired(bench, &tenant, kind, DAY).await;
    assert_eq!(ids, [batch.id.to_string()]);
    assert_eq!(bench.store.content_delete(&scope, kind, &ids).await.unwrap(), 1);
    assert!(bench.store.content_remaining(&scope, kind, &ids).await.unwrap().is_empty());
}

async fn an_old_conversation_in_use_stays(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    fill(bench, &tenant, "old", "x").await;
    bench.clock.advance(DAY * 20);
    let item = NewItem { id: "msg_new".into(), body: vec![] };
    let (scope, id) = (tenant.project_scope(), "conv_old".into());
    bench.store.conversation_item_append(&scope, &id, &[item]).await.unwrap();
    bench.clock.advance(DAY * 20);
    assert!(expired(bench, &tenant, ContentKind::Conversation, DAY * 30).await.is_empty());
    assert_eq!(expired(bench, &tenant, ContentKind::Response, DAY * 30).await.len(), 1);
}

async fn what_has_a_time_of_its_own_goes_by_it(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    fill_files(bench, &tenant, "lasting", None).await;
    fill_files(bench, &tenant, "short", Some(bench.now().plus(DAY))).await;
    bench.clock.advance(DAY);
    let cutoff = Timestamp::from_secs(0);
    let due = async |kind| {
        bench.store.content_expired(&tenant.project.id, kind, cutoff, 100).await.unwrap()
    };
    let files = due(ContentKind::File).await;
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].id, "file-short");
    let mut blobs = files[0].blobs.clone();
    blobs.sort();
    assert_eq!(blobs, ["blob-short-1", "blob-short-2"]);
    let uploads = due(ContentKind::Upload).await;
    assert_eq!(uploads.len(), 1);
    assert_eq!(
        (uploads[0].id.as_str(), &uploads[0].blobs[..]),
        ("upload_short", &["blob-short-3".to_owned()][..])
    );
}

async fn another_projects_content_stays(bench: &Bench) {
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let store = &bench.store;
    fill(bench, &theirs, "theirs", "x").await;
    bench.clock.advance(DAY);
    for kind in STATE {
        assert!(expired(bench, &ours, kind, Duration::ZERO).await.is_empty());
        let ids = expired(bench, &theirs, kind, Duration::ZERO).await;
        assert_eq!(store.content_delete(&ours.project_scope(), kind, &ids).await.unwrap(), 0);
        let left = store.content_remaining(&theirs.project_scope(), kind, &ids).await.unwrap();
        assert_eq!(left, ids, "{kind:?}");
    }
    // Two projects may have a trace with the same id.
    let trace = SpanRow {
        id: "span_theirs".into(),
        trace: "trace_theirs".into(),
        parent: None,
        started_at: None,
        ended_at: None,
        kind: "custom".into(),
        response: None,
        call: None,
        body: vec![],
    };
    store.trace_ingest(&ours.project_scope(), &[], &[trace]).await.unwrap();
    let (kind, ids) = (ContentKind::Trace, ["trace_theirs".to_owned()]);
    assert_eq!(store.content_delete(&ours.project_scope(), kind, &ids).await.unwrap(), 1);
    assert!(store.content_remaining(&ours.project_scope(), kind, &ids).await.unwrap().is_empty());
    let (_, spans) = store.trace_get(&theirs.project_scope(), "trace_theirs").await.unwrap();
    assert_eq!(spans.len(), 1);
}

async fn the_oldest_go_first(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let scope: Scope = tenant.project_scope();
    let group: Vec<_> = (0..1_200)
        .map(|number| {
            let created_at = Timestamp::from_secs(1_000 + (number * 7) % 1_200);
            let row = row(&tenant, &format!("resp_{number}"), ResponseStatus::Failed);
            (ResponseRow { created_at, ..row }, vec![])
        })
        .collect();
    bench.store.response_insert(&scope, &group, None).await.unwrap();
    let kind = ContentKind::Response;
    let some = bench.store.content_expired(&tenant.project.id, kind, bench.now(), 2).await.unwrap();
    let numbers: Vec<_> = some.iter().map(|row| row.id.as_str()).collect();
    // 7 * 343 = 2 * 1200 + 1.
    assert_eq!(numbers, ["resp_0", "resp_343"]);
    let mut ids: Vec<String> = group.iter().map(|(row, _)| row.id.to_string()).collect();
    assert_eq!(bench.store.content_delete(&scope, kind, &ids[1..]).await.unwrap(), 1_199);
    let left = bench.store.content_remaining(&scope, kind, &ids).await.unwrap();
    ids.truncate(1);
    assert_eq!(left, ids);
}
