//! Budgets: what is written down about them, and what records spend of them.

use std::time::Duration;

use kernel::limit::LimitScope;
use kernel::{CallRecord, Enforcement, Money, OrganizationId, Period, Scope, Timestamp, Zone};
use store::{
    BudgetAlert, BudgetChange, BudgetRow, NewBudget, NotificationChannel, Store, StoreError,
};

use crate::bench::{Bench, conflict, invalid, not_found, store_suite};
use crate::ledger::record;

store_suite!(
    budgets_are_made_changed_and_deleted,
    there_is_one_budget_of_a_kind,
    who_is_told_is_sealed,
    records_count_to_their_budgets_once,
    late_records_count_to_their_own_period,
    a_new_budget_knows_what_its_period_has_spent,
    a_budget_made_beside_records_misses_none,
);

pub(crate) const CENT: i64 = 10_000_000;

pub(crate) fn new(scope: LimitScope, subject: Option<&str>, amount: i64) -> NewBudget {
    NewBudget {
        scope,
        subject: subject.map(Into::into),
        model: None,
        period: Period::Day,
        zone: Zone::utc(),
        amount: Money::from_nanos(amount),
        enforcement: Enforcement::Hard,
        alerts: Vec::new(),
    }
}

/// A call of an organisation.
pub(crate) fn call(
    organization: &OrganizationId,
    number: u32,
    at: Timestamp,
    cost: i64,
) -> CallRecord {
    CallRecord {
        organization: organization.clone(),
        started_at: at,
        cost: Some(Money::from_nanos(cost)),
        ..record(number)
    }
}

/// What is spent, by the budget's place among these and the account's name.
async fn spent(store: &Store, scope: &Scope, of: &[&BudgetRow]) -> Vec<(usize, String, i64)> {
    let ids: Vec<_> = of.iter().map(|row| row.budget.id.clone()).collect();
    let standings = store.budget_standing(scope, &ids).await.unwrap();
    let place = |id: &kernel::BudgetId| ids.iter().position(|known| known == id).unwrap();
    let mut all: Vec<_> = standings
        .into_iter()
        .map(|s| (place(&s.account.budget), s.account.subject, s.spent.as_nanos()))
        .collect();
    all.sort();
    all
}

async fn budgets_are_made_changed_and_deleted(bench: &Bench) {
    let store = &bench.store;
    let (acme, other) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    let before = store.generation().await.unwrap();
    let mut wanted = new(LimitScope::Project, Some(acme.project.id.as_str()), 5 * CENT);
    wanted.zone = Zone::named("Asia/Tokyo").unwrap();
    wanted.period = Period::Month;
    let made = store.budget_create(&acme.scope, wanted).await.unwrap();
    assert_eq!(store.generation().await.unwrap(), before + 1, "running nodes hear of it");
    assert_eq!(made.budget.zone.name(), "Asia/Tokyo");
    assert_eq!(store.budget_list(&acme.scope).await.unwrap(), std::slice::from_ref(&made));
    assert_eq!(store.budget_list_all().await.unwrap(), std::slice::from_ref(&made));
    assert!(store.budget_list(&other.scope).await.unwrap().is_empty());

    bench.clock.advance(Duration::from_secs(5));
    let to = BudgetChange {
        amount: Some(Money::from_nanos(7 * CENT)),
        enforcement: Some(Enforcement::Soft),
        alerts: None,
    };
    let id = &made.budget.id;
    not_found(store.budget_update(&other.scope, id, to.clone()).await);
    let changed = store.budget_update(&acme.scope, id, to).await.unwrap();
    assert_eq!(changed.budget.amount, Money::from_nanos(7 * CENT));
    assert_eq!(changed.budget.enforcement, Enforcement::Soft);
    assert_eq!(changed.updated_at, bench.now());
    assert_eq!(store.budget_get(&acme.scope, id).await.unwrap(), changed);

    let out_of_scope = store.budget_list(&acme.project_scope()).await;
    assert!(matches!(out_of_scope, Err(StoreError::OutOfScope { .. })));
    let too_much = BudgetChange { amount: Some(Money::from_nanos(i64::MAX)), ..Default::default() };
    invalid(store.budget_update(&acme.scope, id, too_much).await);
    not_found(store.budget_delete(&other.scope, id).await);
    store.budget_delete(&acme.scope, id).await.unwrap();
    not_found(store.budget_get(&acme.scope, id).await);
    not_found(store.budget_delete(&acme.scope, id).await);
}

async fn there_is_one_budget_of_a_kind(bench: &Bench) {
    let (acme, other) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    let store = &bench.store;
    let hard = new(LimitScope::Key, None, CENT);
    let made = store.budget_create(&acme.scope, hard.clone()).await.unwrap();
    conflict(store.budget_create(&acme.scope, hard.clone()).await);
    for another in [
        NewBudget { enforcement: Enforcement::Soft, ..hard.clone() },
        NewBudget { period: Period::Month, ..hard.clone() },
        NewBudget { subject: Some("key_1".into()), ..hard.clone() },
        NewBudget { model: Some("gpt-4o".into()), ..hard.clone() },
    ] {
        store.budget_create(&acme.scope, another).await.unwrap();
    }
    store.budget_create(&other.scope, hard.clone()).await.unwrap();
    let soft = BudgetChange { enforcement: Some(Enforcement::Soft), ..Default::default() };
    conflict(store.budget_update(&acme.scope, &made.budget.id, soft).await);
    store.budget_delete(&acme.scope, &made.budget.id).await.unwrap();
    store.budget_create(&acme.scope, hard).await.unwrap();
}

async fn who_is_told_is_sealed(bench: &Bench) {
    let acme = bench.tenant("Acme").await;
    let alert = |percent, address: &str| BudgetAlert {
        percent,
        channel: NotificationChannel::Email {
            recipients: vec![address.into()],
            subject_prefix: None,
        },
    };
    let told = |alerts| NewBudget { alerts, ..new(LimitScope::Organization, None, CENT) };
    for wrong in [alert(0, "a@b.example"), alert(1_001, "a@b.example"), alert(80, "nobody")] {
        invalid(bench.store.budget_create(&acme.scope, told(vec![wrong])).await);
    }
    let alerts = vec![alert(80, "ops@acme.example"), alert(100, "boss@acme.example")];
    let made = bench.store.budget_create(&acme.scope, told(alerts.clone())).await.unwrap();
    let found = bench.store.budget_get(&acme.scope, &made.budget.id).await.unwrap();
    assert_eq!(found.alerts, alerts);
    let stored = bench.bytes("SELECT alerts FROM budget").await;
    assert!(!stored.windows(4).any(|bytes| bytes == b"acme"));
}

async fn records_count_to_their_budgets_once(bench: &Bench) {
    let store = &bench.store;
    let (acme, other) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    let mut rows = Vec::new();
    for wanted in [
        new(LimitScope::Organization, None, CENT),
        new(LimitScope::Project, None, CENT),
        new(LimitScope::Key, Some("key_1"), CENT),
        new(LimitScope::User, None, CENT),
        new(LimitScope::Model, Some("gpt-4o"), CENT),
        NewBudget { model: Some("gpt-4o".into()), ..new(LimitScope::Key, None, CENT) },
        NewBudget { enforcement: Enforcement::Soft, ..new(LimitScope::Organization, None, CENT) },
    ] {
        rows.push(store.budget_create(&acme.scope, wanted).await.unwrap());
    }
    let (ours, now) = (&acme.organization.id, bench.now());
    let records = [
        call(ours, 1, now, 100),
        CallRecord { project: "proj_2".into(), ..call(ours, 2, now, 20) },
        CallRecord { api_key: "key_2".into(), end_user: None, ..call(ours, 3, now, 3) },
        CallRecord { model: "gpt-5".into(), ..call(ours, 4, now, 4_000) },
        CallRecord { cost: None, ..call(ours, 5, now, 0) },
        CallRecord { cost: Some(Money::ZERO), ..call(ours, 6, now, 0) },
        call(&other.organization.id, 7, now, 500),
    ];
    let inserted = store.call_insert("", &records).await.unwrap();
    assert!(inserted.spent.iter().all(|spent| spent.released == Money::ZERO));
    let again = store.call_insert("", &records).await.unwrap();
    assert!(again.spent.is_empty(), "what is known spends nothing");
    let all: Vec<&BudgetRow> = rows.iter().collect();
    let entry = |place, subject: &str, spent| (place, subject.to_owned(), spent);
    let expected = [
        entry(0, "", 4_123),
        entry(1, "proj_1", 4_103),
        entry(1, "proj_2", 20),
        entry(2, "", 4_120),
        entry(3, "proj_1/user-1", 4_100),
        entry(3, "proj_2/user-1", 20),
        entry(4, "", 123),
        entry(5, "key_1", 120),
        entry(5, "key_2", 3),
        entry(6, "", 4_123),
    ];
    assert_eq!(spent(store, &acme.scope, &all).await, expected);
    let told: i64 = inserted.spent.iter().map(|spent| spent.cost.as_nanos()).sum();
    assert_eq!(told, expected.iter().map(|(.., spent)| spent).sum::<i64>());
}

async fn late_records_count_to_their_own_period(bench: &Bench) {
    let store = &bench.store;
    let acme = bench.tenant("Acme").await;
    let tokyo = Zone::named("Asia/Tokyo").unwrap();
    let monthly = NewBudget {
        period: Period::Month,
        zone: tokyo.clone(),
        ..new(LimitScope::Organization, None, CENT)
    };
    let row = store.budget_create(&acme.scope, monthly).await.unwrap();
    let this = Period::Month.around(bench.now(), &tokyo);
    let last = Period::Month.around(Timestamp::from_micros(this.start.as_micros() - 1), &tokyo);
    let ours = &acme.organization.id;
    let just_before = Timestamp::from_micros(this.start.as_micros() - 1);
    let records = [call(ours, 1, this.start, 7), call(ours, 2, just_before, 50)];
    let inserted = store.call_insert("", &records).await.unwrap();
    let starts: Vec<_> = inserted.spent.iter().map(|spent| spent.account.period_start).collect();
    assert_eq!(starts, [last.start, this.start]);
    assert_eq!(spent(store, &acme.scope, &[&row]).await, [(0, String::new(), 7)]);
    let ids = std::slice::from_ref(&row.budget.id);
    let ended = store.budget_standing_at(&acme.scope, ids, just_before).await.unwrap();
    assert_eq!(ended.len(), 1);
    assert_eq!((ended[0].spent, &ended[0].period), (Money::from_nanos(50), &last));
    // A month later, the same is counted anew.
    bench.clock.advance(Duration::from_secs(31 * 86_400));
    assert!(spent(store, &acme.scope, &[&row]).await.is_empty());
    store.budget_delete(&acme.scope, &row.budget.id).await.unwrap();
    assert_eq!(bench.number("SELECT COUNT(*) FROM spend").await, 0);
}

/// Every kind of budget, made once before the records and once after them, stands the same.
async fn a_new_budget_knows_what_its_period_has_spent(bench: &Bench) {
    let store = &bench.store;
    for (zone, first_number) in [("UTC", 0), ("Asia/Kathmandu", 10_000)] {
        let acme = bench.tenant(zone).await;
        let ours = &acme.organization.id;
        let kinds = every_kind(zone);
        let make = async || {
            let mut made = Vec::new();
            for kind in &kinds {
                made.push(store.budget_create(&acme.scope, kind.clone()).await.unwrap());
            }
            made
        };
        let early = make().await;
        let (mut records, mut number) = (Vec::new(), first_number);
        for minutes in (-60 * 24 * 35..60 * 24 * 2).step_by(347) {
            number += 1;
            let at = Timestamp::from_micros(bench.now().as_micros() + minutes * 60_000_000);
            records.push(CallRecord {
                project: format!("proj_{}", number % 3).into(),
                api_key: format!("key_{}", number % 4).into(),
                end_user: (number % 5 > 0).then(|| format!("user-{}", number % 5)),
                service_account: None,
                model: format!("gpt-{}", number % 2),
                ..call(ours, number, at, i64::from(number))
            });
        }
        store.call_insert("", &records).await.unwrap();
        let along = spent(store, &acme.scope, &early.iter().collect::<Vec<_>>()).await;
        assert!(along.len() > 40, "{}", along.len());
        for row in &early {
            store.budget_delete(&acme.scope, &row.budget.id).await.unwrap();
        }
        let late = make().await;
        let after = spent(store, &acme.scope, &late.iter().collect::<Vec<_>>()).await;
        assert_eq!(along, after, "{zone}");
    }
}

fn every_kind(zone: &str) -> Vec<NewBudget> {
    let mut kinds = Vec::new();
    for (scope, subject) in [
        (LimitScope::Organization, None),
        (LimitScope::Project, Some("proj_1")),
        (LimitScope::Key, Some("key_1")),
        (LimitScope::User, Some("user-1")),
        (LimitScope::Model, Some("gpt-1")),
    ] {
        for period in [Period::Day, Period::Month] {
            for (subject, model) in [(None, None), (subject, Some("gpt-1")), (None, Some("gpt-0"))]
            {
                let zone = Zone::named(zone).unwrap();
                let model = model.map(Into::into);
                kinds.push(NewBudget { period, zone, model, ..new(scope, subject, CENT) });
            }
        }
    }
    kinds
}

async fn a_budget_made_beside_records_misses_none(bench: &Bench) {
    let acme = bench.tenant("Acme").await;
    let node = bench.reopen(&bench.vault).await.unwrap();
    let ours = &acme.organization.id;
    let spend = async {
        for batch in 0..20 {
            let numbers = batch * 10..batch * 10 + 10;
            let records: Vec<_> = numbers.map(|n| call(ours, n, bench.now(), 1)).collect();
            node.call_insert("", &records).await.unwrap();
        }
    };
    let make = async {
        tokio::task::yield_now().await;
        bench.store.budget_create(&acme.scope, new(LimitScope::Organization, None, CENT)).await
    };
    let ((), row) = tokio::join!(spend, make);
    let row = row.unwrap();
    assert_eq!(spent(&bench.store, &acme.scope, &[&row]).await, [(0, String::new(), 200)]);
    node.close().await;
}
