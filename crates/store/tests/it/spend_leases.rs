//! Leases: what is spent and leased is together never more than the budget.

use std::time::Duration;

use futures_util::future::join_all;
use kernel::limit::LimitScope;
use kernel::{BudgetId, Money, Period, Zone};
use store::{BudgetChange, LEASE_LASTS, LeaseHolder, SpendAccount, SpendAsk, SpendStanding, Store};

use crate::bench::{Bench, Tenant, store_suite};
use crate::budgets::{call, new};

store_suite!(
    a_lease_is_a_share_or_what_is_needed,
    what_is_spent_comes_off_the_lease,
    what_is_given_back_is_there_for_others,
    a_dead_holders_lease_ends,
    an_earlier_process_gives_back_what_it_had,
    budgets_that_change_or_go_are_seen,
    nodes_that_draw_at_once_get_no_more_than_there_is,
);

fn holder(node: &str) -> LeaseHolder {
    LeaseHolder { name: format!("{node}/1"), node: node.into() }
}

fn account(bench: &Bench, budget: &BudgetId) -> SpendAccount {
    let period_start = Period::Day.around(bench.now(), &Zone::utc()).start;
    SpendAccount { budget: budget.clone(), subject: String::new(), period_start }
}

fn ask(account: &SpendAccount, owed: i64, least: i64, most: i64) -> SpendAsk {
    let money = Money::from_nanos;
    SpendAsk { account: account.clone(), owed: money(owed), least: money(least), most: money(most) }
}

async fn budget(bench: &Bench, tenant: &Tenant, amount: i64) -> SpendAccount {
    let new = new(LimitScope::Organization, None, amount);
    let row = bench.store.budget_create(&tenant.scope, new).await.unwrap();
    account(bench, &row.budget.id)
}

async fn draw(
    store: &Store,
    node: &str,
    account: &SpendAccount,
    least: i64,
) -> (i64, SpendStanding) {
    let mut drawn =
        store.spend_draw(&holder(node), &[ask(account, 0, least, least)]).await.unwrap();
    let (granted, standing) = drawn.grants.pop().unwrap();
    (granted.as_nanos(), standing)
}

async fn a_lease_is_a_share_or_what_is_needed(bench: &Bench) {
    let acme = bench.tenant("Acme").await;
    let account = budget(bench, &acme, 800).await;
    let store = &bench.store;
    let (granted, standing) = draw(store, "a", &account, 1).await;
    assert_eq!(granted, 200);
    let expected = SpendStanding {
        account: account.clone(),
        amount: Money::from_nanos(800),
        spent: Money::ZERO,
        leased: Money::from_nanos(200),
        left: Money::from_nanos(600),
    };
    assert_eq!(standing, expected);
    // With two nodes, half as much of what is left; then all of what is needed, or nothing.
    assert_eq!(draw(store, "b", &account, 1).await.0, 75);
    assert_eq!(draw(store, "b", &account, 450).await.0, 450);
    assert_eq!(draw(store, "a", &account, 76).await.0, 0);
    assert_eq!(draw(store, "a", &account, 75).await.0, 75);
    let renewed = store.spend_renew(&holder("b")).await.unwrap();
    assert_eq!(renewed.nodes, 2);
    assert_eq!(renewed.standings[0].leased, Money::from_nanos(525));
    assert_eq!(renewed.standings[0].left, Money::ZERO);
    let standing = store.budget_standing(&acme.scope, &[account.budget]).await.unwrap();
    assert_eq!(standing[0].leased, Money::from_nanos(800));
}

async fn what_is_spent_comes_off_the_lease(bench: &Bench) {
    let acme = bench.tenant("Acme").await;
    let account = budget(bench, &acme, 800).await;
    let (store, ours) = (&bench.store, &acme.organization.id);
    assert_eq!(draw(store, "a", &account, 1).await.0, 200);
    let insert = async |name: &str, number, cost| {
        let records = [call(ours, number, bench.now(), cost)];
        let spent = store.call_insert(name, &records).await.unwrap().spent;
        (spent[0].cost.as_nanos(), spent[0].released.as_nanos())
    };
    assert_eq!(insert("a/1", 1, 30).await, (30, 30));
    assert_eq!(insert("", 2, 10).await, (10, 0));
    assert_eq!(insert("b/1", 3, 10).await, (10, 0));
    assert_eq!(insert("a/1", 4, 190).await, (190, 170));
    let renewed = store.spend_renew(&holder("a")).await.unwrap();
    let standing = &renewed.standings[0];
    assert_eq!((standing.spent.as_nanos(), standing.leased.as_nanos()), (240, 0));
    assert_eq!(standing.left.as_nanos(), 560);
    // What is owed comes first, even if there is too little for the rest.
    let asks = [ask(&account, 500, 100, 100)];
    let drawn = store.spend_draw(&holder("a"), &asks).await.unwrap();
    assert_eq!(drawn.grants[0].0.as_nanos(), 500);
    let ids = [account.budget.clone()];
    let standing = async || store.budget_standing(&acme.scope, &ids).await.unwrap().remove(0);
    let refused = standing().await;
    assert_eq!((refused.refused, refused.refuses()), (Some(Money::from_nanos(100)), true));
    store.spend_give_back(&holder("a"), &[(account, Money::from_nanos(100))]).await.unwrap();
    assert!(!standing().await.refuses(), "there is enough again");
}

async fn what_is_given_back_is_there_for_others(bench: &Bench) {
    let acme = bench.tenant("Acme").await;
    let account = budget(bench, &acme, 100).await;
    let store = &bench.store;
    assert_eq!(draw(store, "a", &account, 100).await.0, 100);
    assert_eq!(draw(store, "b", &account, 1).await.0, 0);
    let part = [(account.clone(), Money::from_nanos(40))];
    store.spend_give_back(&holder("a"), &part).await.unwrap();
    store.spend_give_back(&holder("c"), &part).await.unwrap();
    assert_eq!(draw(store, "b", &account, 41).await.0, 0);
    assert_eq!(draw(store, "b", &account, 40).await.0, 40);
    // More than there is gives back what there is.
    let all = [(account.clone(), Money::from_nanos(1_000))];
    store.spend_give_back(&holder("a"), &all).await.unwrap();
    assert_eq!(draw(store, "b", &account, 60).await.0, 60);
    store.spend_leave(&holder("b")).await.unwrap();
    assert_eq!(bench.number("SELECT COUNT(*) FROM spend_lease").await, 0);
    assert_eq!(draw(store, "a", &account, 100).await.0, 100);
}

async fn a_dead_holders_lease_ends(bench: &Bench) {
    let acme = bench.tenant("Acme").await;
    let account = budget(bench, &acme, 100).await;
    let store = &bench.store;
    assert_eq!(draw(store, "a", &account, 100).await.0, 100);
    bench.clock.advance(LEASE_LASTS - Duration::from_secs(1));
    assert_eq!(draw(store, "b", &account, 100).await.0, 0);
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(draw(store, "b", &account, 100).await.0, 100);
    // One that comes back hears that nothing is left, and what it had is not lost for it.
    let renewed = store.spend_renew(&holder("a")).await.unwrap();
    assert_eq!(renewed.standings[0].leased.as_nanos(), 100);
    assert_eq!(renewed.standings[0].left.as_nanos(), -100);
    bench.clock.advance(Duration::from_secs(86_401));
    store.spend_trim().await.unwrap();
    assert_eq!(bench.number("SELECT COUNT(*) FROM spend_holder").await, 0);
    assert_eq!(bench.number("SELECT COUNT(*) FROM spend_lease").await, 0);
    assert_eq!(bench.number("SELECT COUNT(*) FROM spend").await, 1);
    bench.clock.advance(Duration::from_secs(400 * 86_400));
    store.spend_trim().await.unwrap();
    assert_eq!(bench.number("SELECT COUNT(*) FROM spend").await, 0);
}

async fn an_earlier_process_gives_back_what_it_had(bench: &Bench) {
    let acme = bench.tenant("Acme").await;
    let account = budget(bench, &acme, 300).await;
    let store = &bench.store;
    let next = LeaseHolder { name: "a/2".into(), node: "a".into() };
    assert_eq!(draw(store, "a", &account, 100).await.0, 100);
    assert_eq!(draw(store, "b", &account, 100).await.0, 100);
    let own = ask(&account, 0, 100, 100);
    let drawn = store.spend_draw(&next, std::slice::from_ref(&own)).await.unwrap();
    assert_eq!((drawn.grants[0].0.as_nanos(), drawn.nodes), (100, 2));
    assert_eq!(store.spend_heard_of("a").await.unwrap(), Some(bench.now()));
    assert_eq!(store.spend_heard_of("c").await.unwrap(), None);
    store.spend_reset(&next).await.unwrap();
    let drawn = store.spend_draw(&next, &[own]).await.unwrap();
    assert_eq!((drawn.grants[0].0.as_nanos(), drawn.nodes), (100, 2));
    assert_eq!(draw(store, "b", &account, 1).await.0, 0);
}

async fn budgets_that_change_or_go_are_seen(bench: &Bench) {
    let acme = bench.tenant("Acme").await;
    let account = budget(bench, &acme, 100).await;
    let (store, scope) = (&bench.store, &acme.scope);
    assert_eq!(draw(store, "a", &account, 60).await.0, 60);
    let to =
        |amount| BudgetChange { amount: Some(Money::from_nanos(amount)), ..Default::default() };
    store.budget_update(scope, &account.budget, to(50)).await.unwrap();
    let (granted, standing) = draw(store, "b", &account, 1).await;
    assert_eq!((granted, standing.left.as_nanos()), (0, -10));
    store.budget_update(scope, &account.budget, to(200)).await.unwrap();
    assert_eq!(draw(store, "b", &account, 140).await.0, 140);
    store.budget_delete(scope, &account.budget).await.unwrap();
    let gone = [ask(&account, 0, 1, 1)];
    assert!(store.spend_draw(&holder("a"), &gone).await.unwrap().grants.is_empty());
    let part = [(account.clone(), Money::from_nanos(10))];
    store.spend_give_back(&holder("a"), &part).await.unwrap();
    for table in ["spend", "spend_lease"] {
        assert_eq!(bench.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
    }
    assert!(store.spend_renew(&holder("a")).await.unwrap().standings.is_empty());
}

async fn nodes_that_draw_at_once_get_no_more_than_there_is(bench: &Bench) {
    let acme = bench.tenant("Acme").await;
    let one = budget(bench, &acme, 1_000).await;
    let each = new(LimitScope::Project, None, 500);
    let two = bench.store.budget_create(&acme.scope, each).await.unwrap();
    let two = SpendAccount { subject: "proj_1".into(), ..account(bench, &two.budget.id) };
    let nodes = [
        bench.reopen(&bench.vault).await.unwrap(),
        bench.reopen(&bench.vault).await.unwrap(),
        bench.reopen(&bench.vault).await.unwrap(),
    ];
    let ours = &acme.organization.id;
    let work = nodes.iter().enumerate().map(async |(place, store)| {
        let node = format!("node{place}");
        let mut spent = 0;
        for turn in 0..12u32 {
            let asks = [ask(&one, 0, 37, 37), ask(&two, 0, 23, 23)];
            // In either order: rows are locked in that of their keys.
            let asks = if turn % 2 == 0 { asks } else { [asks[1].clone(), asks[0].clone()] };
            let drawn = store.spend_draw(&holder(&node), &asks).await.unwrap();
            let lease = drawn.grants.iter().find(|(_, s)| s.account == two).unwrap();
            let cost = lease.1.leased.as_nanos().min(9);
            let number = u32::try_from(place).unwrap() * 100 + turn;
            let records = [call(ours, number, bench.now(), cost)];
            store.call_insert(&format!("{node}/1"), &records).await.unwrap();
            spent += cost;
        }
        spent
    });
    let spent: i64 = join_all(work).await.into_iter().sum();
    let ids = [one.budget.clone(), two.budget.clone()];
    let standings = bench.store.budget_standing(&acme.scope, &ids).await.unwrap();
    assert_eq!(standings.len(), 2);
    for standing in standings {
        assert_eq!(standing.spent.as_nanos(), spent);
        let all = standing.spent + standing.leased;
        assert!(all <= standing.amount, "{standing:?}");
        assert!(all.as_nanos() > standing.amount.as_nanos() - 37, "{standing:?}");
    }
    for node in nodes {
        node.close().await;
    }
}
