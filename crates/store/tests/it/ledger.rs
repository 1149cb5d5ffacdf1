//! The ledger takes every record once.

use kernel::{CallRecord, Money, Operation, Outcome, Scope, Timestamp, Usage};
use store::{CallFilter, Page, StoreError};

use crate::bench::{Bench, store_suite};

store_suite!(
    records_come_back_whole,
    a_record_counts_once,
    batches_of_every_size_are_whole,
    odd_texts_and_numbers_hold_nothing_up,
    calls_are_listed_newest_first_and_filtered,
    calls_are_seen_only_from_their_scope,
);

pub(crate) fn record(number: u32) -> CallRecord {
    CallRecord {
        id: format!("req_{number:08}").into(),
        started_at: Timestamp::from_secs(1_000_000 + i64::from(number)),
        duration_us: 1_500,
        first_byte_us: Some(700),
        organization: "org-1".into(),
        project: "proj_1".into(),
        api_key: "key_1".into(),
        service_account: Some("svc_acct_1".into()),
        response: Some("resp_1".into()),
        batch: None,
        end_user: Some("user-1".into()),
        operation: Operation::ChatCompletions,
        model: "gpt-4o".into(),
        provider: "mock".into(),
        upstream_model: "gpt-4o-2024".into(),
        stream: true,
        status: 200,
        outcome: Outcome::Completed,
        attempts: 2,
        service_tier: kernel::ServiceTier::Default,
        usage: Usage {
            input: 100,
            input_cached: 40,
            input_cache_write: 10,
            input_audio: 5,
            input_image: 6,
            output: 50,
            output_reasoning: 20,
            output_audio: 3,
            estimated: true,
        },
        cost: Some(Money::from_nanos(123_456)),
    }
}

pub(crate) fn scope() -> Scope {
    Scope::organization("org-1".into())
}

async fn records_come_back_whole(bench: &Bench) {
    let full = record(1);
    let bare = CallRecord {
        id: "req_2".into(),
        response: None,
        batch: Some("batch_1".into()),
        first_byte_us: None,
        service_account: None,
        end_user: None,
        provider: String::new(),
        stream: false,
        outcome: Outcome::UpstreamBroken,
        usage: Usage::default(),
        cost: None,
        ..record(2)
    };
    assert_eq!(bench.store.call_insert("", &[full.clone(), bare.clone()]).await.unwrap().new, 2);
    assert_eq!(bench.store.call_get(&scope(), &full.id).await.unwrap(), full);
    assert_eq!(bench.store.call_get(&scope(), &bare.id).await.unwrap(), bare);
    let all = bench.store.call_list(&scope(), &CallFilter::default(), &Page::default()).await;
    assert_eq!(all.unwrap().data, [bare, full]);
    let none = CallRecord { response: None, ..record(3) };
    bench.store.call_insert("", std::slice::from_ref(&none)).await.unwrap();
    assert_eq!(bench.store.call_get(&scope(), &none.id).await.unwrap(), none);
    assert_eq!(bench.number("SELECT COUNT(*) FROM call_origin").await, 2);
}

async fn a_record_counts_once(bench: &Bench) {
    let store = &bench.store;
    let (one, two) = (record(1), record(2));
    let changed = CallRecord { status: 500, ..one.clone() };
    assert_eq!(store.call_insert("", &[one.clone(), changed.clone()]).await.unwrap().new, 1);
    assert_eq!(store.call_insert("", &[changed, two]).await.unwrap().new, 1);
    assert_eq!(store.call_get(&scope(), &one.id).await.unwrap(), one);
    assert_eq!(store.call_insert("", &[]).await.unwrap().new, 0);
}

async fn batches_of_every_size_are_whole(bench: &Bench) {
    let mut next = 0;
    for size in [1, 199, 200, 201, 650] {
        let batch: Vec<_> = (next..next + size).map(record).collect();
        next += size;
        assert_eq!(bench.store.call_insert("", &batch).await.unwrap().new, u64::from(size));
    }
    assert_eq!(bench.number("SELECT COUNT(*) FROM call").await, i64::from(next));
}

async fn odd_texts_and_numbers_hold_nothing_up(bench: &Bench) {
    let odd = CallRecord {
        end_user: Some("a\0b'; DROP TABLE call; --".into()),
        model: "\0".into(),
        duration_us: u64::MAX,
        usage: Usage { input: u64::MAX, ..Usage::default() },
        ..record(1)
    };
    assert_eq!(bench.store.call_insert("", &[odd, record(2)]).await.unwrap().new, 2);
    let stored = bench.store.call_get(&scope(), &record(1).id).await.unwrap();
    assert_eq!(stored.end_user.as_deref(), Some("a\u{fffd}b'; DROP TABLE call; --"));
    assert_eq!(stored.model, "\u{fffd}");
    assert_eq!(stored.usage.input, 1_000_000_000_000);
}

async fn calls_are_listed_newest_first_and_filtered(bench: &Bench) {
    let mut records: Vec<_> = (0..5).map(record).collect();
    records[1].model = "other".into();
    records[2].api_key = "key_2".into();
    records[3].project = "proj_2".into();
    bench.store.call_insert("", &records).await.unwrap();
    let list = async |filter: CallFilter, page: Page| {
        let page = bench.store.call_list(&scope(), &filter, &page).await.unwrap();
        let numbers = page.data.iter().map(|call| call.id.as_str()[4..].parse::<u32>().unwrap());
        (numbers.collect::<Vec<_>>(), page.has_more)
    };
    let all = Page::default();
    assert_eq!(list(CallFilter::default(), all.clone()).await, (vec![4, 3, 2, 1, 0], false));
    let after = Some(record(3).id.to_string());
    let page = Page { after, limit: 2, ..Page::default() };
    assert_eq!(list(CallFilter::default(), page).await, (vec![2, 1], true));

    let filter = CallFilter { model: Some("other".into()), ..CallFilter::default() };
    assert_eq!(list(filter, all.clone()).await.0, [1]);
    let filter = CallFilter { api_key: Some("key_2".into()), ..CallFilter::default() };
    assert_eq!(list(filter, all.clone()).await.0, [2]);
    let filter = CallFilter { project: Some("proj_2".into()), ..CallFilter::default() };
    assert_eq!(list(filter, all.clone()).await.0, [3]);
    let filter = CallFilter {
        start: Some(record(1).started_at),
        end: Some(record(3).started_at),
        ..CallFilter::default()
    };
    assert_eq!(list(filter, all).await.0, [2, 1]);
}

async fn calls_are_seen_only_from_their_scope(bench: &Bench) {
    bench.store.call_insert("", &[record(1)]).await.unwrap();
    let other_organization = Scope::organization("org-2".into());
    let other_project = Scope { project: Some("proj_2".into()), ..scope() };
    for scope in [other_organization, other_project] {
        let call = bench.store.call_get(&scope, &record(1).id).await;
        assert!(matches!(call, Err(StoreError::NotFound { .. })), "{call:?}");
        let list = bench.store.call_list(&scope, &CallFilter::default(), &Page::default()).await;
        assert!(list.unwrap().data.is_empty());
    }
    let own_project = Scope { project: Some("proj_1".into()), ..scope() };
    assert!(bench.store.call_get(&own_project, &record(1).id).await.is_ok());
}
