//! Usage, summed from the ledger.

use kernel::{CallRecord, Money, Operation, Scope, ServiceTier, Timestamp};
use store::{BucketWidth, GroupBy, StoreError, UsageQuery, UsageRow};

use crate::bench::{Bench, store_suite};
use crate::ledger::{record, scope};

store_suite!(
    every_number_is_summed,
    buckets_follow_utc_and_empty_ones_are_listed,
    pages_add_up_to_the_whole,
    rows_are_apart_by_every_group,
    batches_tiers_and_line_items_are_told_apart,
    filters_let_through_what_they_name,
    usage_is_seen_only_from_its_scope,
    queries_that_mean_nothing_are_refused,
);

const DAY: i64 = 86_400;

/// A call of the day `day` at `second`.
fn call(number: u32, day: i64, second: i64) -> CallRecord {
    CallRecord { started_at: Timestamp::from_secs(day * DAY + second), ..record(number) }
}

/// All chat completions of the days `first..=last`.
fn days(first: i64, last: i64) -> UsageQuery {
    UsageQuery {
        end: Some(Timestamp::from_secs((last + 1) * DAY)),
        ..UsageQuery::new(vec![Operation::ChatCompletions], Timestamp::from_secs(first * DAY))
    }
}

async fn every_number_is_summed(bench: &Bench) {
    let mut unpriced = call(2, 10, 60);
    unpriced.cost = None;
    unpriced.usage.estimated = false;
    bench.store.call_insert("", &[call(1, 10, 0), unpriced]).await.unwrap();
    let page = bench.store.usage(&scope(), &days(10, 10)).await.unwrap();
    let expected = UsageRow {
        input: 200,
        input_cached: 80,
        input_cache_write: 20,
        input_audio: 10,
        input_image: 12,
        output: 100,
        output_reasoning: 40,
        output_audio: 6,
        requests: 2,
        estimated_requests: 1,
        cost: Money::from_nanos(123_456),
        unpriced_requests: 1,
        ..UsageRow::default()
    };
    assert_eq!(page.buckets.len(), 1);
    assert_eq!(page.buckets[0].results, [expected]);
    assert_eq!(page.next_page, None);
}

async fn buckets_follow_utc_and_empty_ones_are_listed(bench: &Bench) {
    let calls = [call(1, 10, 0), call(2, 10, DAY - 1), call(3, 12, 0), call(4, 13, 0)];
    bench.store.call_insert("", &calls).await.unwrap();
    let shape = async |query: UsageQuery| {
        let page = bench.store.usage(&scope(), &query).await.unwrap();
        let requests = |rows: &[UsageRow]| rows.iter().map(|row| row.requests).sum::<u64>();
        let buckets = page.buckets.iter();
        let shape = buckets.map(|b| (b.start.as_secs(), b.end.as_secs(), requests(&b.results)));
        shape.collect::<Vec<_>>()
    };
    let day = |number: i64, requests| (number * DAY, (number + 1) * DAY, requests);
    assert_eq!(shape(days(10, 12)).await, [day(10, 2), day(11, 0), day(12, 1)]);

    let from_noon = UsageQuery { start: Timestamp::from_secs(10 * DAY + DAY / 2), ..days(10, 10) };
    assert_eq!(shape(from_noon).await, [(10 * DAY + DAY / 2, 11 * DAY, 1)]);

    let hours = UsageQuery { bucket: BucketWidth::Hour, limit: Some(168), ..days(10, 10) };
    let hours = shape(hours).await;
    assert_eq!(hours.len(), 24);
    assert_eq!((hours[0].2, hours[23].2), (1, 1));
    let minutes = UsageQuery { bucket: BucketWidth::Minute, limit: Some(1440), ..days(10, 10) };
    let minutes = shape(minutes).await;
    assert_eq!(minutes.len(), 1440);
    assert_eq!((minutes[0].2, minutes[1439].2), (1, 1));
}

async fn pages_add_up_to_the_whole(bench: &Bench) {
    let calls: Vec<_> = (0..10).map(|n| call(n, 10 + i64::from(n), 5)).collect();
    bench.store.call_insert("", &calls).await.unwrap();
    let mut query = days(10, 19);
    let (mut starts, mut requests) = (Vec::new(), 0);
    loop {
        let page = bench.store.usage(&scope(), &query).await.unwrap();
        assert!(page.buckets.len() <= 7, "a day's default");
        starts.extend(page.buckets.iter().map(|bucket| bucket.start.as_secs() / DAY));
        requests += page.buckets.iter().flat_map(|b| &b.results).map(|r| r.requests).sum::<u64>();
        query.page = page.next_page;
        if query.page.is_none() {
            break;
        }
    }
    assert_eq!(starts, (10..20).collect::<Vec<_>>());
    assert_eq!(requests, 10);
}

async fn rows_are_apart_by_every_group(bench: &Bench) {
    let mut calls: Vec<_> = (0..6).map(|n| call(n, 10, n.into())).collect();
    calls[1].project = "proj_2".into();
    calls[2].api_key = "key_2".into();
    calls[3].model = "other".into();
    calls[4].end_user = None;
    calls[5].end_user = None;
    calls[5].service_account = None;
    bench.store.call_insert("", &calls).await.unwrap();
    let rows = async |group_by: &[GroupBy]| {
        let query = UsageQuery { group_by: group_by.into(), ..days(10, 10) };
        bench.store.usage(&scope(), &query).await.unwrap().buckets.remove(0).results
    };
    let by_project = rows(&[GroupBy::Project]).await;
    let projects = by_project.iter().map(|r| (r.project_id.as_ref().unwrap().as_str(), r.requests));
    assert_eq!(projects.collect::<Vec<_>>(), [("proj_1", 5), ("proj_2", 1)]);
    let by_key = rows(&[GroupBy::ApiKey]).await;
    let keys = by_key.iter().map(|r| (r.api_key_id.as_ref().unwrap().as_str(), r.requests));
    assert_eq!(keys.collect::<Vec<_>>(), [("key_1", 5), ("key_2", 1)]);
    let by_model = rows(&[GroupBy::Model, GroupBy::Model]).await;
    let models = by_model.iter().map(|r| (r.model.as_deref().unwrap(), r.requests));
    assert_eq!(models.collect::<Vec<_>>(), [("gpt-4o", 5), ("other", 1)]);
    let by_user = rows(&[GroupBy::User]).await;
    let users = by_user.iter().map(|r| (r.user_id.as_deref(), r.requests));
    assert_eq!(
        users.collect::<Vec<_>>(),
        [(None, 1), (Some("svc_acct_1"), 1), (Some("user-1"), 4)]
    );

    let everything = [
        GroupBy::ServiceTier,
        GroupBy::Batch,
        GroupBy::Model,
        GroupBy::ApiKey,
        GroupBy::User,
        GroupBy::Project,
    ];
    let apart = rows(&everything).await;
    assert_eq!(apart.len(), 6);
    let plain =
        |row: &UsageRow| row.batch == Some(false) && row.service_tier.as_deref() == Some("default");
    assert!(apart.iter().all(plain));
}

async fn batches_tiers_and_line_items_are_told_apart(bench: &Bench) {
    let mut calls: Vec<_> = (0..5).map(|n| call(n, 10, n.into())).collect();
    calls[0].batch = Some("batch_1".into());
    calls[0].service_tier = ServiceTier::Flex;
    calls[1].service_tier = ServiceTier::Priority;
    calls[2].operation = Operation::Responses;
    bench.store.call_insert("", &calls).await.unwrap();
    let rows = async |change: fn(&mut UsageQuery)| {
        let mut query = UsageQuery { operations: Vec::new(), ..days(10, 10) };
        change(&mut query);
        bench.store.usage(&scope(), &query).await.unwrap().buckets.remove(0).results
    };
    let by_batch = rows(|q| q.group_by = vec![GroupBy::Batch]).await;
    let batches = by_batch.iter().map(|row| (row.batch, row.requests));
    assert_eq!(batches.collect::<Vec<_>>(), [(Some(false), 4), (Some(true), 1)]);
    let by_tier = rows(|q| q.group_by = vec![GroupBy::ServiceTier]).await;
    let tiers = by_tier.iter().map(|row| (row.service_tier.as_deref().unwrap(), row.requests));
    assert_eq!(tiers.collect::<Vec<_>>(), [("default", 3), ("flex", 1), ("priority", 1)]);
    let by_item = rows(|q| q.group_by = vec![GroupBy::LineItem]).await;
    let items = by_item.iter().map(|row| (row.line_item.as_deref().unwrap(), row.requests));
    assert_eq!(
        items.collect::<Vec<_>>(),
        [("gpt-4o, chat_completions", 4), ("gpt-4o, responses", 1)]
    );
    assert!(by_item.iter().all(|row| row.model.is_none()));

    let requests = async |change: fn(&mut UsageQuery)| {
        rows(change).await.iter().map(|row| row.requests).sum::<u64>()
    };
    assert_eq!(requests(|q| q.batch = Some(true)).await, 1);
    assert_eq!(requests(|q| q.batch = Some(false)).await, 4);
    assert_eq!(requests(|q| q.service_tiers = vec![ServiceTier::Flex]).await, 1);
    let urgent_or_not = vec![ServiceTier::Priority, ServiceTier::Default];
    let query = UsageQuery { service_tiers: urgent_or_not, ..days(10, 10) };
    let page = bench.store.usage(&scope(), &query).await.unwrap();
    assert_eq!(page.buckets[0].results[0].requests, 3, "of chat completions");
}

async fn filters_let_through_what_they_name(bench: &Bench) {
    let mut calls: Vec<_> = (0..6).map(|n| call(n, 10, n.into())).collect();
    calls[1].project = "proj_2".into();
    calls[2].api_key = "key_2".into();
    calls[3].model = "other".into();
    calls[4].end_user = Some("user-2".into());
    calls[5].operation = Operation::Embeddings;
    bench.store.call_insert("", &calls).await.unwrap();
    let requests = async |change: fn(&mut UsageQuery)| {
        let mut query = days(10, 10);
        change(&mut query);
        let page = bench.store.usage(&scope(), &query).await.unwrap();
        page.buckets[0].results.iter().map(|row| row.requests).sum::<u64>()
    };
    assert_eq!(requests(|_| ()).await, 5);
    assert_eq!(requests(|q| q.operations = vec![Operation::Embeddings]).await, 1);
    assert_eq!(requests(|q| q.operations.clear()).await, 6);
    assert_eq!(requests(|q| q.project_ids = vec!["proj_2".into()]).await, 1);
    assert_eq!(requests(|q| q.project_ids = vec!["proj_1".into(), "proj_2".into()]).await, 5);
    assert_eq!(requests(|q| q.api_key_ids = vec!["key_2".into()]).await, 1);
    assert_eq!(requests(|q| q.models = vec!["other".into(), "none".into()]).await, 1);
    assert_eq!(requests(|q| q.user_ids = vec!["user-2".into()]).await, 1);
    assert_eq!(requests(|q| q.batch = Some(false)).await, 5);
    assert_eq!(requests(|q| q.batch = Some(true)).await, 0);
    let both: fn(&mut UsageQuery) = |q| {
        q.project_ids = vec!["proj_2".into()];
        q.models = vec!["other".into()];
    };
    assert_eq!(requests(both).await, 0);
}

async fn usage_is_seen_only_from_its_scope(bench: &Bench) {
    let mut second = call(2, 10, 0);
    second.project = "proj_2".into();
    bench.store.call_insert("", &[call(1, 10, 0), second]).await.unwrap();
    let requests = async |scope: Scope, query: UsageQuery| {
        let page = bench.store.usage(&scope, &query).await.unwrap();
        page.buckets[0].results.iter().map(|row| row.requests).sum::<u64>()
    };
    let project = |id: &str| Scope { project: Some(id.into()), ..scope() };
    assert_eq!(requests(scope(), days(10, 10)).await, 2);
    assert_eq!(requests(project("proj_2"), days(10, 10)).await, 1);
    let asks_for_another = UsageQuery { project_ids: vec!["proj_1".into()], ..days(10, 10) };
    assert_eq!(requests(project("proj_2"), asks_for_another).await, 0);
    assert_eq!(requests(Scope::organization("org-2".into()), days(10, 10)).await, 0);
}

async fn queries_that_mean_nothing_are_refused(bench: &Bench) {
    let wrong = [
        UsageQuery { limit: Some(32), ..days(1, 2) },
        UsageQuery { limit: Some(181), most_buckets: Some(180), ..days(1, 2) },
        UsageQuery { page: Some("page_of_another_list".into()), ..days(1, 2) },
        UsageQuery { end: Some(Timestamp::from_secs(DAY)), ..days(1, 2) },
        UsageQuery { models: vec![String::new(); 1_001], ..days(1, 2) },
    ];
    for query in wrong {
        let refused = bench.store.usage(&scope(), &query).await;
        assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
    }
}
