//! Rollups are the sums of the ledger, whatever is written, how often, and in which order.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use kernel::{CallRecord, Clock as _, Money, Operation, Rng, Scope, ServiceTier, Timestamp, Usage};
use store::{BucketWidth, GroupBy, StoreError, UsageQuery, UsageRow};
use testkit::SeededRng;

use crate::bench::{Bench, store_suite};
use crate::ledger::{record, scope};

store_suite!(
    usage_is_a_plain_scan_of_the_ledger,
    a_price_may_change_in_the_middle_of_a_bucket,
    months_end_where_the_calendar_says,
    ends_between_two_buckets_cut_calls_exactly,
    nodes_that_write_the_same_rows_at_once_lose_nothing,
    minutes_that_are_let_go_of_are_still_answered,
    a_row_changed_by_hand_is_found_and_mended,
    a_record_that_cannot_be_stored_is_named,
);

/// A second.
const S: i64 = 1_000_000;
const HOUR: i64 = 3_600 * S;
const DAY: i64 = 24 * HOUR;

/// One of several, all equally likely.
fn one_of<T: Clone>(rng: &SeededRng, choices: &[T]) -> T {
    choices[below(rng, choices.len() as i64) as usize].clone()
}

fn below(rng: &SeededRng, most: i64) -> i64 {
    (rng.next_u64() % most as u64) as i64
}

/// A call of the last twelve days, often at the very edge of a bucket.
fn random_call(rng: &SeededRng, number: u32, now: Timestamp) -> CallRecord {
    let at = now.as_micros() - below(rng, 12 * DAY);
    let width = one_of(rng, &[S, 60 * S, HOUR, DAY]);
    let at = one_of(rng, &[at, at - at % width, at - at % width - 1]);
    let tokens = || rng.next_u64() % 1_000;
    CallRecord {
        started_at: Timestamp::from_micros(at),
        organization: one_of(rng, &["org-1", "org-1", "org-1", "org-2"]).into(),
        project: one_of(rng, &["proj_1", "proj_2"]).into(),
        api_key: one_of(rng, &["key_1", "key_2", "key_3"]).into(),
        service_account: one_of(rng, &[None, Some("svc_1".into())]),
        end_user: one_of(rng, &[None, Some("ada".into()), Some("béa\0".into())]),
        batch: one_of(rng, &[None, None, Some("batch_1".into())]),
        operation: one_of(rng, &Operation::ALL),
        model: one_of(rng, &["gpt-5", "gpt-5-mini", "a long name ".repeat(200).trim()]).into(),
        service_tier: one_of(rng, &ServiceTier::ALL),
        usage: Usage {
            input: tokens(),
            input_cached: tokens(),
            input_cache_write: tokens(),
            input_audio: tokens(),
            input_image: tokens(),
            output: tokens(),
            output_reasoning: tokens(),
            output_audio: one_of(rng, &[tokens(), u64::MAX]),
            estimated: one_of(rng, &[true, false]),
        },
        cost: one_of(rng, &[None, Some(below(rng, 1_000)), Some(i64::MAX)]).map(Money::from_nanos),
        ..record(number)
    }
}

fn random_query(rng: &SeededRng, now: Timestamp) -> UsageQuery {
    let bucket = one_of(rng, &[BucketWidth::Minute, BucketWidth::Hour, BucketWidth::Day]);
    let width = bucket.duration().as_micros() as i64;
    let start = now.as_micros() - below(rng, 13 * DAY);
    let start = one_of(rng, &[start, start - start % width, start - start % HOUR]);
    let end = start + 1 + below(rng, i64::from(bucket.max_limit() - 1) * width);
    let groups = [
        GroupBy::Project,
        GroupBy::User,
        GroupBy::ApiKey,
        GroupBy::Model,
        GroupBy::Batch,
        GroupBy::ServiceTier,
        GroupBy::LineItem,
    ];
    let some = |most: i64| below(rng, most) == 0;
    let user_ids = if some(4) { vec!["ada".into(), "svc_1".into()] } else { Vec::new() };
    UsageQuery {
        end: one_of(rng, &[None, Some(Timestamp::from_micros(end))]),
        bucket,
        project_ids: if some(3) { vec!["proj_2".into()] } else { Vec::new() },
        api_key_ids: if some(4) { vec!["key_1".into(), "key_3".into()] } else { Vec::new() },
        user_ids,
        models: if some(3) { vec!["gpt-5".into()] } else { Vec::new() },
        batch: one_of(rng, &[None, Some(true), Some(false)]),
        service_tiers: if some(4) { vec![ServiceTier::Flex] } else { Vec::new() },
        group_by: groups.into_iter().filter(|_| some(3)).collect(),
        limit: Some(bucket.max_limit()),
        ..UsageQuery::new(
            if some(2) { vec![Operation::Responses, Operation::Completions] } else { Vec::new() },
            Timestamp::from_micros(start),
        )
    }
}

/// What the ledger has of a name.
fn stored(text: &str) -> String {
    let text = text.replace('\0', "\u{fffd}");
    text[..text.len().min(1_024)].to_owned()
}

/// What a scan of all calls that were written would answer.
fn scan(calls: &BTreeMap<String, CallRecord>, query: &UsageQuery) -> Vec<(i64, UsageRow)> {
    let mut rows: Vec<(i64, UsageRow)> = Vec::new();
    let names = |list: &[String], name: Option<&String>| {
        list.is_empty() || name.is_some_and(|name| list.contains(name))
    };
    for call in calls.values().filter(|call| call.organization.as_str() == "org-1") {
        let service_account = call.service_account.as_ref().map(ToString::to_string);
        let user = call.end_user.as_deref().map(stored).or(service_account);
        let model = stored(&call.model);
        let asked = call.started_at >= query.start
            && query.end.is_none_or(|end| call.started_at < end)
            && (query.operations.is_empty() || query.operations.contains(&call.operation))
            && (query.project_ids.is_empty() || query.project_ids.contains(&call.project))
            && (query.api_key_ids.is_empty() || query.api_key_ids.contains(&call.api_key))
            && names(&query.user_ids, user.as_ref())
            && names(&query.models, Some(&model))
            && query.batch.is_none_or(|batch| batch == call.batch.is_some())
            && (query.service_tiers.is_empty() || query.service_tiers.contains(&call.service_tier));
        if !asked {
            continue;
        }
        let by = |group| query.group_by.contains(&group);
        let tokens = |count: u64| count.min(1_000_000_000_000);
        let row = UsageRow {
            input: tokens(call.usage.input),
            input_cached: tokens(call.usage.input_cached),
            input_cache_write: tokens(call.usage.input_cache_write),
            input_audio: tokens(call.usage.input_audio),
            input_image: tokens(call.usage.input_image),
            output: tokens(call.usage.output),
            output_reasoning: tokens(call.usage.output_reasoning),
            output_audio: tokens(call.usage.output_audio),
            requests: 1,
            estimated_requests: u64::from(call.usage.estimated),
            cost: call.cost.unwrap_or_default().min(Money::from_nanos(1_000_000_000_000_000)),
            unpriced_requests: u64::from(call.cost.is_none()),
            project_id: by(GroupBy::Project).then(|| call.project.clone()),
            user_id: user.filter(|_| by(GroupBy::User)),
            api_key_id: by(GroupBy::ApiKey).then(|| call.api_key.clone()),
            model: by(GroupBy::Model).then(|| model.clone()),
            batch: by(GroupBy::Batch).then_some(call.batch.is_some()),
            service_tier: by(GroupBy::ServiceTier).then(|| call.service_tier.to_string()),
            line_item: by(GroupBy::LineItem).then(|| format!("{model}, {}", call.operation)),
        };
        let at = call.started_at.as_micros();
        let bucket = at - at % query.bucket.duration().as_micros() as i64;
        match rows.iter_mut().find(|(start, old)| *start == bucket && same_group(old, &row)) {
            Some((_, old)) => *old = sum(old, &row),
            None => rows.push((bucket, row)),
        }
    }
    sorted(rows)
}

fn same_group(one: &UsageRow, other: &UsageRow) -> bool {
    let group = |row: &UsageRow| UsageRow {
        project_id: row.project_id.clone(),
        user_id: row.user_id.clone(),
        api_key_id: row.api_key_id.clone(),
        model: row.model.clone(),
        batch: row.batch,
        service_tier: row.service_tier.clone(),
        line_item: row.line_item.clone(),
        ..UsageRow::default()
    };
    group(one) == group(other)
}

fn sum(one: &UsageRow, other: &UsageRow) -> UsageRow {
    UsageRow {
        input: one.input + other.input,
        input_cached: one.input_cached + other.input_cached,
        input_cache_write: one.input_cache_write + other.input_cache_write,
        input_audio: one.input_audio + other.input_audio,
        input_image: one.input_image + other.input_image,
        output: one.output + other.output,
        output_reasoning: one.output_reasoning + other.output_reasoning,
        output_audio: one.output_audio + other.output_audio,
        requests: one.requests + other.requests,
        estimated_requests: one.estimated_requests + other.estimated_requests,
        cost: one.cost + other.cost,
        unpriced_requests: one.unpriced_requests + other.unpriced_requests,
        ..one.clone()
    }
}

fn sorted(mut rows: Vec<(i64, UsageRow)>) -> Vec<(i64, UsageRow)> {
    rows.sort_by_key(|(at, row)| (*at, format!("{row:?}")));
    rows
}

/// Every page's rows, each with the beginning of its whole bucket.
async fn answer(bench: &Bench, query: &UsageQuery) -> Vec<(i64, UsageRow)> {
    let mut query = query.clone();
    let mut rows = Vec::new();
    loop {
        let page = bench.store.usage(&scope(), &query).await.unwrap();
        for bucket in page.buckets {
            let at = bucket.start.as_micros();
            let at = at - at % query.bucket.duration().as_micros() as i64;
            rows.extend(bucket.results.into_iter().map(|row| (at, row)));
        }
        query.page = page.next_page;
        if query.page.is_none() {
            return sorted(rows);
        }
    }
}

async fn usage_is_a_plain_scan_of_the_ledger(bench: &Bench) {
    let rng = SeededRng::new(7);
    let mut known: BTreeMap<String, CallRecord> = BTreeMap::new();
    for round in 0..12 {
        let mut batch = Vec::new();
        for number in 0..below(&rng, 120) as u32 {
            // Some were written before, some twice in this batch, with other numbers.
            let number = if below(&rng, 4) == 0 { number } else { round * 1_000 + number };
            batch.push(random_call(&rng, number, bench.now()));
            if below(&rng, 10) == 0 {
                batch.push(random_call(&rng, number, bench.now()));
            }
        }
        let before = known.len();
        for call in &batch {
            known.entry(call.id.to_string()).or_insert_with(|| call.clone());
        }
        let inserted = bench.store.call_insert("node", &batch).await.unwrap();
        assert_eq!(inserted.new as usize, known.len() - before);
        for _ in 0..15 {
            let query = random_query(&rng, bench.now());
            assert_eq!(answer(bench, &query).await, scan(&known, &query), "{query:?}");
        }
    }
    let all = Timestamp::from_micros(bench.now().as_micros() - 14 * DAY)..bench.now();
    for organization in ["org-1", "org-2"] {
        let scope = Scope::organization(organization.into());
        assert_eq!(bench.store.usage_check(&scope, all.clone()).await.unwrap(), []);
    }
}

fn at(number: u32, micros: i64) -> CallRecord {
    CallRecord { started_at: Timestamp::from_micros(micros), ..record(number) }
}

async fn a_price_may_change_in_the_middle_of_a_bucket(bench: &Bench) {
    let start = 1_790_000_000 * S - 1_790_000_000 * S % DAY;
    let priced = |number, seconds: i64, nanos| CallRecord {
        cost: Some(Money::from_nanos(nanos)),
        ..at(number, start + seconds * S)
    };
    let calls = [priced(1, 10, 250), priced(2, 1_800, 250), priced(3, 1_801, 999)];
    bench.store.call_insert("", &calls).await.unwrap();
    for bucket in [BucketWidth::Hour, BucketWidth::Day] {
        let query = UsageQuery { bucket, ..UsageQuery::new(vec![], Timestamp::from_micros(start)) };
        let page = bench.store.usage(&scope(), &query).await.unwrap();
        let cost: Vec<_> = page.buckets[0].results.iter().map(|row| row.cost).collect();
        assert_eq!(cost, [Money::from_nanos(1_499)], "each call at its own price");
    }
}

async fn months_end_where_the_calendar_says(bench: &Bench) {
    // 2024-02-28, 2024-02-29 and 2024-03-01 begin here.
    let days = [1_709_078_400 * S, 1_709_164_800 * S, 1_709_251_200 * S];
    let calls: Vec<_> = days
        .iter()
        .flat_map(|day| [*day, *day + DAY - 1])
        .zip(0..)
        .map(|(micros, number)| at(number, micros))
        .collect();
    bench.store.call_insert("", &calls).await.unwrap();
    let february = UsageQuery {
        end: Some(Timestamp::from_micros(days[2])),
        limit: Some(31),
        ..UsageQuery::new(vec![], Timestamp::from_secs(1_706_745_600))
    };
    let page = bench.store.usage(&scope(), &february).await.unwrap();
    assert_eq!(page.buckets.len(), 29);
    assert_eq!(page.next_page, None);
    let requests: Vec<_> =
        page.buckets.iter().flat_map(|b| &b.results).map(|row| row.requests).collect();
    assert_eq!(requests, [2, 2], "the first of March is another month");
    let tokyo = UsageQuery {
        // Midnight between the two months, nine hours earlier.
        start: Timestamp::from_micros(days[2] - 9 * HOUR),
        end: Some(Timestamp::from_micros(days[2] + 15 * HOUR)),
        ..february
    };
    let page = bench.store.usage(&scope(), &tokyo).await.unwrap();
    let requests: u64 = page.buckets.iter().flat_map(|b| &b.results).map(|r| r.requests).sum();
    assert_eq!((page.buckets.len(), requests), (2, 2));
}

async fn ends_between_two_buckets_cut_calls_exactly(bench: &Bench) {
    let now = bench.now().as_micros();
    let start = now - 3 * DAY + 12_345_678;
    let end = now - DAY - 7_777_777;
    let edges = [start - 1, start, start + 1, end - 1, end, end + 1];
    let calls: Vec<_> = edges.iter().zip(0..).map(|(micros, number)| at(number, *micros)).collect();
    bench.store.call_insert("", &calls).await.unwrap();
    for bucket in [BucketWidth::Hour, BucketWidth::Day] {
        for group_by in [vec![], vec![GroupBy::ApiKey], vec![GroupBy::User]] {
            let query = UsageQuery {
                end: Some(Timestamp::from_micros(end)),
                bucket,
                limit: Some(bucket.max_limit().min(100)),
                group_by,
                ..UsageQuery::new(vec![], Timestamp::from_micros(start))
            };
            let requests: u64 = answer(bench, &query).await.iter().map(|(_, r)| r.requests).sum();
            assert_eq!(requests, 3, "{query:?}");
        }
    }
}

async fn nodes_that_write_the_same_rows_at_once_lose_nothing(bench: &Bench) {
    let other = bench.reopen(&bench.vault).await.unwrap();
    let rng = SeededRng::new(3);
    let calls: Vec<_> = (0..600).map(|number| random_call(&rng, number, bench.now())).collect();
    // Each node has half of them, and a third that the other has as well, in another order.
    let shared = &calls[400..];
    let backwards: Vec<_> = shared.iter().rev().cloned().collect();
    let batches = |own: &[CallRecord], shared: &[CallRecord]| {
        let all = [own, shared].concat();
        all.chunks(40).map(<[_]>::to_vec).collect::<Vec<_>>()
    };
    let write = async |node: &store::Store, batches: Vec<Vec<CallRecord>>| {
        let writes = batches.iter().map(|batch| node.call_insert("", batch));
        let done = join_all(writes).await;
        done.into_iter().map(|inserted| inserted.unwrap().new).sum::<u64>()
    };
    let (one, two) = tokio::join!(
        write(&bench.store, batches(&calls[..200], shared)),
        write(&other, batches(&calls[200..400], &backwards)),
    );
    assert_eq!(one + two, 600);
    let known = calls.into_iter().map(|call| (call.id.to_string(), call)).collect();
    let start = Timestamp::from_micros(bench.now().as_micros() - 13 * DAY);
    let query = UsageQuery {
        group_by: vec![GroupBy::User, GroupBy::ApiKey],
        limit: Some(31),
        ..UsageQuery::new(vec![], start)
    };
    assert_eq!(answer(bench, &query).await, scan(&known, &query));
    assert_eq!(bench.store.usage_check(&scope(), start..bench.now()).await.unwrap(), []);
    other.close().await;
}

async fn minutes_that_are_let_go_of_are_still_answered(bench: &Bench) {
    let minute = |days: i64| bench.now().as_micros() - days * DAY;
    let calls = [at(1, minute(20)), at(2, minute(8)), at(3, minute(2))];
    bench.store.call_insert("", &calls).await.unwrap();
    let minutes = "SELECT COUNT(*) FROM usage_by_key_minute";
    assert_eq!(bench.number(minutes).await, 2, "too old ones are not even made");
    let requests = async |start: i64| {
        let query = UsageQuery {
            bucket: BucketWidth::Minute,
            end: Some(Timestamp::from_micros(start + HOUR)),
            ..UsageQuery::new(vec![], Timestamp::from_micros(start))
        };
        answer(bench, &query).await.iter().map(|(_, row)| row.requests).sum::<u64>()
    };
    let all = [minute(20), minute(8), minute(2)];
    for start in all {
        assert_eq!(requests(start).await, 1);
    }
    bench.clock.advance(std::time::Duration::from_secs(2 * 86_400));
    assert_eq!(bench.store.rollup_trim(bench.clock.now()).await.unwrap(), 1);
    assert_eq!(bench.store.rollup_trim(bench.clock.now()).await.unwrap(), 0);
    for start in all {
        assert_eq!(requests(start).await, 1);
    }
    let month = Timestamp::from_micros(minute(31))..bench.now();
    assert_eq!(bench.store.usage_check(&scope(), month).await.unwrap(), []);
}

async fn a_row_changed_by_hand_is_found_and_mended(bench: &Bench) {
    let rng = SeededRng::new(11);
    let calls: Vec<_> = (0..60).map(|number| random_call(&rng, number, bench.now())).collect();
    bench.store.call_insert("", &calls).await.unwrap();
    let day = bench.now().as_micros() - 3 * DAY;
    let day = day - day % DAY;
    let lost = "DELETE FROM usage_by_user_hour WHERE bucket >=";
    let wrong = "UPDATE usage_by_model_day SET cost = cost + 1 WHERE bucket =";
    let foreign = "UPDATE usage_by_key_hour SET cost = cost + 1 WHERE organization_id = 'org-2'";
    bench.execute(&format!("{lost} {day} AND bucket < {}", day + DAY)).await;
    bench.execute(&format!("{wrong} {day}; {foreign}")).await;
    let all = Timestamp::from_micros(day - 20 * DAY)..bench.now();
    let found = bench.store.usage_check(&scope(), all.clone()).await.unwrap();
    let places: Vec<_> = found.iter().map(|f| (f.table, f.day.as_micros())).collect();
    assert_eq!(places, [("usage_by_model_day", day), ("usage_by_user_hour", day)]);
    assert!(found.iter().all(|found| found.rows > 0));

    let only_that_day = Timestamp::from_micros(day + 5)..Timestamp::from_micros(day + 6);
    assert!(bench.store.usage_rebuild(&scope(), only_that_day).await.unwrap() > 0);
    assert_eq!(bench.store.usage_check(&scope(), all.clone()).await.unwrap(), []);
    let theirs = Scope::organization("org-2".into());
    assert!(!bench.store.usage_check(&theirs, all.clone()).await.unwrap().is_empty());
    bench.store.usage_rebuild(&theirs, all.clone()).await.unwrap();
    assert_eq!(bench.store.usage_check(&theirs, all).await.unwrap(), []);

    let of_a_project = Scope { project: Some("proj_1".into()), ..scope() };
    let refused = bench.store.usage_rebuild(&of_a_project, bench.now()..bench.now()).await;
    assert!(matches!(refused, Err(StoreError::OutOfScope { .. })), "{refused:?}");
}

async fn a_record_that_cannot_be_stored_is_named(bench: &Bench) {
    let refuse = match bench.url.starts_with("sqlite") {
        true => {
            "CREATE TRIGGER picky BEFORE INSERT ON call WHEN NEW.model = 'bad'
             BEGIN SELECT RAISE(ABORT, 'no such model'); END"
        }
        false => "ALTER TABLE call ADD CONSTRAINT picky CHECK (model <> 'bad')",
    };
    bench.execute(refuse).await;
    let mut calls: Vec<_> = (0..50).map(record).collect();
    calls[17].model = "bad".into();
    calls[31].model = "bad".into();
    let mut refused = Vec::new();
    let inserted = loop {
        match bench.store.call_insert("", &calls).await {
            Ok(inserted) => break inserted,
            Err(StoreError::Unstorable { id, reason }) => {
                assert!(reason.contains("picky") || reason.contains("no such model"), "{reason}");
                calls.retain(|call| call.id != id);
                refused.push(id);
            }
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(inserted.new, 48);
    refused.sort();
    assert_eq!(refused, [record(17).id, record(31).id]);
    let all = Timestamp::default()..Timestamp::from_secs(2_000_000);
    assert_eq!(bench.store.usage_check(&scope(), all).await.unwrap(), [], "nothing counts twice");
}
