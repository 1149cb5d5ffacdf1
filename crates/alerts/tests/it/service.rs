//! Error budgets that burn, and do no more.

use std::time::Duration;

use alerts::{AlertsConfig, MailConfig, Statement};
use kernel::{Clock, ServiceTier, Timestamp, Zone};
use store::{LatencyObjective, Recipient, ServiceObjective};

use crate::bench::Bench;
use crate::receiver::Receiver;

async fn watched() -> Bench {
    let operators = vec!["ops@kijun.example".to_owned()];
    let config = AlertsConfig { operators, ..AlertsConfig::default() };
    Bench::with(config, MailConfig::default()).await
}

/// So many calls that end now, of which so many fail.
async fn calls(bench: &Bench, first: u32, count: u32, failed: u32) {
    let records: Vec<_> = (0..count)
        .map(|number| {
            let mut record = bench.record(first + number);
            record.status = if number < failed { 502 } else { 200 };
            record
        })
        .collect();
    bench.store.call_insert("", &records).await.unwrap();
}

async fn kinds(bench: &Bench) -> Vec<String> {
    bench.look().await;
    bench.outbox().await.into_iter().map(|notice| notice.notice.kind).collect()
}

#[tokio::test]
async fn an_outage_is_told_once_and_so_is_its_end() {
    let bench = watched().await;
    calls(&bench, 0, 500, 0).await;
    assert!(kinds(&bench).await.is_empty());
    calls(&bench, 1_000, 100, 50).await;
    // Both windows of the two rules that page, and of the one that does not.
    assert_eq!(kinds(&bench).await, ["kijun.service_level.burning"; 3]);
    assert_eq!(kinds(&bench).await.len(), 3, "it is known");
    let said = &bench.outbox().await[0].notice;
    assert_eq!(said.to, Recipient::Email("ops@kijun.example".into()));
    assert!(
        said.body.contains("of default calls") && said.body.contains("50 of 600"),
        "{}",
        said.body
    );

    bench.clock.advance(Duration::from_secs(660));
    calls(&bench, 2_000, 100, 0).await;
    let after = kinds(&bench).await;
    assert_eq!(after.len(), 4, "the short window of one rule is clean");
    assert_eq!(after[3], "kijun.service_level.recovered");
    calls(&bench, 3_000, 100, 50).await;
    assert_eq!(kinds(&bench).await.len(), 5, "told anew");
}

#[tokio::test]
async fn an_end_without_calls_is_an_end() {
    let bench = watched().await;
    calls(&bench, 0, 100, 100).await;
    assert_eq!(kinds(&bench).await.len(), 3);
    bench.clock.advance(Duration::from_secs(4 * 86_400));
    kinds(&bench).await;
    calls(&bench, 1_000, 100, 100).await;
    let burning = kinds(&bench).await;
    let burning = burning.iter().filter(|kind| kind.ends_with(".burning")).count();
    assert_eq!(burning, 6, "nothing of the first is left");
}

#[tokio::test]
async fn few_failures_and_what_is_promised_to_nobody_wake_nobody() {
    let bench = watched().await;
    calls(&bench, 0, 4, 4).await;
    assert!(kinds(&bench).await.is_empty());
    let flex: Vec<_> = (100..200)
        .map(|number| {
            let mut record = bench.record(number);
            (record.status, record.service_tier) = (502, ServiceTier::Flex);
            record
        })
        .collect();
    bench.store.call_insert("", &flex).await.unwrap();
    assert!(kinds(&bench).await.is_empty());
}

#[tokio::test]
async fn slow_answers_burn_the_other_budget() {
    let (bench, receiver) = (watched().await, Receiver::start(&[]).await);
    let (webhook, _) = bench.webhook(&receiver.url).await;
    let latency = LatencyObjective { within: Duration::from_millis(499), ppm: 990_000 };
    let objective = ServiceObjective { availability_ppm: None, latency: Some(latency) };
    let tier = ServiceTier::Default;
    bench.store.service_objective_put(&bench.scope, tier, objective).await.unwrap();
    calls(&bench, 0, 100, 0).await;
    bench.look().await;
    bench.post().await;
    let body: serde_json::Value = serde_json::from_str(&receiver.posts()[0].body).unwrap();
    let data = &body["data"];
    assert_eq!((&data["measure"], &data["service_tier"]), (&"latency".into(), &"default".into()));
    assert_eq!((&data["objective"], &data["long"]["bad"]), (&0.99.into(), &100.into()));
    bench.store.webhook_delete(&bench.scope, &webhook.id).await.unwrap();
}

#[tokio::test]
async fn a_month_has_its_statement() {
    let bench = Bench::new().await;
    calls(&bench, 0, 1_000, 0).await;
    bench.clock.advance(Duration::from_secs(300));
    calls(&bench, 2_000, 10, 10).await;
    bench.clock.advance(Duration::from_secs(300));
    let now = bench.clock.now();
    let read = async |month: Timestamp, zone: &Zone| {
        let tier = ServiceTier::Default;
        Statement::read(&bench.store, &bench.scope, tier, month, zone, now).await.unwrap()
    };
    let said = read(now, &Zone::utc()).await;
    assert_eq!((said.time.start.to_string(), said.time.end), ("2026-03-01T00:00:00Z".into(), now));
    assert_eq!((said.requests, said.availability.broken), (1_010, 10));
    assert_eq!(said.availability.met, Some(false));
    assert_eq!(said.downtime(), Duration::from_secs(300));
    assert_eq!(said.latency, None);
    let (low, high) = said.availability.interval.unwrap();
    assert!(low < 1_000.0 / 1_010.0 && 1_000.0 / 1_010.0 < high);

    let tokyo = read(now, &Zone::named("Asia/Tokyo").unwrap()).await;
    assert_eq!(tokyo.time.start.to_string(), "2026-02-28T15:00:00Z");
    let last = read(Timestamp::from_secs(1_770_000_000), &Zone::utc()).await;
    assert_eq!((last.requests, last.availability.met), (0, None));
    assert_eq!(last.time.end.to_string(), "2026-03-01T00:00:00Z");
}
