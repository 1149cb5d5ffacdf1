//! What every place of shared counters does alike.

use std::sync::Arc;
use std::time::Duration;

use admission::SharedSecret;
use admission::shared::{Answer, Ask, Draw, Drawn, Heard, Held, Hold, Shared, SharedKey};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::bench::{Bench, LIVES, counters_suite};

counters_suite!(
    a_bucket_gives_out_what_it_holds_and_no_more,
    a_bucket_gives_some_where_some_are_of_use,
    what_is_put_back_can_be_drawn_and_never_more,
    what_was_spent_too_much_flows_back_first,
    a_changed_amount_keeps_what_was_taken,
    a_bucket_that_was_lost_begins_from_what_was_heard,
    questions_are_answered_in_their_order,
    places_are_held_once,
    the_places_of_a_dead_node_are_free,
    numbers_beyond_reason_are_survived,
);

/// In a day so little flows back while a test runs that it does not count.
const DAY: u64 = 86_400_000_000;

fn key(name: &str) -> SharedKey {
    SharedSecret::new(&[0; 32]).key([name])
}

fn draw(amount: u64, want: u64, at_least: u64) -> Draw {
    let heard = Heard::default();
    Draw { key: key("a"), amount, window: DAY, charge: 0, want, at_least, heard }
}

fn hold(held: u64, want: u64, at_least: u64) -> Hold {
    Hold { key: key("p"), amount: 10, held, want, at_least }
}

async fn drawn(place: &Arc<dyn Shared>, draw: Draw) -> Drawn {
    match place.ask(&[Ask::Draw(draw)]).await.unwrap()[..] {
        [Answer::Drawn(drawn)] => drawn,
        ref other => panic!("{other:?}"),
    }
}

async fn held(place: &Arc<dyn Shared>, hold: Hold) -> Held {
    match place.ask(&[Ask::Hold(hold)]).await.unwrap()[..] {
        [Answer::Held(held)] => held,
        ref other => panic!("{other:?}"),
    }
}

async fn a_bucket_gives_out_what_it_holds_and_no_more(bench: &Bench) {
    // An amount that no power of two and no power of ten divides.
    for amount in [1, 7, 97] {
        let place = bench.place("a");
        let key = key(&amount.to_string());
        for taken in 1..=amount {
            let drawn = drawn(&place, Draw { key, ..draw(amount, 1, 1) }).await;
            assert_eq!(drawn.granted, 1, "{taken} of {amount}");
        }
        let refused = drawn(&place, Draw { key, ..draw(amount, 1, 1) }).await;
        assert_eq!(refused.granted, 0);
        let day = Duration::from_micros(DAY);
        assert!(refused.reset <= day + Duration::from_millis(1), "{:?}", refused.reset);
        assert!(refused.reset > day - Duration::from_secs(60), "{:?}", refused.reset);
    }
    let mut nodes = JoinSet::new();
    for node in ["a", "b", "c"].into_iter().cycle().take(12) {
        let place = bench.place(node);
        nodes.spawn(async move {
            let mut granted = 0;
            for _ in 0..20 {
                granted += drawn(&place, draw(100, 1, 1)).await.granted;
            }
            granted
        });
    }
    assert_eq!(nodes.join_all().await.iter().sum::<u64>(), 100);
}

async fn a_bucket_gives_some_where_some_are_of_use(bench: &Bench) {
    let place = bench.place("a");
    assert_eq!(drawn(&place, draw(10, 3, 1)).await.granted, 3);
    assert_eq!(drawn(&place, draw(10, 9, 8)).await.granted, 0);
    assert_eq!(drawn(&place, draw(10, 9, 7)).await.granted, 7);
    assert_eq!(drawn(&place, draw(10, 9, 0)).await.granted, 0);
}

async fn what_is_put_back_can_be_drawn_and_never_more(bench: &Bench) {
    let (one, other) = (bench.place("a"), bench.place("b"));
    drawn(&one, draw(10, 10, 10)).await;
    drawn(&one, Draw { charge: -4, ..draw(10, 0, 0) }).await;
    assert_eq!(drawn(&other, draw(10, 10, 1)).await.granted, 4);
    drawn(&one, Draw { charge: -400, ..draw(10, 0, 0) }).await;
    assert_eq!(drawn(&other, draw(10, 100, 1)).await.granted, 10);
    let back_and_more = Draw { charge: -2, ..draw(10, 3, 1) };
    assert_eq!(drawn(&one, back_and_more).await.granted, 2);
}

async fn what_was_spent_too_much_flows_back_first(bench: &Bench) {
    let place = bench.place("a");
    let spent = drawn(&place, Draw { charge: 15, ..draw(10, 1, 1) }).await;
    assert_eq!(spent.granted, 0);
    assert!(spent.reset > Duration::from_micros(DAY / 10 * 14));
    drawn(&place, Draw { charge: -5, ..draw(10, 0, 0) }).await;
    assert_eq!(drawn(&place, draw(10, 1, 1)).await.granted, 0);
    drawn(&place, Draw { charge: -1, ..draw(10, 0, 0) }).await;
    assert_eq!(drawn(&place, draw(10, 5, 1)).await.granted, 1);
}

async fn a_changed_amount_keeps_what_was_taken(bench: &Bench) {
    let place = bench.place("a");
    drawn(&place, draw(10, 8, 8)).await;
    assert_eq!(drawn(&place, draw(20, 20, 1)).await.granted, 12);
    assert_eq!(drawn(&place, draw(10, 1, 1)).await.granted, 0);
    assert_eq!(drawn(&place, draw(30, 30, 1)).await.granted, 10);
}

async fn a_bucket_that_was_lost_begins_from_what_was_heard(bench: &Bench) {
    let (early, late, new) = (bench.place("a"), bench.place("b"), bench.place("c"));
    let heard_early = drawn(&early, draw(100, 30, 1)).await.heard;
    let heard_late = drawn(&late, draw(100, 40, 1)).await.heard;
    bench.flush().await;
    // Who heard less comes first, then one who heard nothing, then who heard all.
    let first = drawn(&early, Draw { heard: heard_early, ..draw(100, 1, 1) }).await;
    assert_eq!(first.granted, 1);
    assert_ne!(first.heard.born, heard_early.born);
    assert_eq!(drawn(&new, draw(100, 1, 1)).await.granted, 1);
    let last = drawn(&late, Draw { heard: heard_late, ..draw(100, 100, 1) }).await;
    assert_eq!(last.granted, 30);
    // What it heard counts once.
    drawn(&late, Draw { charge: -100, heard: last.heard, ..draw(100, 0, 0) }).await;
    let again = drawn(&late, Draw { heard: last.heard, ..draw(100, 100, 1) }).await;
    assert_eq!(again.granted, 100);
}

async fn questions_are_answered_in_their_order(bench: &Bench) {
    let place = bench.place("a");
    let asks = [
        Ask::Draw(Draw { key: key("z"), ..draw(10, 3, 1) }),
        Ask::Hold(Hold { key: key("y"), ..hold(0, 4, 1) }),
        Ask::Draw(Draw { key: key("a"), ..draw(10, 5, 1) }),
        Ask::Hold(Hold { key: key("b"), ..hold(6, 0, 0) }),
        Ask::Draw(Draw { key: key("m"), ..draw(10, 11, 11) }),
    ];
    for _ in 0..2 {
        let answers = place.ask(&asks).await.unwrap();
        let given: Vec<_> = answers
            .iter()
            .map(|answer| match answer {
                Answer::Drawn(drawn) => ("drawn", drawn.granted),
                Answer::Held(held) => ("held", held.granted),
            })
            .collect();
        let expected = [("drawn", 3), ("held", 4), ("drawn", 5), ("held", 0), ("drawn", 0)];
        assert_eq!(given, expected);
    }
    assert_eq!(place.ask(&[]).await.unwrap(), []);
}

async fn places_are_held_once(bench: &Bench) {
    let (one, other) = (bench.place("a"), bench.place("b"));
    assert_eq!(held(&one, hold(0, 7, 1)).await, Held { granted: 7, total: 7, holders: 1 });
    assert_eq!(held(&other, hold(0, 7, 1)).await, Held { granted: 3, total: 10, holders: 2 });
    assert_eq!(held(&other, hold(3, 1, 1)).await, Held { granted: 0, total: 10, holders: 2 });
    assert_eq!(held(&one, hold(2, 0, 0)).await, Held { granted: 0, total: 5, holders: 2 });
    assert_eq!(held(&other, hold(3, 9, 6)).await, Held { granted: 0, total: 5, holders: 2 });
    assert_eq!(held(&other, hold(3, 9, 5)).await, Held { granted: 5, total: 10, holders: 2 });
    assert_eq!(held(&one, hold(0, 0, 0)).await, Held { granted: 0, total: 8, holders: 1 });
    // What runs already is not forbidden afterwards.
    assert_eq!(held(&one, hold(5, 1, 1)).await, Held { granted: 0, total: 13, holders: 2 });
    let mut nodes = JoinSet::new();
    for node in 0..12 {
        let place = bench.place(&format!("node {node}"));
        let key = key("contested");
        nodes.spawn(async move { held(&place, Hold { key, ..hold(0, 1, 1) }).await.granted });
    }
    assert_eq!(nodes.join_all().await.iter().sum::<u64>(), 10);
}

async fn the_places_of_a_dead_node_are_free(bench: &Bench) {
    let (living, dead) = (bench.place("a"), bench.place("b"));
    held(&dead, hold(0, 6, 1)).await;
    assert_eq!(held(&living, hold(0, 2, 1)).await.holders, 2);
    for _ in 0..4 {
        sleep(LIVES / 3).await;
        held(&living, hold(2, 0, 0)).await;
    }
    assert_eq!(held(&living, hold(2, 8, 1)).await, Held { granted: 8, total: 10, holders: 1 });
}

async fn numbers_beyond_reason_are_survived(bench: &Bench) {
    let place = bench.place("a");
    let most = Draw { charge: i64::MAX, ..draw(1, u64::MAX, u64::MAX) };
    assert_eq!(drawn(&place, most).await.granted, 0);
    assert_eq!(drawn(&place, Draw { charge: i64::MIN, ..draw(1, 1, 1) }).await.granted, 1);
    let nothing = Draw { key: key("0"), ..draw(0, 1, 1) };
    assert_eq!(drawn(&place, nothing).await.granted, 0);
    let large = Draw { key: key("large"), ..draw(u64::MAX, 1, 1) };
    assert_eq!(drawn(&place, large).await.granted, 1);
    let everyone = Hold { amount: u64::MAX, ..hold(1, 0, 0) };
    assert_eq!(held(&place, everyone).await.holders, 1);
}
