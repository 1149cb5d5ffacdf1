//! Spend alerts: once a month each, over all nodes.

use std::time::Duration;

use alerts::{AlertsConfig, MailConfig};
use kernel::{Clock, Scope, Timestamp};
use serde_json::Value;

use crate::bench::{Bench, dollars, email};
use crate::receiver::Receiver;

#[tokio::test]
async fn a_threshold_is_told_once_a_month() {
    let bench = Bench::new().await;
    let channel = email(&["ann@acme.example"]);
    bench.store.spend_alert_create(&bench.scope, dollars(10), channel).await.unwrap();
    bench.call(1, |call| call.cost = Some(dollars(9))).await;
    bench.look().await;
    assert!(bench.subjects().await.is_empty());
    bench.call(2, |call| call.cost = Some(dollars(1))).await;
    bench.look().await;
    let organization = bench.organization();
    let expected = format!("Kijun: Organisation {organization} has spent $10.00 this month");
    assert_eq!(bench.subjects().await, [expected]);
    bench.call(3, |call| call.cost = Some(dollars(100))).await;
    bench.look().await;
    assert_eq!(bench.subjects().await.len(), 1);

    // 2026-04-01, with nothing spent yet.
    bench.clock.advance(Duration::from_secs(17 * 86_400));
    bench.look().await;
    assert_eq!(bench.subjects().await.len(), 1);
    bench.call(4, |call| call.cost = Some(dollars(11))).await;
    bench.look().await;
    assert_eq!(bench.subjects().await.len(), 2);
}

#[tokio::test]
async fn the_last_calls_of_a_month_count_to_it() {
    let bench = Bench::new().await;
    let channel = email(&["ann@acme.example"]);
    bench.store.spend_alert_create(&bench.scope, dollars(10), channel).await.unwrap();
    // A second before midnight of 2026-04-01, written down after it.
    let midnight = Timestamp::from_secs(1_775_001_600);
    bench.clock.advance(midnight.since(bench.clock.now()) + Duration::from_secs(5));
    let late = Timestamp::from_secs(1_775_001_599);
    let call = |cost| {
        move |call: &mut kernel::CallRecord| {
            (call.started_at, call.cost) = (late, Some(dollars(cost)));
        }
    };
    bench.call(1, call(10)).await;
    bench.look().await;
    let outbox = bench.outbox().await;
    assert_eq!(outbox.len(), 1);
    assert!(outbox[0].notice.body.contains("from 2026-03-01T00:00:00Z to 2026-04-01T00:00:00Z"));
}

#[tokio::test]
async fn a_project_is_its_own() {
    let bench = Bench::new().await;
    let project = Scope { project: Some(bench.project.clone()), ..bench.scope.clone() };
    let other = bench.store.project_create(&bench.scope, "Other").await.unwrap().id;
    let channel = || email(&["ann@acme.example"]);
    bench.store.spend_alert_create(&project, dollars(10), channel()).await.unwrap();
    bench.store.spend_alert_create(&bench.scope, dollars(30), channel()).await.unwrap();
    bench.call(1, |call| (call.cost, call.project) = (Some(dollars(20)), other)).await;
    bench.look().await;
    assert!(bench.subjects().await.is_empty());
    bench.call(2, |call| call.cost = Some(dollars(10))).await;
    bench.look().await;
    let mut subjects = bench.subjects().await;
    subjects.sort();
    assert!(subjects[0].contains("Organisation") && subjects[0].contains("$30.00"));
    assert!(subjects[1].contains("Project") && subjects[1].contains("$10.00"));
}

#[tokio::test]
async fn nobody_is_told_of_nothing() {
    let bench = Bench::new().await;
    let channel = email(&["ann@acme.example"]);
    bench.store.spend_alert_create(&bench.scope, dollars(0), channel).await.unwrap();
    bench.call(1, |call| call.cost = None).await;
    bench.look().await;
    assert!(bench.subjects().await.is_empty());
}

#[tokio::test]
async fn programs_are_told_the_numbers() {
    let (bench, receiver) = (Bench::new().await, Receiver::start(&[]).await);
    bench.webhook(&receiver.url).await;
    let channel = email(&["ann@acme.example"]);
    let alert = bench.store.spend_alert_create(&bench.scope, dollars(1), channel).await.unwrap();
    bench.call(1, |call| call.cost = Some(kernel::Money::from_nanos(1_500_000_001))).await;
    bench.look().await;
    bench.post().await;
    let posts = receiver.posts();
    let body: Value = serde_json::from_str(&posts[0].body).unwrap();
    assert_eq!(body["type"], "kijun.spend_alert.triggered");
    let data = &body["data"];
    assert_eq!(data["alert_id"], alert.id.as_str());
    assert_eq!(
        (&data["threshold"], &data["spent"]),
        (&"1.000000000".into(), &"1.500000001".into())
    );
    assert_eq!(data["period_start"], 1_772_323_200);
    assert!(!posts[0].body.contains("acme.example"), "whom mail goes to is nobody else's business");
}

#[tokio::test]
async fn one_node_looks_at_a_time_and_nobody_for_ever() {
    let bench = Bench::new().await;
    let other = bench.another(AlertsConfig::default(), MailConfig::default());
    assert!(bench.alerts.look().await.unwrap());
    assert!(!other.look().await.unwrap(), "it was just looked");
    bench.clock.advance(Duration::from_secs(58));
    assert!(other.look().await.unwrap());
    assert!(!bench.alerts.look().await.unwrap());
    // A node whose clock was a year ahead has looked last.
    let ahead = bench.clock.now().plus(Duration::from_secs(365 * 86_400));
    bench.store.setting_put("alerts.looked_at", &ahead.as_micros().to_string()).await.unwrap();
    assert!(bench.alerts.look().await.unwrap());
}
