//! Randomness, passed in: production asks the operating system, tests use a seed.

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

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    #[expect(clippy::panic, reason = "without randomness no key and no id may be made")]
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            panic!("the operating system gave no randomness: {error}");
        }
    }
}
