//! Promises, and how calls went.

use std::time::Duration;

use kernel::{CallRecord, Outcome, Scope, ServiceTier, Timestamp};
use store::{LEVEL_BUCKET, LatencyObjective, Level, ProjectService, ServiceObjective, StoreError};

use crate::bench::{Bench, invalid, not_found, store_suite};
use crate::ledger::{record, scope};

store_suite!(
    promises_are_kept_apart_and_have_defaults,
    wrong_promises_are_refused,
    calls_count_once_where_they_ended,
    who_failed_is_told_from_who_called,
    a_new_promise_holds_for_new_calls,
    levels_are_seen_by_their_organization_alone,
    old_levels_are_forgotten,
    projects_may_ask_for_what_was_granted,
);

fn promise(ppm: u32, ms: u64) -> ServiceObjective {
    let within = Duration::from_millis(ms);
    let latency = Some(LatencyObjective { within, ppm: 950_000 });
    ServiceObjective { availability_ppm: Some(ppm), latency }
}

/// A call that ended at this second.
fn ended(number: u32, second: i64) -> CallRecord {
    let duration = Duration::from_micros(record(number).duration_us);
    let started =
        Timestamp::from_secs(second).as_micros() - i64::try_from(duration.as_micros()).unwrap();
    CallRecord { started_at: Timestamp::from_micros(started), ..record(number) }
}

async fn sum(bench: &Bench, tier: ServiceTier) -> Level {
    let all = Timestamp::default()..Timestamp::MAX;
    bench.store.service_level_sum(&scope(), tier, all).await.unwrap()
}

async fn promises_are_kept_apart_and_have_defaults(bench: &Bench) {
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let store = &bench.store;
    let of = async |scope, tier| store.service_objective_get(scope, tier).await.unwrap();
    assert_eq!(of(&ours.scope, ServiceTier::Priority).await.availability_ppm, Some(999_000));
    assert_eq!(of(&ours.scope, ServiceTier::Flex).await.availability_ppm, None);
    let before = store.generation().await.unwrap();
    let set = promise(999_900, 800);
    store.service_objective_put(&ours.scope, ServiceTier::Priority, set).await.unwrap();
    assert_eq!(store.generation().await.unwrap(), before + 1);
    assert_eq!(of(&ours.scope, ServiceTier::Priority).await, set);
    let default = ServiceObjective::default_of(ServiceTier::Priority);
    assert_eq!(of(&ours.scope, ServiceTier::Default).await, default);
    assert_eq!(of(&theirs.scope, ServiceTier::Priority).await, default);
    let all = store.service_objectives().await.unwrap();
    assert_eq!(all.of(&ours.organization.id, ServiceTier::Priority), set);
    assert_eq!(all.of(&theirs.organization.id, ServiceTier::Priority), default);
    let nothing = ServiceObjective { availability_ppm: None, latency: None };
    store.service_objective_put(&ours.scope, ServiceTier::Priority, nothing).await.unwrap();
    assert_eq!(of(&ours.scope, ServiceTier::Priority).await, nothing);
}

async fn wrong_promises_are_refused(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let put = async |scope: &Scope, objective| {
        bench.store.service_objective_put(scope, ServiceTier::Default, objective).await
    };
    for ppm in [0, 1_000_000, u32::MAX] {
        invalid(put(&tenant.scope, promise(ppm, 800)).await);
    }
    for ms in [0, 3_600_001] {
        invalid(put(&tenant.scope, promise(999_000, ms)).await);
    }
    let refused = put(&tenant.project_scope(), promise(999_000, 800)).await;
    assert!(matches!(refused, Err(StoreError::OutOfScope { .. })));
    not_found(put(&Scope::organization("org-none".into()), promise(999_000, 800)).await);
}

async fn calls_count_once_where_they_ended(bench: &Bench) {
    let bucket = i64::try_from(LEVEL_BUCKET.as_secs()).unwrap();
    let start = 3_000 * bucket;
    let calls = [ended(1, start - 1), ended(2, start), ended(3, start + bucket - 1)];
    let flex = CallRecord { service_tier: ServiceTier::Flex, ..ended(4, start) };
    for records in [&calls[..2], &calls, &[flex]] {
        bench.store.call_insert("", records).await.unwrap();
    }
    let all = Timestamp::default()..Timestamp::MAX;
    let tier = ServiceTier::Default;
    let buckets = bench.store.service_level_buckets(&scope(), tier, all).await.unwrap();
    let found: Vec<_> =
        buckets.iter().map(|found| (found.start.as_secs(), found.level.requests)).collect();
    assert_eq!(found, [(start - bucket, 1), (start, 2)]);
    assert_eq!(sum(bench, ServiceTier::Flex).await.requests, 1);
    assert_eq!(sum(bench, ServiceTier::Priority).await, Level::default());
    let here = Timestamp::from_secs(start)..Timestamp::from_secs(start + bucket);
    let level = bench.store.service_level_sum(&scope(), tier, here).await.unwrap();
    assert_eq!(level.requests, 2);
    let since = bench.store.service_level_since(Timestamp::from_secs(start)).await.unwrap();
    let since: Vec<_> = since.iter().map(|of| (of.tier, of.level.requests)).collect();
    assert_eq!(since, [(ServiceTier::Default, 2), (ServiceTier::Flex, 1)]);
}

async fn who_failed_is_told_from_who_called(bench: &Bench) {
    let calls: Vec<_> = [
        (200, Outcome::Completed, 0),
        (400, Outcome::UpstreamError, 0),
        (429, Outcome::UpstreamError, 0),
        (499, Outcome::ClientClosed, 0),
        (500, Outcome::UpstreamError, 1),
        (502, Outcome::UpstreamError, 1),
        (503, Outcome::Shed, 1),
        (200, Outcome::UpstreamBroken, 1),
        (200, Outcome::TimedOut, 1),
        (200, Outcome::Stopped, 1),
    ]
    .into_iter()
    .zip(1..)
    .map(|((status, outcome, failed), number)| {
        (CallRecord { status, outcome, ..record(number) }, failed)
    })
    .collect();
    for (call, failed) in &calls {
        let before = sum(bench, ServiceTier::Default).await;
        bench.store.call_insert("", std::slice::from_ref(call)).await.unwrap();
        let after = sum(bench, ServiceTier::Default).await;
        assert_eq!(after.requests, before.requests + 1);
        assert_eq!(after.failed, before.failed + failed, "{} {:?}", call.status, call.outcome);
    }
}

async fn a_new_promise_holds_for_new_calls(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let tier = ServiceTier::Default;
    let call = |number, first_byte_us, status| CallRecord {
        organization: tenant.organization.id.clone(),
        first_byte_us,
        duration_us: 900_000,
        status,
        ..record(number)
    };
    let all = || Timestamp::default()..Timestamp::MAX;
    let level = async || bench.store.service_level_sum(&tenant.scope, tier, all()).await.unwrap();
    bench.store.call_insert("", &[call(1, Some(800_001), 200)]).await.unwrap();
    assert_eq!(level().await.slow, 0, "nothing was promised");
    bench.store.service_objective_put(&tenant.scope, tier, promise(999_000, 800)).await.unwrap();
    let calls = [
        call(2, Some(800_000), 200),
        call(3, Some(800_001), 200),
        // Without a first byte it is the whole that was waited for.
        call(4, None, 200),
        // What failed broke the other promise.
        call(5, Some(800_001), 500),
    ];
    bench.store.call_insert("", &calls).await.unwrap();
    assert_eq!(level().await, Level { requests: 5, failed: 1, slow: 2 });
}

async fn levels_are_seen_by_their_organization_alone(bench: &Bench) {
    bench.store.call_insert("", &[record(1)]).await.unwrap();
    let other = Scope::organization("org-2".into());
    let all = Timestamp::default()..Timestamp::MAX;
    let tier = ServiceTier::Default;
    let level = bench.store.service_level_sum(&other, tier, all.clone()).await.unwrap();
    assert_eq!(level, Level::default());
    assert!(bench.store.service_level_buckets(&other, tier, all.clone()).await.unwrap().is_empty());
    let project = Scope { project: Some("proj_1".into()), ..scope() };
    let refused = bench.store.service_level_sum(&project, tier, all).await;
    assert!(matches!(refused, Err(StoreError::OutOfScope { .. })));
}

async fn old_levels_are_forgotten(bench: &Bench) {
    let bucket = i64::try_from(LEVEL_BUCKET.as_secs()).unwrap();
    bench.store.call_insert("", &[ended(1, bucket * 9), ended(2, bucket * 10)]).await.unwrap();
    let gone = bench.store.service_level_trim(Timestamp::from_secs(bucket * 10)).await.unwrap();
    assert_eq!((gone, sum(bench, ServiceTier::Default).await.requests), (1, 1));
}

async fn projects_may_ask_for_what_was_granted(bench: &Bench) {
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let (store, project) = (&bench.store, &ours.project.id);
    let get = async || store.project_service_get(&ours.project_scope()).await.unwrap();
    assert_eq!(get().await, ProjectService::default());
    let tiers = vec![ServiceTier::Default, ServiceTier::Priority, ServiceTier::Priority];
    let granted = ProjectService { default_tier: ServiceTier::Priority, tiers };
    let before = store.generation().await.unwrap();
    store.project_service_put(&ours.scope, project, &granted).await.unwrap();
    assert_eq!(store.generation().await.unwrap(), before + 1);
    let tiers = vec![ServiceTier::Priority, ServiceTier::Default];
    let kept = ProjectService { tiers, ..granted.clone() };
    assert_eq!(get().await, kept);
    let all = store.project_service_list_all().await.unwrap();
    assert_eq!((all.len(), &all[0].project, &all[0].service), (1, project, &kept));

    let odd = ProjectService { default_tier: ServiceTier::Flex, ..granted.clone() };
    invalid(store.project_service_put(&ours.scope, project, &odd).await);
    not_found(store.project_service_put(&theirs.scope, project, &granted).await);
    let own = store.project_service_put(&ours.project_scope(), project, &granted).await;
    assert!(matches!(own, Err(StoreError::OutOfScope { .. })), "{own:?}");
}
