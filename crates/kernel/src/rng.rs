//! Randomness, passed in: production asks the operating system, tests use a seed.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

/// Where randomness comes from. Production's is fit for keys.
pub trait Rng: Send + Sync + fmt::Debug {
    /// Fills the whole of `bytes`.
    fn fill(&self, bytes: &mut [u8]);

    /// 64 random bits.
    fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number in `0.0..1.0`, for jitter and weighted choice.
    fn next_f64(&self) -> f64 {
        // 53 bits: all that an f64's mantissa holds.
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A source of randomness that many parts hold.
pub type SharedRng = Arc<dyn Rng>;

/// The operating system's generator. Each thread keeps a little in store, because every request
/// needs some and asking costs a system call; no byte is given out twice.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRng;

/// Bytes that a thread asks for at once.
const STORE: usize = 512;

struct Store {
    bytes: [u8; STORE],
    /// The first byte not given out yet.
    next: usize,
}

thread_local! {
    static STORED: RefCell<Store> = const { RefCell::new(Store { bytes: [0; STORE], next: STORE }) };
}

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() > STORE {
            ask(bytes);
            return;
        }
        STORED.with_borrow_mut(|store| {
            if STORE - store.next < bytes.len() {
                ask(&mut store.bytes);
                store.next = 0;
            }
            let end = store.next + bytes.len();
            if let Some(fresh) = store.bytes.get_mut(store.next..end) {
                bytes.copy_from_slice(fresh);
                // What is given out is nobody else's to find.
                fresh.fill(0);
            }
            store.next = end;
        });
    }
}

#[expect(clippy::panic, reason = "without randomness no key and no id may be made")]
fn ask(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        panic!("the operating system gave no randomness: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn nothing_is_given_out_twice() {
        let mut seen = HashSet::new();
        for size in [1, 8, 16, 32, STORE, STORE + 1].into_iter().cycle().take(600) {
            let mut bytes = vec![0; size];
            SystemRng.fill(&mut bytes);
            if size >= 16 {
                assert!(seen.insert(bytes[..16].to_vec()));
            }
        }
    }
}
