//! One thing at a time.

use super::*;

#[tokio::test]
async fn without_budgets_nobody_is_held_and_nothing_is_kept() {
    let world = World::new().await;
    let node = world.node("a");
    let caller = Caller::new();
    let mut free = caller.reserve(&node, &world, &Budgets::default(), i64::MAX).await.unwrap();
    free.settle(Some(Money::from_nanos(5)));
    assert_eq!(node.spending.with(|accounts| accounts.len()), 0);
}

#[tokio::test]
async fn a_call_reserves_settles_and_is_let_go_when_it_is_carried() {
    let world = World::new().await;
    let node = world.node("a");
    let caller = Caller::new();
    let budget = world.budget(LimitScope::Project, 1_000).await;
    let budgets = Budgets::new([budget.clone()]);
    let mut first = caller.reserve(&node, &world, &budgets, 30).await.unwrap();
    assert_eq!(held(&node), 600, "of a model that is not known, twenty times as much");
    first.settle(Some(Money::from_nanos(25)));
    assert_eq!(held(&node), 25);
    let second = caller.reserve(&node, &world, &budgets, 30).await.unwrap();
    assert_eq!(held(&node), 55, "now it is known");
    drop(second);
    assert_eq!(held(&node), 25);
    world.carry(&node, &caller, world.clock.now(), 25).await;
    assert_eq!(held(&node), 0);
    assert_eq!(world.spent(&budget).await, 25);
    // Without a price nothing is reserved, and what has a price after all counts.
    let subject = Subject {
        organization: &world.organization,
        project: &caller.project,
        key: &caller.key,
        end_user: None,
        model: "free",
    };
    let at = world.clock.now();
    let mut free = node.spending.reserve(&budgets, &subject, at, None).await.unwrap();
    assert_eq!(held(&node), 0);
    free.settle(Some(Money::from_nanos(7)));
    assert_eq!(held(&node), 7);
}

#[tokio::test]
async fn all_budgets_bear_a_call_or_none_does() {
    let world = World::new().await;
    let node = world.node("a");
    let wide = world.budget(LimitScope::Organization, 10_000).await;
    let narrow = world.budget(LimitScope::Key, 100).await;
    let budgets = Budgets::new([wide.clone(), narrow.clone()]);
    let caller = Caller::new();
    assert!(caller.call(&node, &world, &budgets, (10, 10)).await);
    let first = caller.reserve(&node, &world, &budgets, 80).await.unwrap();
    let before = held(&node);
    let refused = reached(caller.reserve(&node, &world, &budgets, 11).await);
    assert_eq!(held(&node), before, "a refusal takes nothing of any budget");
    assert_eq!(refused.budget, narrow.id);
    assert_eq!((refused.scope, refused.subject.as_deref()), (LimitScope::Key, Some("key_1")));
    assert_eq!((refused.spent.as_nanos(), refused.reserved.as_nanos()), (10, 80));
    assert_eq!(refused.retry_after, Some(Duration::from_secs(1)), "a call may end");
    // Another key has its own.
    let other = Caller { key: "key_2".into(), ..Caller::new() };
    assert!(other.call(&node, &world, &budgets, (80, 80)).await);
    drop(first);
    assert!(caller.call(&node, &world, &budgets, (90, 90)).await);
    let refused = reached(caller.reserve(&node, &world, &budgets, 1).await);
    let day = Period::Day.around(world.clock.now(), &Zone::utc());
    assert_eq!(refused.retry_after, Some(day.end.since(world.clock.now())));
    let never = reached(caller.reserve(&node, &world, &budgets, 101).await);
    assert_eq!(never.retry_after, None);
    // The next day is a new one.
    world.clock.advance(Duration::from_secs(86_400));
    assert!(caller.call(&node, &world, &budgets, (100, 100)).await);
    assert_eq!(world.spent(&narrow).await, 100);
}

#[tokio::test]
async fn most_calls_do_not_go_to_the_bank() {
    let world = World::new().await;
    let node = world.node("a");
    let budgets = Budgets::new([world.budget(LimitScope::Organization, 1_000_000).await]);
    let caller = Caller::new();
    for _ in 0..900 {
        assert!(caller.call(&node, &world, &budgets, (1_000, 1_000)).await);
    }
    let draws = node.bank.draws.load(Ordering::SeqCst);
    assert!(draws < 90, "{draws}");
}

#[tokio::test]
async fn an_unknown_model_is_tried_before_it_is_trusted() {
    let world = World::new().await;
    let node = world.node("a");
    let budgets = Budgets::new([world.budget(LimitScope::Organization, 100).await]);
    let caller = Caller::new();
    // Twenty times 60 is more than there is, so one call finds out, alone.
    let mut first = caller.reserve(&node, &world, &budgets, 60).await.unwrap();
    assert_eq!(held(&node), 100);
    let refused = reached(caller.reserve(&node, &world, &budgets, 1).await);
    assert_eq!(refused.retry_after, Some(Duration::from_secs(1)));
    first.settle(Some(Money::from_nanos(2)));
    assert!(caller.call(&node, &world, &budgets, (98, 1)).await);
    // One whose calls cost five times what was thought is not believed again.
    let liar = Caller { model: "liar".into(), ..Caller::new() };
    let mut lie = liar.reserve(&node, &world, &budgets, 4).await.unwrap();
    lie.settle(Some(Money::from_nanos(20)));
    let before = held(&node);
    let next = liar.reserve(&node, &world, &budgets, 4).await.unwrap();
    assert_eq!(held(&node) - before, 20);
    drop(next);
}

#[tokio::test]
async fn a_changed_budget_holds_at_once_and_a_deleted_one_nobody() {
    let world = World::new().await;
    let (one, two) = (world.node("a"), world.node("b"));
    let budget = world.budget(LimitScope::Organization, 1_000).await;
    let scope = kernel::Scope::organization(world.organization.clone());
    let caller = Caller::new();
    let old = Budgets::new([budget.clone()]);
    assert!(caller.call(&one, &world, &old, (10, 10)).await);
    assert!(caller.call(&two, &world, &old, (10, 10)).await);
    let to = store::BudgetChange { amount: Some(Money::from_nanos(30)), ..Default::default() };
    let changed = world.store.budget_update(&scope, &budget.id, to).await.unwrap().budget;
    let new = Budgets::new([changed]);
    assert!(!caller.call(&one, &world, &new, (11, 11)).await);
    // What the other node had leased of the old amount it gives back when it hears of the new one.
    assert!(!caller.call(&two, &world, &new, (11, 11)).await);
    settled(&two).await;
    world.clock.advance(Duration::from_secs(2));
    assert!(caller.call(&one, &world, &new, (10, 10)).await);
    assert!(!caller.call(&two, &world, &new, (1, 1)).await);
    world.store.budget_delete(&scope, &budget.id).await.unwrap();
    world.clock.advance(Duration::from_secs(2));
    assert!(caller.call(&two, &world, &new, (50, 50)).await, "its snapshot is a little older");
    assert!(caller.call(&one, &world, &Budgets::default(), (50, 50)).await);
}

#[tokio::test]
async fn what_is_idle_goes_back() {
    let world = World::new().await;
    let (one, two) = (world.node("a"), world.node("b"));
    let budgets = Budgets::new([world.budget(LimitScope::Organization, 1_000).await]);
    let caller = Caller::new();
    assert!(caller.call(&one, &world, &budgets, (45, 45)).await);
    assert!(leased(&one) > 100);
    assert!(!caller.call(&two, &world, &budgets, (900, 900)).await);
    world.minute(&[&one, &two]).await;
    assert_eq!(leased(&one), 0);
    assert!(caller.call(&two, &world, &budgets, (900, 900)).await);
    two.spending.leave().await;
    assert!(caller.call(&one, &world, &budgets, (55, 55)).await);
}

#[tokio::test]
async fn costs_that_never_reach_the_ledger_are_let_go() {
    let world = World::new().await;
    let node = world.node("a");
    let budgets = Budgets::new([world.budget(LimitScope::Organization, 100).await]);
    let caller = Caller::new();
    let mut lost = caller.reserve(&node, &world, &budgets, 90).await.unwrap();
    lost.settle(Some(Money::from_nanos(90)));
    node.spending.all_carried();
    assert!(!caller.call(&node, &world, &budgets, (50, 50)).await);
    world.clock.advance(Duration::from_secs(61));
    node.spending.all_carried();
    assert_eq!(held(&node), 0);
    assert!(caller.call(&node, &world, &budgets, (50, 50)).await);
}

#[tokio::test]
async fn a_killed_nodes_lease_stays_until_its_next_start_or_ten_minutes() {
    let world = World::new().await;
    let budget = world.budget(LimitScope::Organization, 100).await;
    let budgets = Budgets::new([budget.clone()]);
    let caller = Caller::new();
    let killed = world.node("a");
    let mut call = caller.reserve(&killed, &world, &budgets, 90).await.unwrap();
    let at = world.clock.now();
    call.settle(Some(Money::from_nanos(10)));
    drop(killed);
    let other = world.node("b");
    assert!(!caller.call(&other, &world, &budgets, (20, 20)).await);
    // Its journal is carried by its next process, which then gives back what was leased.
    let next = world.node("a");
    assert!(world.insert("", &caller, at, 10).await[0].released == Money::ZERO);
    next.spending.all_carried();
    settled(&next).await;
    world.clock.advance(Duration::from_secs(2));
    assert!(caller.call(&other, &world, &budgets, (20, 20)).await);
    assert_eq!(world.spent(&budget).await, 30);
}

#[tokio::test]
async fn with_the_bank_away_each_node_has_its_lease_and_no_more() {
    let world = World::new().await;
    let nodes = [world.node("a"), world.node("b"), world.node("c")];
    let budget = world.budget(LimitScope::Organization, 900_000).await;
    let each = world.budget(LimitScope::User, 30_000).await;
    let caller = Caller::new();
    let (one, both) = (Budgets::new([budget.clone()]), Budgets::new([budget.clone(), each]));
    for node in &nodes {
        assert!(caller.call(node, &world, &one, (100, 100)).await);
    }
    // So that all know how it stands.
    world.minute(&nodes.each_ref()).await;
    for node in &nodes {
        node.bank.off.store(true, Ordering::SeqCst);
    }
    let mut waiting = Vec::new();
    let mut spent = 300;
    for node in &nodes {
        let mut own = 0;
        loop {
            match caller.reserve(node, &world, &one, 100).await {
                Ok(mut reserved) => {
                    reserved.settle(Some(Money::from_nanos(100)));
                    waiting.push((node, world.clock.now()));
                    own += 100;
                }
                Err(refused) => {
                    assert!(refused.to_string().contains("does not answer"), "{refused}");
                    break;
                }
            }
        }
        assert!(own > 3_000, "it goes on: {own}");
        spent += own;
    }
    assert!(spent <= 900_000, "{spent}");
    // A user that nobody has heard of has a tenth of the budget, on all nodes together.
    let stranger = Caller::named("stranger");
    let user = reached(stranger.reserve(&nodes[0], &world, &both, 1_001).await);
    assert!(matches!(user.shortfall, Shortfall::Share(_)));
    // Then it answers again: everything is carried, and nothing is lost.
    for node in &nodes {
        node.bank.off.store(false, Ordering::SeqCst);
    }
    for (node, at) in waiting {
        world.carry(node, &caller, at, 100).await;
    }
    world.minute(&nodes.each_ref()).await;
    assert_eq!(world.spent(&budget).await, spent);
    for node in &nodes {
        while caller.call(node, &world, &one, (100, 100)).await {
            spent += 100;
        }
    }
    assert!(spent <= 900_000, "{spent}");
    assert_eq!(world.spent(&budget).await, spent);
}

#[tokio::test]
async fn one_node_that_is_cut_off_overruns_nothing() {
    let world = World::new().await;
    let [cut_off, well] = [world.node("a"), world.node("b")];
    let budget = world.budget(LimitScope::Organization, 90_000).await;
    let (caller, budgets) = (Caller::new(), Budgets::new([budget]));
    let mut spent = 0;
    for node in [&cut_off, &well] {
        assert!(caller.call(node, &world, &budgets, (100, 100)).await);
        spent += 100;
    }
    world.minute(&[&cut_off, &well]).await;
    cut_off.bank.off.store(true, Ordering::SeqCst);
    let mut own = 0;
    while let Ok(mut reserved) = caller.reserve(&cut_off, &world, &budgets, 100).await {
        reserved.settle(Some(Money::from_nanos(100)));
        own += 100;
    }
    assert!(own > 0, "it goes on");
    while caller.call(&well, &world, &budgets, (100, 100)).await {
        spent += 100;
    }
    assert!(spent > own, "nobody waits for the other: {spent}");
    assert!(own + spent <= 90_000, "{own} and {spent}");
}

#[tokio::test]
async fn an_idle_node_keeps_a_little_for_a_bank_that_goes_away() {
    let world = World::new().await;
    let [idle, busy] = [world.node("a"), world.node("b")];
    let budget = world.budget(LimitScope::Organization, 64_000).await;
    let (caller, budgets) = (Caller::new(), Budgets::new([budget]));
    assert!(caller.call(&idle, &world, &budgets, (100, 100)).await);
    for _ in 0..3 {
        world.minute(&[&idle, &busy]).await;
    }
    let mut spent = 100;
    while caller.call(&busy, &world, &budgets, (100, 100)).await {
        spent += 100;
    }
    assert!(spent > 62_500, "little lies idle: {spent}");
    idle.bank.off.store(true, Ordering::SeqCst);
    assert!(caller.reserve(&idle, &world, &budgets, 100).await.is_ok());
}

#[tokio::test]
async fn accounts_are_bounded_and_the_resting_ones_go() {
    let world = World::new().await;
    let node = world.node_with_room("a", 16);
    let budget = world.budget(LimitScope::User, 100).await;
    let budgets = Budgets::new([budget]);
    let heavy = Caller::named("heavy");
    let mut kept = heavy.reserve(&node, &world, &budgets, 90).await.unwrap();
    kept.settle(Some(Money::from_nanos(90)));
    for user in 0..100 {
        let passing = Caller::named(&format!("passing {user}"));
        assert!(passing.call(&node, &world, &budgets, (1, 1)).await, "{user}");
        assert!(node.spending.with(|accounts| accounts.len()) <= 16);
        world.clock.advance(Duration::from_micros(1));
    }
    assert!(!heavy.call(&node, &world, &budgets, (11, 11)).await, "what it spent is not forgotten");
    // One that went and comes back has what it spent against it, too.
    let first = Caller::named("passing 0");
    assert!(!first.call(&node, &world, &budgets, (100, 100)).await);
    let mut all = Vec::new();
    for user in 0..15 {
        let caller = Caller::named(&format!("busy {user}"));
        all.push(caller.reserve(&node, &world, &budgets, 1).await.unwrap());
    }
    let late = reached(Caller::named("late").reserve(&node, &world, &budgets, 1).await);
    assert_eq!(late.shortfall, Shortfall::Room);
    drop(all);
    assert!(Caller::named("late").call(&node, &world, &budgets, (1, 1)).await);
}
