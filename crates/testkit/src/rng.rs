//! Randomness that is the same at every run.

use std::sync::atomic::{AtomicU64, Ordering};

use kernel::Rng;

/// What SplitMix64 adds between two numbers: 2⁶⁴ divided by the golden ratio.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Randomness from a seed, by SplitMix64 (Steele, Lea and Flood 2014). Never fit for keys.
#[derive(Debug)]
pub struct SeededRng(AtomicU64);

impl SeededRng {
    /// The randomness of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    fn number(&self) -> u64 {
        let mut z = self.0.fetch_add(STEP, Ordering::AcqRel).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl Rng for SeededRng {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.number().to_le_bytes();
            for (byte, random) in chunk.iter_mut().zip(number) {
                *byte = random;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_it_all() {
        let (one, same, other) = (SeededRng::new(1), SeededRng::new(1), SeededRng::new(2));
        assert_eq!(one.next_u64(), same.next_u64());
        assert_ne!(one.next_u64(), other.next_u64());
        assert_ne!(one.next_u64(), one.next_u64());
    }

    #[test]
    fn it_is_the_published_generator() {
        assert_eq!(SeededRng::new(0).next_u64(), 0xE220_A839_7B1D_CDAF);
    }
}
