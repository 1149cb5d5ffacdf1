//! Shares of budgets.

use std::time::Duration;

use kernel::limit::LimitScope;
use kernel::{Clock, Enforcement, Money, Period, Timestamp, Zone};
use store::{BudgetAlert, BudgetChange, BudgetRow, LeaseHolder, NewBudget, SpendAccount, SpendAsk};

use crate::bench::{Bench, dollars, email};
use crate::log::Log;
use crate::receiver::Receiver;

async fn budget(bench: &Bench, scope: LimitScope, percents: &[u32]) -> BudgetRow {
    let alerts = percents
        .iter()
        .map(|&percent| BudgetAlert { percent, channel: email(&["ann@acme.example"]) })
        .collect();
    let new = NewBudget {
        scope,
        subject: None,
        model: None,
        period: Period::Day,
        zone: Zone::named("Asia/Tokyo").unwrap(),
        amount: dollars(10),
        enforcement: Enforcement::Soft,
        alerts,
    };
    bench.store.budget_create(&bench.scope, new).await.unwrap()
}

#[tokio::test]
async fn every_share_is_told_once_a_period() {
    let bench = Bench::new().await;
    budget(&bench, LimitScope::Organization, &[50, 80]).await;
    let subjects = async || {
        bench.look().await;
        let said = bench.subjects().await;
        said.iter().map(|said| said.split(" of").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    bench.call(1, |call| call.cost = Some(dollars(4))).await;
    assert!(subjects().await.is_empty());
    bench.call(2, |call| call.cost = Some(dollars(1))).await;
    assert_eq!(subjects().await, ["Kijun: 50 %"]);
    bench.call(3, |call| call.cost = Some(dollars(10))).await;
    assert_eq!(subjects().await, ["Kijun: 50 %", "Kijun: 80 %"], "nobody asked for 100 %");
    assert_eq!(subjects().await.len(), 2);
    // In Tokyo it is another day at 15:00 UTC.
    bench.clock.advance(Duration::from_secs(3 * 3_600));
    assert_eq!(subjects().await.len(), 2);
    bench.call(4, |call| call.cost = Some(dollars(5))).await;
    assert_eq!(subjects().await.len(), 3);
}

#[tokio::test]
async fn a_hard_budget_that_refuses_calls_tells_before_it_is_spent() {
    let bench = Bench::new().await;
    let row = budget(&bench, LimitScope::Organization, &[80, 100]).await;
    let hard = BudgetChange { enforcement: Some(Enforcement::Hard), ..BudgetChange::default() };
    bench.store.budget_update(&bench.scope, &row.budget.id, hard).await.unwrap();
    bench.call(1, |call| call.cost = Some(dollars(7))).await;
    bench.look().await;
    assert!(bench.subjects().await.is_empty());
    // A call needs four dollars, and there are three.
    let period = row.budget.period.around(bench.clock.now(), &row.budget.zone);
    let ask = SpendAsk {
        account: SpendAccount {
            budget: row.budget.id.clone(),
            subject: String::new(),
            period_start: period.start,
        },
        owed: Money::ZERO,
        least: dollars(4),
        most: dollars(4),
    };
    let holder = LeaseHolder { name: "a/1".into(), node: "a".into() };
    bench.store.spend_draw(&holder, &[ask]).await.unwrap();
    for _ in 0..2 {
        bench.look().await;
        let said = bench.subjects().await;
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].ends_with("refuses calls: $7.00 is spent"), "{said:?}");
    }
}

#[tokio::test]
async fn each_account_is_told_apart_and_a_new_amount_anew() {
    let bench = Bench::new().await;
    let row = budget(&bench, LimitScope::User, &[50]).await;
    let users = ["ann", "bob", "ann"];
    for (number, user) in (1..).zip(users) {
        bench
            .call(number, |call| {
                (call.cost, call.end_user) = (Some(dollars(5)), Some(user.to_owned()));
            })
            .await;
    }
    bench.look().await;
    let mut said = bench.subjects().await;
    said.sort();
    assert_eq!(said.len(), 2);
    assert!(said[0].ends_with("/ann is spent") && said[1].ends_with("/bob is spent"), "{said:?}");

    let raised = BudgetChange { amount: Some(dollars(20)), ..BudgetChange::default() };
    bench.store.budget_update(&bench.scope, &row.budget.id, raised).await.unwrap();
    bench.look().await;
    assert_eq!(bench.subjects().await.len(), 3, "ann has spent half of that too");
}

#[tokio::test]
async fn programs_are_told_when_all_is_spent() {
    let (bench, receiver) = (Bench::new().await, Receiver::start(&[]).await);
    budget(&bench, LimitScope::Project, &[]).await;
    bench.webhook(&receiver.url).await;
    bench.call(1, |call| call.cost = Some(dollars(10))).await;
    bench.look().await;
    bench.post().await;
    let body: serde_json::Value = serde_json::from_str(&receiver.posts()[0].body).unwrap();
    assert_eq!(body["type"], "kijun.budget.reached");
    let data = &body["data"];
    assert_eq!((&data["percent"], &data["scope"]), (&100.into(), &"project".into()));
    assert_eq!(data["subject"], bench.project.as_str());
    assert_eq!(
        (&data["amount"], &data["time_zone"]),
        (&"10.000000000".into(), &"Asia/Tokyo".into())
    );
    assert!(bench.subjects().await.is_empty());
}

#[tokio::test]
async fn the_last_calls_of_a_day_are_told_after_it_once() {
    let bench = Bench::new().await;
    let row = budget(&bench, LimitScope::Organization, &[50, 100]).await;
    bench.call(1, |call| call.cost = Some(dollars(5))).await;
    bench.look().await;
    assert_eq!(bench.subjects().await.len(), 1);
    // A second before midnight in Tokyo, written down after it.
    let midnight = Timestamp::from_secs(1_773_586_800);
    bench.clock.advance(midnight.since(bench.clock.now()) + Duration::from_secs(5));
    let late = |call: &mut kernel::CallRecord| {
        (call.started_at, call.cost) = (Timestamp::from_secs(1_773_586_799), Some(dollars(5)));
    };
    bench.call(2, late).await;
    for _ in 0..2 {
        bench.look().await;
        let subjects = bench.subjects().await;
        assert_eq!(subjects.len(), 2, "{subjects:?}");
        assert!(subjects[1].starts_with("Kijun: 100 %") && subjects[1].ends_with("was spent"));
    }
    let body = bench.outbox().await.remove(1).notice.body;
    assert!(body.contains("from 2026-03-14T15:00:00Z to 2026-03-15T15:00:00Z"), "{body}");
    assert!(body.contains("That period is over"), "{body}");

    // The day was not spent by an amount that came after it.
    let lowered = BudgetChange { amount: Some(dollars(2)), ..BudgetChange::default() };
    bench.store.budget_update(&bench.scope, &row.budget.id, lowered).await.unwrap();
    bench.look().await;
    assert_eq!(bench.subjects().await.len(), 2);
}

#[tokio::test]
async fn a_day_that_ended_long_ago_is_not_told() {
    let bench = Bench::new().await;
    budget(&bench, LimitScope::Organization, &[50]).await;
    let then = bench.clock.now();
    bench.clock.advance(Duration::from_secs(2 * 86_400));
    let late = |call: &mut kernel::CallRecord| {
        (call.started_at, call.cost) = (then, Some(dollars(5)));
    };
    bench.call(1, late).await;
    bench.look().await;
    assert!(bench.subjects().await.is_empty());
}

#[tokio::test]
async fn the_log_names_no_end_user() {
    let bench = Bench::new().await;
    let row = budget(&bench, LimitScope::User, &[50]).await;
    bench
        .call(1, |call| {
            (call.cost, call.end_user) = (Some(dollars(5)), Some("dora-canary".to_owned()));
        })
        .await;
    let log = Log::listen();
    bench.look().await;
    assert!(bench.subjects().await[0].contains("dora-canary"), "those who asked are told");
    let said = log.said();
    assert!(!said.contains("canary"), "{said}");
    for part in ["WARN", row.budget.id.as_str(), "50 %", bench.organization().as_str()] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
