//! Batches: leases, counts, and that a line is answered once whoever answers it.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use kernel::{BatchId, Clock as _, Scope, Timestamp, Usage};
use store::{
    Batch, BatchPlan, BatchStatus, Lease, NewBatch, NewBatchResult, Page, Slice, Store, StoreError,
};

use crate::bench::{Bench, store_suite};

store_suite!(
    a_batch_goes_from_its_making_to_its_end,
    a_line_is_answered_once,
    nodes_that_claim_at_once_get_different_slices,
    a_dead_nodes_slices_go_to_another,
    a_node_that_lost_its_slice_adds_nothing,
    one_node_at_a_time_works_on_a_whole_batch,
    the_last_slices_ended_at_once_finish_the_batch,
    a_cancelled_batch_keeps_what_was_answered,
    lines_out_of_time_make_the_batch_expire,
    a_wrong_input_is_told,
    another_project_finds_nothing,
    pages_are_newest_first,
    content_is_sealed,
);

const CANARY: &str = "a canary that no database may sing";
const LEASE: Duration = Duration::from_secs(15);

fn lease<'a>(bench: &Bench, node: &'a str) -> Lease<'a> {
    Lease { node, until: bench.clock.now().plus(LEASE) }
}

fn new(bench: &Bench) -> NewBatch {
    NewBatch {
        api_key: "key_1".into(),
        service_account: Some("svc_acct_1".into()),
        endpoint: "/v1/chat/completions".to_owned(),
        completion_window: "24h".to_owned(),
        expires_at: bench.clock.now().plus(Duration::from_secs(86_400)),
        input_file: "file-input".into(),
        output_lifetime: Some(Duration::from_secs(7_200)),
        metadata: Some(format!("{{\"note\":\"{CANARY}\"}}")),
    }
}

/// A plan of slices of ten lines each.
fn plan(slices: u32) -> BatchPlan {
    let slice = |number| Slice {
        number,
        first_line: number * 10 + 1,
        line_count: 10,
        byte_offset: u64::from(number) * 1_000,
        byte_length: 1_000,
    };
    BatchPlan {
        total: u64::from(slices) * 10,
        model: Some("kijun-sim".to_owned()),
        slices: (0..slices).map(slice).collect(),
    }
}

fn result(slice: u32, line: u32) -> NewBatchResult {
    NewBatchResult {
        slice,
        line,
        failed: line.is_multiple_of(10),
        expired: false,
        body: format!("{{\"line\":{line},\"said\":\"{CANARY}\"}}").into_bytes(),
        usage: Usage {
            input: 5,
            input_cached: 2,
            output: 3,
            output_reasoning: 1,
            ..Usage::default()
        },
    }
}

/// All lines of a slice.
fn results(slice: u32) -> Vec<NewBatchResult> {
    (slice * 10 + 1..=slice * 10 + 10).map(|line| result(slice, line)).collect()
}

/// A batch of that many slices whose lines may be answered.
async fn begun(bench: &Bench, scope: &Scope, slices: u32) -> Batch {
    let made = bench.store.batch_create(scope, &new(bench)).await.unwrap();
    let claimed = bench.store.batch_claim(lease(bench, "one"), bench.clock.now()).await.unwrap();
    assert_eq!(claimed.unwrap().id, made.id);
    let validated = bench.store.batch_validated(scope, &made.id, "one", &plan(slices)).await;
    assert!(validated.unwrap());
    bench.store.batch_get(scope, &made.id).await.unwrap()
}

async fn claim(
    bench: &Bench,
    store: &Store,
    scope: &Scope,
    id: &BatchId,
    node: &str,
) -> Option<u32> {
    let now = bench.clock.now();
    let taken = store.batch_slice_claim(scope, id, lease(bench, node), now).await.unwrap();
    taken.map(|taken| taken.slice.number)
}

async fn a_batch_goes_from_its_making_to_its_end(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, tenant.project_scope());
    let made = store.batch_create(&scope, &new(bench)).await.unwrap();
    assert_eq!((made.status, made.counts.total), (BatchStatus::Validating, 0));
    assert_eq!(made.metadata, new(bench).metadata);
    assert_eq!(made.output_lifetime, new(bench).output_lifetime);
    let now = bench.clock.now();
    assert!(store.batch_waiting(now, 10).await.unwrap().is_empty());
    store.batch_claim(lease(bench, "one"), now).await.unwrap().unwrap();
    assert!(store.batch_validated(&scope, &made.id, "one", &plan(2)).await.unwrap());

    let waiting = store.batch_waiting(now, 10).await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!((waiting[0].status, waiting[0].counts.total), (BatchStatus::InProgress, 20));
    assert_eq!(waiting[0].model.as_deref(), Some("kijun-sim"));
    assert_eq!(waiting[0].scope(), scope);
    for number in 0..2 {
        assert_eq!(claim(bench, store, &scope, &made.id, "one").await, Some(number));
    }
    assert!(store.batch_waiting(now, 10).await.unwrap().is_empty(), "all slices have a node");
    let insert = |slice| {
        let (scope, id) = (&scope, &made.id);
        async move {
            let results = results(slice);
            store.batch_result_insert(scope, id, "one", &results, &[slice]).await.unwrap()
        }
    };
    let standing = insert(1).await;
    assert_eq!(standing.status, BatchStatus::InProgress);
    assert_eq!(standing.slices, HashSet::from([0]));
    let standing = insert(0).await;
    assert_eq!(standing.status, BatchStatus::Finalizing);

    let batch = store.batch_claim(lease(bench, "two"), now).await.unwrap().unwrap();
    assert_eq!((batch.counts.completed, batch.counts.failed), (18, 2));
    assert_eq!((batch.usage.input, batch.usage.input_cached), (100, 40));
    assert_eq!((batch.usage.output, batch.usage.output_reasoning), (60, 20));
    let (mut lines, mut after) = (Vec::new(), 0);
    loop {
        let some = store.batch_results(&scope, &made.id, after, 7).await.unwrap();
        let Some(last) = some.last() else { break };
        after = last.line;
        lines.extend(some.into_iter().map(|result| {
            assert_eq!(result.body, self::result(0, result.line).body);
            (result.line, result.failed)
        }));
    }
    assert_eq!(lines, (1..=20).map(|line| (line, line % 10 == 0)).collect::<Vec<_>>());

    let early = store.batch_result_remove(&scope, &made.id, 100).await;
    assert!(matches!(early, Err(StoreError::Conflict { .. })), "{early:?}");
    let (output, error) = ("file-out".into(), "file-err".into());
    let files = store.batch_written(&scope, &made.id, "two", Some(&output), Some(&error));
    assert!(files.await.unwrap());
    assert_eq!(store.batch_result_remove(&scope, &made.id, 15).await.unwrap(), 15);
    assert_eq!(store.batch_result_remove(&scope, &made.id, 15).await.unwrap(), 5);
    assert!(store.batch_finish(&scope, &made.id, "two").await.unwrap());
    let batch = store.batch_get(&scope, &made.id).await.unwrap();
    assert_eq!(batch.status, BatchStatus::Completed);
    assert_eq!((batch.output_file, batch.error_file), (Some(output), Some(error)));
    assert!(batch.completed_at.is_some() && batch.expired_at.is_none());
    assert!(store.batch_claim(lease(bench, "one"), Timestamp::MAX).await.unwrap().is_none());
}

async fn a_line_is_answered_once(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, tenant.project_scope());
    let id = begun(bench, &scope, 1).await.id;
    claim(bench, store, &scope, &id, "one").await.unwrap();
    let first = result(0, 1);
    let again = NewBatchResult { body: b"another answer".to_vec(), ..first.clone() };
    let all = [first.clone(), again.clone()];
    store.batch_result_insert(&scope, &id, "one", &all, &[]).await.unwrap();
    store.batch_result_insert(&scope, &id, "one", &[again], &[]).await.unwrap();
    let kept = store.batch_results(&scope, &id, 0, 10).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].body, first.body);
    let batch = store.batch_get(&scope, &id).await.unwrap();
    assert_eq!((batch.counts.completed, batch.usage.input), (1, 5));
}

async fn nodes_that_claim_at_once_get_different_slices(bench: &Bench) {
    let other = bench.reopen(&bench.vault).await.unwrap();
    let tenant = bench.tenant("Acme").await;
    let scope = tenant.project_scope();
    let id = begun(bench, &scope, 12).await.id;
    let claims = (0..14).map(|number| {
        let (store, node) = if number % 2 == 0 { (&bench.store, "one") } else { (&other, "two") };
        claim(bench, store, &scope, &id, node)
    });
    let mut taken: Vec<_> = join_all(claims).await.into_iter().flatten().collect();
    taken.sort_unstable();
    assert_eq!(taken, (0..12).collect::<Vec<_>>());
    other.close().await;
}

async fn a_dead_nodes_slices_go_to_another(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, tenant.project_scope());
    let id = begun(bench, &scope, 1).await.id;
    claim(bench, store, &scope, &id, "dead").await.unwrap();
    let some = [result(0, 2), result(0, 7)];
    store.batch_result_insert(&scope, &id, "dead", &some, &[]).await.unwrap();
    assert_eq!(claim(bench, store, &scope, &id, "two").await, None);
    bench.clock.advance(LEASE);
    let now = bench.clock.now();
    assert_eq!(store.batch_waiting(now, 10).await.unwrap().len(), 1);
    let taken = store.batch_slice_claim(&scope, &id, lease(bench, "two"), now).await.unwrap();
    assert_eq!(taken.unwrap().answered, HashSet::from([2, 7]));
    let standing = store.batch_slice_renew(&scope, &id, lease(bench, "two")).await.unwrap();
    assert_eq!(standing.slices, HashSet::from([0]));
    store.batch_slice_release(&scope, &id, "two").await.unwrap();
    assert_eq!(claim(bench, store, &scope, &id, "three").await, Some(0), "given back at once");
}

async fn a_node_that_lost_its_slice_adds_nothing(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, tenant.project_scope());
    let id = begun(bench, &scope, 1).await.id;
    claim(bench, store, &scope, &id, "slow").await.unwrap();
    bench.clock.advance(LEASE);
    claim(bench, store, &scope, &id, "two").await.unwrap();
    let late = store.batch_result_insert(&scope, &id, "slow", &results(0), &[0]).await.unwrap();
    assert!(late.slices.is_empty() && late.status == BatchStatus::InProgress);
    let renewed = store.batch_slice_renew(&scope, &id, lease(bench, "slow")).await.unwrap();
    assert!(renewed.slices.is_empty());
    assert_eq!(store.batch_get(&scope, &id).await.unwrap().counts.completed, 0);
    let two = store.batch_result_insert(&scope, &id, "two", &results(0), &[0]).await.unwrap();
    assert_eq!(two.status, BatchStatus::Finalizing);
}

async fn one_node_at_a_time_works_on_a_whole_batch(bench: &Bench) {
    let other = bench.reopen(&bench.vault).await.unwrap();
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, tenant.project_scope());
    for _ in 0..4 {
        store.batch_create(&scope, &new(bench)).await.unwrap();
    }
    let now = bench.clock.now();
    let claims = (0..6).map(|number| {
        let (store, node) = if number % 2 == 0 { (store, "one") } else { (&other, "two") };
        store.batch_claim(lease(bench, node), now)
    });
    let claimed = join_all(claims).await.into_iter().filter_map(Result::unwrap);
    let claimed: Vec<_> = claimed.map(|batch| batch.id).collect();
    // PostgreSQL may pass a batch over that another is just taking; nobody gets one twice.
    assert_eq!(claimed.iter().collect::<HashSet<_>>().len(), claimed.len());
    while store.batch_claim(lease(bench, "one"), now).await.unwrap().is_some() {}
    let id = &claimed[0];
    for stranger in ["three", ""] {
        assert!(!store.batch_renew(&scope, id, lease(bench, stranger)).await.unwrap());
        assert!(!store.batch_validated(&scope, id, stranger, &plan(1)).await.unwrap());
        assert!(!store.batch_failed(&scope, id, stranger, "[]").await.unwrap());
        assert!(!store.batch_written(&scope, id, stranger, None, None).await.unwrap());
        assert!(!store.batch_finish(&scope, id, stranger).await.unwrap());
        store.batch_release(&scope, id, stranger).await.unwrap();
    }
    bench.clock.advance(LEASE);
    let again = store.batch_claim(lease(bench, "three"), bench.clock.now()).await.unwrap();
    let again = again.expect("the lease is over").id;
    assert!(store.batch_renew(&scope, &again, lease(bench, "three")).await.unwrap());
    store.batch_release(&scope, &again, "three").await.unwrap();
    other.close().await;
}

async fn the_last_slices_ended_at_once_finish_the_batch(bench: &Bench) {
    let other = bench.reopen(&bench.vault).await.unwrap();
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, tenant.project_scope());
    let id = begun(bench, &scope, 2).await.id;
    claim(bench, store, &scope, &id, "one").await.unwrap();
    claim(bench, &other, &scope, &id, "two").await.unwrap();
    let (first, second) = (results(0), results(1));
    let (one, two) = tokio::join!(
        store.batch_result_insert(&scope, &id, "one", &first, &[0]),
        other.batch_result_insert(&scope, &id, "two", &second, &[1]),
    );
    let ends = [one.unwrap().status, two.unwrap().status];
    assert!(ends.contains(&BatchStatus::Finalizing), "{ends:?}");
    let batch = store.batch_get(&scope, &id).await.unwrap();
    assert_eq!((batch.counts.completed, batch.counts.failed), (18, 2));
    other.close().await;
}

async fn a_cancelled_batch_keeps_what_was_answered(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, tenant.project_scope());
    let id = begun(bench, &scope, 3).await.id;
    claim(bench, store, &scope, &id, "one").await.unwrap();
    let cancelled = store.batch_cancel(&scope, &id).await.unwrap();
    assert_eq!(cancelled.status, BatchStatus::Cancelling);
    assert_eq!(store.batch_cancel(&scope, &id).await.unwrap(), cancelled, "twice is once");
    let now = bench.clock.now();
    assert_eq!(claim(bench, store, &scope, &id, "two").await, None, "nothing more is begun");
    assert!(store.batch_claim(lease(bench, "two"), now).await.unwrap().is_none(), "one works on");
    let last = store.batch_result_insert(&scope, &id, "one", &[result(0, 1)], &[]).await.unwrap();
    assert_eq!(last.status, BatchStatus::Cancelling);
    store.batch_slice_release(&scope, &id, "one").await.unwrap();
    let claimed = store.batch_claim(lease(bench, "two"), now).await.unwrap().unwrap();
    assert_eq!(claimed.id, id);
    let late = store.batch_result_insert(&scope, &id, "one", &results(0), &[]).await.unwrap();
    assert!(late.slices.is_empty());
    assert_eq!(store.batch_results(&scope, &id, 0, 100).await.unwrap().len(), 1);
    assert!(store.batch_written(&scope, &id, "two", None, None).await.unwrap());
    assert!(store.batch_finish(&scope, &id, "two").await.unwrap());
    let batch = store.batch_get(&scope, &id).await.unwrap();
    assert_eq!((batch.status, batch.counts.completed), (BatchStatus::Cancelled, 1));

    let over = begun(bench, &scope, 1).await.id;
    claim(bench, store, &scope, &over, "one").await.unwrap();
    store.batch_result_insert(&scope, &over, "one", &results(0), &[0]).await.unwrap();
    let refused = store.batch_cancel(&scope, &over).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
}

async fn lines_out_of_time_make_the_batch_expire(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, tenant.project_scope());
    let id = begun(bench, &scope, 1).await.id;
    claim(bench, store, &scope, &id, "one").await.unwrap();
    let mut all = results(0);
    for late in all.iter_mut().skip(4) {
        (late.failed, late.expired) = (true, true);
    }
    store.batch_result_insert(&scope, &id, "one", &all, &[0]).await.unwrap();
    store.batch_claim(lease(bench, "one"), bench.clock.now()).await.unwrap().unwrap();
    store.batch_written(&scope, &id, "one", None, None).await.unwrap();
    bench.clock.advance(Duration::from_secs(1));
    store.batch_finish(&scope, &id, "one").await.unwrap();
    let batch = store.batch_get(&scope, &id).await.unwrap();
    assert_eq!((batch.status, batch.counts.failed), (BatchStatus::Expired, 6));
    assert_eq!((batch.expired_at, batch.completed_at), (Some(bench.clock.now()), None));
}

async fn a_wrong_input_is_told(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, tenant.project_scope());
    let id = store.batch_create(&scope, &new(bench)).await.unwrap().id;
    store.batch_claim(lease(bench, "one"), bench.clock.now()).await.unwrap().unwrap();
    assert!(store.batch_failed(&scope, &id, "one", "[{\"line\":3}]").await.unwrap());
    let batch = store.batch_get(&scope, &id).await.unwrap();
    assert_eq!(
        (batch.status, batch.errors.as_deref()),
        (BatchStatus::Failed, Some("[{\"line\":3}]"))
    );

    let cancelled = store.batch_create(&scope, &new(bench)).await.unwrap().id;
    store.batch_claim(lease(bench, "one"), bench.clock.now()).await.unwrap().unwrap();
    store.batch_cancel(&scope, &cancelled).await.unwrap();
    assert!(!store.batch_validated(&scope, &cancelled, "one", &plan(1)).await.unwrap());
    assert!(!store.batch_failed(&scope, &cancelled, "one", "[]").await.unwrap());
}

async fn another_project_finds_nothing(bench: &Bench) {
    let (ours, theirs) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    let (store, scope) = (&bench.store, ours.project_scope());
    let id = begun(bench, &scope, 1).await.id;
    claim(bench, store, &scope, &id, "one").await.unwrap();
    store.batch_result_insert(&scope, &id, "one", &[result(0, 1)], &[]).await.unwrap();
    for scope in [&theirs.project_scope(), &theirs.scope] {
        let refusals = [
            store.batch_get(scope, &id).await.err(),
            store.batch_cancel(scope, &id).await.err(),
            store.batch_renew(scope, &id, lease(bench, "one")).await.err(),
            store.batch_release(scope, &id, "one").await.err(),
            store.batch_validated(scope, &id, "one", &plan(1)).await.err(),
            store.batch_written(scope, &id, "one", None, None).await.err(),
            store.batch_finish(scope, &id, "one").await.err(),
            store.batch_slice_claim(scope, &id, lease(bench, "x"), Timestamp::MAX).await.err(),
            store.batch_slice_renew(scope, &id, lease(bench, "one")).await.err(),
            store.batch_slice_release(scope, &id, "one").await.err(),
            store.batch_result_remove(scope, &id, 10).await.err(),
        ];
        for refusal in refusals {
            assert!(matches!(refusal, Some(StoreError::NotFound { .. })), "{refusal:?}");
        }
        assert!(store.batch_list(scope, &Page::default()).await.unwrap().data.is_empty());
    }
    let theirs = theirs.project_scope();
    assert!(store.batch_failed(&theirs, &id, "one", "[]").await.is_err());
    assert!(store.batch_result_insert(&theirs, &id, "one", &results(0), &[0]).await.is_err());
    assert!(store.batch_results(&theirs, &id, 0, 10).await.unwrap().is_empty());
    assert!(store.batch_create(&ours.scope, &new(bench)).await.is_err(), "a batch needs a project");
    assert_eq!(store.batch_get(&scope, &id).await.unwrap().counts.completed, 1);
}

async fn pages_are_newest_first(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, tenant.project_scope());
    let mut made = Vec::new();
    for _ in 0..5 {
        bench.clock.advance(Duration::from_millis(1));
        made.insert(0, store.batch_create(&scope, &new(bench)).await.unwrap().id);
    }
    let mut page = Page { limit: 2, ..Page::default() };
    let mut listed = Vec::new();
    loop {
        let some = store.batch_list(&scope, &page).await.unwrap();
        listed.extend(some.data.into_iter().map(|batch| batch.id));
        if !some.has_more {
            break;
        }
        page.after = listed.last().map(ToString::to_string);
    }
    assert_eq!(listed, made);
}

async fn content_is_sealed(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, tenant.project_scope());
    let id = begun(bench, &scope, 1).await.id;
    claim(bench, store, &scope, &id, "one").await.unwrap();
    store.batch_result_insert(&scope, &id, "one", &[result(0, 1)], &[]).await.unwrap();
    let bad = store.batch_create(&scope, &new(bench)).await.unwrap().id;
    store.batch_claim(lease(bench, "one"), bench.clock.now()).await.unwrap().unwrap();
    let errors = format!("[\"{CANARY}\"]");
    assert!(store.batch_failed(&scope, &bad, "one", &errors).await.unwrap());
    for sealed in [
        format!("SELECT metadata FROM batch WHERE id = '{id}'"),
        format!("SELECT errors FROM batch WHERE id = '{bad}'"),
        "SELECT body FROM batch_result".to_owned(),
    ] {
        let bytes = bench.bytes(&sealed).await;
        let shown = String::from_utf8_lossy(&bytes);
        assert!(!bytes.is_empty() && !shown.contains("canary"), "{sealed}: {shown}");
    }
    // A result that is moved to another line does not open there.
    bench.execute("UPDATE batch_result SET line = 2").await;
    assert!(matches!(
        store.batch_results(&scope, &id, 0, 10).await,
        Err(StoreError::Sealed { .. })
    ));
    assert!(!format!("{:?}", store.batch_get(&scope, &id).await.unwrap()).contains("canary"));
}
