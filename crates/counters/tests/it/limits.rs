//! Several nodes hold one limit, on every kind of place.

use std::time::Duration;

use kernel::limit::LimitMeasure::{ConcurrentCalls, RequestsPerMinute, TokensPerMinute};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::bench::{Bench, LIVES, counters_suite};
use crate::fleet::{Node, allowed, assert_held, assert_nearly_held, limit};

counters_suite!(
    three_nodes_hold_one_limit_under_uneven_load,
    a_burst_on_all_nodes_passes_as_many_as_there_are,
    tokens_that_were_reserved_in_vain_reach_the_other_nodes,
    three_nodes_hold_one_limit_on_concurrent_calls,
    what_a_node_leaves_is_there_for_the_others,
    the_calls_of_a_dead_node_end,
    counters_that_are_forgotten_in_the_middle_are_remembered,
);

const MILLI: Duration = Duration::from_millis(1);

async fn three_nodes_hold_one_limit_under_uneven_load(bench: &Bench) {
    let nodes = Node::three(|name| bench.sharing(name), &[limit(RequestsPerMinute, 1_200)]).await;
    let began = Instant::now();
    let lasts = Duration::from_secs(4);
    let (one, two, three) = tokio::join!(
        nodes[0].load(lasts, MILLI, 0),
        nodes[1].load(lasts, 5 * MILLI, 0),
        nodes[2].load(lasts, 40 * MILLI, 0),
    );
    assert_held(one + two + three, allowed(1_200, began.elapsed()));
}

async fn a_burst_on_all_nodes_passes_as_many_as_there_are(bench: &Bench) {
    let limits = [limit(RequestsPerMinute, 50), limit(ConcurrentCalls, 1_000)];
    let nodes = Node::three(|name| bench.sharing(name), &limits).await;
    let began = Instant::now();
    let mut calls = JoinSet::new();
    for node in nodes.iter().cycle().take(240) {
        let node = node.clone();
        calls.spawn(async move { node.admit(0).await.ok() });
    }
    let permits: Vec<_> = calls.join_all().await.into_iter().flatten().collect();
    assert_held(permits.len() as u64, allowed(50, began.elapsed()));
}

async fn tokens_that_were_reserved_in_vain_reach_the_other_nodes(bench: &Bench) {
    let nodes = Node::three(|name| bench.sharing(name), &[limit(TokensPerMinute, 10_000)]).await;
    let mut permit = nodes[0].admit(10_000).await.unwrap();
    assert!(nodes[1].admit(2_000).await.is_err());
    assert_eq!(permit.headers().tokens.unwrap().remaining, 0);
    permit.settle(1_000);
    // What one node has at hand stays below a twentieth, and the rest is for all.
    let mut admitted = 0;
    for _ in 0..300 {
        for node in &nodes[1..] {
            if let Ok(mut permit) = node.admit(100).await {
                permit.settle(100);
                admitted += 100;
            }
        }
        sleep(10 * MILLI).await;
    }
    assert!(admitted >= 8_500, "{admitted}");
}

async fn three_nodes_hold_one_limit_on_concurrent_calls(bench: &Bench) {
    let nodes = Node::three(|name| bench.sharing(name), &[limit(ConcurrentCalls, 10)]).await;
    let mut permits = Vec::new();
    for node in nodes.iter().cycle().take(10) {
        permits.push(node.admit(0).await.unwrap());
    }
    for node in &nodes {
        assert!(node.admit(0).await.is_err());
    }
    permits.truncate(6);
    // Given back by the tasks of the nodes that held them.
    let mut more = Vec::new();
    for _ in 0..500 {
        more.extend(nodes[2].admit(0).await.ok());
        sleep(10 * MILLI).await;
        if more.len() == 4 {
            break;
        }
    }
    assert_eq!(more.len(), 4);
    assert!(nodes[0].admit(0).await.is_err());
}

async fn what_a_node_leaves_is_there_for_the_others(bench: &Bench) {
    let nodes = Node::three(|name| bench.sharing(name), &[limit(RequestsPerMinute, 6_000)]).await;
    let began = Instant::now();
    let [one, two, three] = nodes;
    drop(two.admit(0).await.unwrap());
    drop(three.admit(0).await.unwrap());
    two.limiter.leave().await;
    three.limiter.leave().await;
    drop((two, three));
    one.until(|state| state == admission::SharedState::Answering { nodes: 1 }).await;
    let mut admitted = 2;
    while one.admit(0).await.is_ok() {
        admitted += 1;
    }
    assert_held(admitted, allowed(6_000, began.elapsed()));
}

async fn the_calls_of_a_dead_node_end(bench: &Bench) {
    let [one, two, _three] =
        Node::three(|name| bench.sharing(name), &[limit(ConcurrentCalls, 4)]).await;
    for _ in 0..4 {
        // A dead node does not give back.
        std::mem::forget(two.admit(0).await.unwrap());
    }
    two.die();
    assert!(one.admit(0).await.is_err());
    sleep(LIVES + LIVES / 3).await;
    let _permits = [one.admit(0).await.unwrap(), one.admit(0).await.unwrap()];
}

async fn counters_that_are_forgotten_in_the_middle_are_remembered(bench: &Bench) {
    let nodes = Node::three(|name| bench.sharing(name), &[limit(RequestsPerMinute, 900)]).await;
    let began = Instant::now();
    let lasts = Duration::from_secs(3);
    let faults = 2;
    let flush = async {
        for _ in 0..faults {
            sleep(lasts / 3).await;
            bench.flush().await;
        }
    };
    let load = async {
        let (one, two, three) = tokio::join!(
            nodes[0].load(lasts, MILLI, 0),
            nodes[1].load(lasts, MILLI, 0),
            nodes[2].load(lasts, 3 * MILLI, 0),
        );
        (one + two + three, began.elapsed())
    };
    let ((admitted, lasted), ()) = tokio::join!(load, flush);
    // What other nodes drew since a node last heard is forgotten with the counters, every time.
    assert_nearly_held(admitted, allowed(900, lasted), faults);
}
