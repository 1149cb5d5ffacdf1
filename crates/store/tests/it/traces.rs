//! Traces as clients send them: in any order, again, and with ids of their choice.

use std::slice::from_ref;
use std::time::Duration;

use kernel::{CallRecord, Timestamp};
use store::{Page, SpanRow, TraceRow};

use crate::bench::{Bench, Tenant, invalid, not_found, store_suite};
use crate::ledger::record;

store_suite!(
    traces_come_back_whole,
    spans_may_come_before_their_trace,
    what_comes_again_replaces,
    traces_are_listed_newest_first,
    spans_tell_of_calls_of_their_own_project,
    traces_are_seen_only_from_their_project,
);

fn trace(id: &str) -> TraceRow {
    TraceRow {
        id: id.into(),
        created_at: Timestamp::from_secs(1_000),
        workflow: "Research".into(),
        group: Some("thread-1".into()),
        metadata: "{\"a\":\"b\"}".into(),
        body: b"{\"object\":\"trace\"}".to_vec(),
    }
}

fn span(id: &str, trace: &str) -> SpanRow {
    SpanRow {
        id: id.into(),
        trace: trace.into(),
        parent: Some("span_0".into()),
        started_at: Some(Timestamp::from_secs(1_001)),
        ended_at: None,
        kind: "response".into(),
        response: Some("resp_1".into()),
        call: None,
        body: b"{\"object\":\"trace.span\"}".to_vec(),
    }
}

async fn traces_come_back_whole(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, tenant.project_scope());
    let bare = SpanRow {
        id: "span_0".into(),
        parent: None,
        started_at: None,
        ended_at: Some(Timestamp::from_secs(1)),
        response: None,
        ..span("", "trace_1")
    };
    let spans = [span("span_2", "trace_1"), span("span_1", "trace_1"), bare];
    store.trace_ingest(&scope, &[trace("trace_1")], &spans).await.unwrap();
    let (got, mut sorted) = store.trace_get(&scope, "trace_1").await.unwrap();
    assert_eq!(got, trace("trace_1"));
    sorted.reverse();
    assert_eq!(sorted, spans, "in the order in which they began");
    assert!(!format!("{got:?} {sorted:?}").contains("Research"));
    store.trace_ingest(&scope, &[], &[]).await.unwrap();
    invalid(store.trace_ingest(&tenant.scope, &[trace("trace_2")], &[]).await);
}

async fn spans_may_come_before_their_trace(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, tenant.project_scope());
    let spans = [span("span_1", "trace_1"), span("span_2", "trace_1")];
    store.trace_ingest(&scope, &[], &spans).await.unwrap();
    let (nameless, found) = store.trace_get(&scope, "trace_1").await.unwrap();
    assert_eq!((nameless.workflow.as_str(), nameless.created_at), ("", bench.now()));
    assert_eq!(found, spans);
    store.trace_ingest(&scope, &[trace("trace_1")], &[]).await.unwrap();
    let (named, found) = store.trace_get(&scope, "trace_1").await.unwrap();
    assert_eq!((named.workflow.as_str(), named.created_at), ("Research", bench.now()));
    assert_eq!(found.len(), 2);
}

async fn what_comes_again_replaces(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, tenant.project_scope());
    let (first, begun) = (trace("trace_1"), span("span_1", "trace_1"));
    store.trace_ingest(&scope, from_ref(&first), from_ref(&begun)).await.unwrap();
    let again = TraceRow { workflow: "Other".into(), group: None, ..first.clone() };
    let ended = SpanRow { ended_at: Some(Timestamp::from_secs(1_002)), ..begun };
    let late = TraceRow { created_at: Timestamp::from_secs(5_000), ..again.clone() };
    store.trace_ingest(&scope, &[late], from_ref(&ended)).await.unwrap();
    assert_eq!(store.trace_get(&scope, "trace_1").await.unwrap(), (again, vec![ended.clone()]));
    // More spans leave the trace as it is.
    store.trace_ingest(&scope, &[], &[span("span_2", "trace_1")]).await.unwrap();
    let (kept, spans) = store.trace_get(&scope, "trace_1").await.unwrap();
    assert_eq!((kept.workflow.as_str(), spans.len()), ("Other", 2));
}

async fn traces_are_listed_newest_first(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, tenant.project_scope());
    let traces: Vec<_> = (0..4)
        .map(|number| TraceRow {
            created_at: Timestamp::from_secs(1_000 + number / 2),
            ..trace(&format!("trace_{number}"))
        })
        .collect();
    store.trace_ingest(&scope, &traces, &[]).await.unwrap();
    let list = async |after: Option<&str>| {
        let page = Page { after: after.map(Into::into), limit: 3, ..Page::default() };
        let page = store.trace_list(&scope, &page).await.unwrap();
        (page.data.into_iter().map(|trace| trace.id).collect::<Vec<_>>(), page.has_more)
    };
    let newest = ["trace_3", "trace_2", "trace_1"].map(String::from).to_vec();
    assert_eq!(list(None).await, (newest, true));
    assert_eq!(list(Some("trace_1")).await, (vec!["trace_0".into()], false));
    let gone = Page { after: Some("trace_9".into()), ..Page::default() };
    not_found(store.trace_list(&scope, &gone).await);
}

async fn spans_tell_of_calls_of_their_own_project(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, tenant.project_scope());
    let call = |number, response: &str, project: &str| CallRecord {
        organization: tenant.organization.id.clone(),
        project: project.into(),
        response: Some(response.into()),
        ..record(number)
    };
    let ours = tenant.project.id.as_str();
    let calls = [
        call(1, "resp_1", "proj_other"),
        call(3, "resp_1", ours),
        call(2, "resp_1", ours),
        call(4, "resp_2", "proj_other"),
    ];
    store.call_insert("", &calls).await.unwrap();
    let foreign = SpanRow { response: Some("resp_2".into()), ..span("span_2", "trace_1") };
    let spans = [span("span_1", "trace_1"), foreign];
    store.trace_ingest(&scope, &[trace("trace_1")], &spans).await.unwrap();
    let (_, spans) = store.trace_get(&scope, "trace_1").await.unwrap();
    assert_eq!(spans[0].call, Some(record(2).id), "the first of them");
    assert_eq!(spans[1].call, None);
}

async fn traces_are_seen_only_from_their_project(bench: &Bench) {
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let store = &bench.store;
    let ingest = async |tenant: &Tenant, workflow: &str| {
        let trace = TraceRow { workflow: workflow.into(), ..trace("trace_1") };
        let spans = [span("span_1", "trace_1")];
        store.trace_ingest(&tenant.project_scope(), &[trace], &spans).await.unwrap();
    };
    ingest(&theirs, "Theirs").await;
    not_found(store.trace_get(&ours.project_scope(), "trace_1").await);
    let list = store.trace_list(&ours.project_scope(), &Page::default()).await.unwrap();
    assert!(list.data.is_empty());
    let after = Page { after: Some("trace_1".into()), ..Page::default() };
    not_found(store.trace_list(&ours.project_scope(), &after).await);
    let forged = kernel::Scope { project: Some(theirs.project.id.clone()), ..ours.scope.clone() };
    not_found(store.trace_get(&forged, "trace_1").await);
    // The same ids in two projects are two traces.
    bench.clock.advance(Duration::from_secs(1));
    ingest(&ours, "Ours").await;
    for (tenant, workflow) in [(&ours, "Ours"), (&theirs, "Theirs")] {
        let (trace, spans) = store.trace_get(&tenant.project_scope(), "trace_1").await.unwrap();
        assert_eq!((trace.workflow.as_str(), spans.len()), (workflow, 1));
    }
}
