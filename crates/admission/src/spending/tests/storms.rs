//! Many things at once, and in any order.

use kernel::Rng;
use proptest::prelude::*;
use testkit::SeededRng;

use super::*;

/// Many callers on several nodes, each with its own costs, until nobody gets anything any more.
async fn spend_all(
    amount: i64,
    nodes: usize,
    tasks: usize,
    seed: u64,
    cost: impl Fn(u64, i64) -> i64 + Copy + Send + Sync + 'static,
) -> (i64, i64) {
    let world = Arc::new(World::new().await);
    let budget = world.budget(LimitScope::Organization, amount).await;
    let own = world.budget(LimitScope::Project, amount * 2).await;
    let budgets = Arc::new(Budgets::new([budget.clone(), own]));
    let all: Vec<_> = (0..nodes).map(|n| Arc::new(world.node(&format!("node {n}")))).collect();
    let dearest = Arc::new(AtomicI64::new(0));
    let mut running = Vec::new();
    for task in 0..tasks {
        let (world, budgets) = (Arc::clone(&world), Arc::clone(&budgets));
        let (node, dearest) = (Arc::clone(&all[task % nodes]), Arc::clone(&dearest));
        running.push(tokio::spawn(async move {
            let rng = SeededRng::new(seed + task as u64);
            let caller = Caller::new();
            let mut refusals = 0;
            // Each node keeps what it has leased, so the last of them all is never had.
            while refusals < 300 {
                let estimate = 1 + (rng.next_u64() % 40) as i64;
                let cost = cost(rng.next_u64(), estimate);
                dearest.fetch_max(cost, Ordering::SeqCst);
                if caller.call(&node, &world, &budgets, (estimate, cost)).await {
                    refusals = 0;
                } else {
                    refusals += 1;
                    tokio::task::yield_now().await;
                }
            }
        }));
    }
    for task in running {
        task.await.unwrap();
    }
    for node in &all {
        assert_eq!(held(node), 0);
    }
    (world.spent(&budget).await, dearest.load(Ordering::SeqCst))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_spenders_never_overrun_a_budget() {
    for (nodes, seed) in [(1, 1), (3, 2)] {
        let (spent, _) = spend_all(3_000, nodes, 24, seed, |random, estimate| {
            (random % 41) as i64 % (estimate + 1)
        })
        .await;
        assert!(spent <= 3_000, "{spent}");
        assert!(spent >= 2_500, "{spent}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn estimates_that_are_far_too_small_overrun_it_by_the_calls_at_first_sight() {
    let tasks = 12;
    let (spent, dearest) =
        spend_all(20_000, 3, tasks, 7, |random, estimate| estimate * (1 + (random % 20) as i64))
            .await;
    // Each node may have believed one estimate for the calls that it had under way at that moment.
    assert!(spent <= 20_000 + dearest * tasks as i64, "{spent}");
    assert!(spent >= 10_000, "{spent}");
}

/// What happens to a node, one after the other.
#[derive(Clone, Debug)]
enum Event {
    Arrive { user: u8, estimate: i64 },
    End { cost: i64 },
    HangUp,
    Carry,
    Cut(bool),
    Wait(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (0u8..3, 1i64..40).prop_map(|(user, estimate)| Event::Arrive { user, estimate }),
        5 => (0i64..40).prop_map(|cost| Event::End { cost }),
        1 => Just(Event::HangUp),
        4 => Just(Event::Carry),
        1 => any::<bool>().prop_map(Event::Cut),
        1 => (1u64..90).prop_map(Event::Wait),
    ];
    prop::collection::vec(event, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever comes in whatever order: with costs up to the estimate, no account is overrun, and
    /// what one node alone holds is what its calls hold.
    #[test]
    fn one_node_never_overruns_whatever_happens(events in events()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let node = world.node("a");
            let total = world.budget(LimitScope::Organization, 400).await;
            let each = world.budget(LimitScope::User, 150).await;
            let budgets = Budgets::new([total.clone(), each.clone()]);
            let mut under_way: Vec<(Caller, i64, Reservation)> = Vec::new();
            let mut waiting: Vec<(Caller, i64)> = Vec::new();
            let mut spent: std::collections::HashMap<String, i64> = Default::default();
            for event in events {
                match event {
                    Event::Arrive { user, estimate } => {
                        let caller = Caller::named(&format!("user {user}"));
                        let reserved = caller.reserve(&node, &world, &budgets, estimate).await;
                        if let Ok(reserved) = reserved {
                            under_way.push((caller, estimate, reserved));
                        }
                    }
                    Event::End { cost } if !under_way.is_empty() => {
                        let (caller, estimate, mut reserved) = under_way.remove(0);
                        let cost = cost.min(estimate);
                        reserved.settle(Some(Money::from_nanos(cost)));
                        *spent.entry(caller.user.clone()).or_default() += cost;
                        waiting.push((caller, cost));
                    }
                    Event::HangUp => drop(under_way.pop()),
                    Event::Carry if !node.bank.off.load(Ordering::SeqCst) => {
                        for (caller, cost) in waiting.drain(..) {
                            world.carry(&node, &caller, world.clock.now(), cost).await;
                        }
                    }
                    Event::Cut(off) => node.bank.off.store(off, Ordering::SeqCst),
                    Event::Wait(secs) => {
                        world.clock.advance(Duration::from_secs(secs));
                        // With the bank away, it is as if nobody had asked.
                        let _ = node.spending.turn(true).await;
                    }
                    Event::End { .. } | Event::Carry => {}
                }
                prop_assert!(spent.values().sum::<i64>() <= 400, "{spent:?}");
                prop_assert!(spent.values().all(|user| *user <= 150), "{spent:?}");
            }
            Ok(())
        })?;
    }
}
