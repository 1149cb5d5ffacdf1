use crate::bench::{Bench, store_suite};
use crate::ledger::record;
store_suite!(speed);
async fn speed(bench: &Bench) {
    let mut n = 0;
    for size in [1000u32, 1000, 1000, 5000, 5000, 100, 100] {
        let batch: Vec<_> = (n..n + size).map(|i| { let mut r = record(i); r.id = format!("req_{:012x}{:020x}", 1000000 + i / 5, (u64::from(i)).wrapping_mul(0x9E37_79B9_7F4A_7C15)).into(); r }).collect();
        n += size;
        let t = std::time::Instant::now();
        bench.store.call_insert(&batch).await.unwrap();
        println!("{size} rows: {:?} per row", t.elapsed() / size);
    }
}
