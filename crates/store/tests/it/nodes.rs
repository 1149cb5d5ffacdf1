//! Several nodes, and clients that give up, on one database.

use futures_util::future::join_all;

use crate::bench::{Bench, store_suite};
use crate::ledger::record;

store_suite!(
    nodes_that_write_at_once_wait_for_each_other,
    nodes_that_send_the_same_records_write_them_once,
    nodes_that_start_at_once_begin_with_the_same,
    of_nodes_that_swap_at_once_one_does,
    the_last_one_stays_whoever_asks_at_once,
    a_node_sees_what_another_changed,
    writes_that_are_given_up_leave_nothing_behind,
);

async fn nodes_that_write_at_once_wait_for_each_other(bench: &Bench) {
    let other = bench.reopen(&bench.vault).await.unwrap();
    let nodes = [&bench.store, &other].into_iter().cycle().take(40);
    let made = nodes.map(|node| node.organization_create("Acme"));
    for organization in join_all(made).await {
        organization.unwrap();
    }
    assert_eq!(other.organization_list().await.unwrap().len(), 40);
    assert_eq!(other.generation().await.unwrap(), 40);
    other.close().await;
}

async fn nodes_that_send_the_same_records_write_them_once(bench: &Bench) {
    let other = bench.reopen(&bench.vault).await.unwrap();
    let records: Vec<_> = (0..500).map(record).collect();
    let (one, two) =
        tokio::join!(bench.store.call_insert("", &records), other.call_insert("", &records));
    assert_eq!(one.unwrap().new + two.unwrap().new, 500);
    other.close().await;
}

async fn nodes_that_start_at_once_begin_with_the_same(bench: &Bench) {
    let other = bench.reopen(&bench.vault).await.unwrap();
    let nodes = [&bench.store, &other].into_iter().cycle().take(8);
    let firsts = join_all(nodes.map(|node| node.project_first("Default", "First"))).await;
    let firsts: Vec<_> = firsts.into_iter().map(Result::unwrap).collect();
    assert!(firsts.iter().all(|first| first == &firsts[0]));
    assert_eq!(other.organization_list().await.unwrap().len(), 1);
    assert_eq!(other.generation().await.unwrap(), 1, "later starts change nothing");
    let claims = [&bench.store, &other].map(|node| node.setting_claim("once", "x"));
    let won = join_all(claims).await.into_iter().filter(|claimed| *claimed.as_ref().unwrap());
    assert_eq!(won.count(), 1);
    other.close().await;
}

async fn of_nodes_that_swap_at_once_one_does(bench: &Bench) {
    let other = bench.reopen(&bench.vault).await.unwrap();
    let missing = bench.store.setting_swap("turn", "nobody", "one").await.unwrap();
    assert!(!missing, "there is nothing to swap");
    bench.store.setting_put("turn", "nobody").await.unwrap();
    let swaps = tokio::join!(
        bench.store.setting_swap("turn", "nobody", "one"),
        other.setting_swap("turn", "nobody", "two"),
    );
    let (one, two) = (swaps.0.unwrap(), swaps.1.unwrap());
    assert!(one != two);
    let winner = if one { "one" } else { "two" };
    assert_eq!(other.setting_get("turn").await.unwrap().as_deref(), Some(winner));
    other.close().await;
}

async fn the_last_one_stays_whoever_asks_at_once(bench: &Bench) {
    let other = bench.reopen(&bench.vault).await.unwrap();
    let tenant = bench.tenant("Acme").await;
    let second = bench.store.project_create(&tenant.scope, "Second").await.unwrap();
    let both = tokio::join!(
        bench.store.project_archive(&tenant.scope, &tenant.project.id),
        other.project_archive(&tenant.scope, &second.id),
    );
    assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
    other.close().await;
}

async fn a_node_sees_what_another_changed(bench: &Bench) {
    let other = bench.reopen(&bench.vault).await.unwrap();
    let tenant = bench.tenant("Acme").await;
    let key = bench.store.api_key_create(&tenant.scope, tenant.new_key(1)).await.unwrap();
    let before = other.directory_load().await.unwrap();
    assert_eq!(before.secrets.len(), 1);
    bench.store.api_key_revoke(&tenant.scope, &key.id).await.unwrap();
    assert_ne!(other.generation().await.unwrap(), before.generation);
    assert!(other.directory_load().await.unwrap().secrets.is_empty());
    other.close().await;
}

async fn writes_that_are_given_up_leave_nothing_behind(bench: &Bench) {
    for patience in 0..30 {
        // Each round gives up a few steps later than the round before.
        let waits = async {
            for _ in 0..patience {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = waits => {}
            made = bench.store.organization_create("Acme") => { made.unwrap(); }
        }
    }
    bench.store.organization_create("Last").await.unwrap();
    let whole = bench.store.organization_list().await.unwrap().len();
    assert_eq!(bench.store.generation().await.unwrap(), i64::try_from(whole).unwrap());
}
