//! Shares of budgets.

use std::time::Duration;

use kernel::limit::LimitScope;
use kernel::{Enforcement, Period, Zone};
use store::{BudgetAlert, BudgetChange, BudgetRow, NewBudget};

use crate::bench::{Bench, dollars, email};
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
