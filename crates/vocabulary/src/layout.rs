//! How the tables are laid out: what the build script writes and the crate reads.
//!
//! A token is known by its place among the tokens. They stand in the order of their ranks, so of
//! two tokens the one with the smaller place is merged first, and no table of ranks is needed.

/// A slot that holds no token.
pub(crate) const EMPTY: u32 = u32::MAX;

/// A slot is a token's place above, and below it so many bits of its hash, which spare most
/// comparisons with a token that is another one.
pub(crate) const TAG_BITS: u32 = 11;

/// Characters in a block of the table of classes.
pub(crate) const BLOCK: usize = 256;

/// The classes of characters: one bit each, so that sets of them are numbers too.
/// Capital and title-case letters.
pub(crate) const UPPER: u8 = 1;
/// Small letters.
pub(crate) const LOWER: u8 = 1 << 1;
/// Letters without case, and modifiers.
pub(crate) const CASELESS: u8 = 1 << 2;
/// Marks that combine with a letter.
pub(crate) const MARK: u8 = 1 << 3;
/// Digits and other numbers.
pub(crate) const NUMBER: u8 = 1 << 4;
/// White space, but for the two below.
pub(crate) const SPACE: u8 = 1 << 5;
/// Carriage return and line feed.
pub(crate) const NEWLINE: u8 = 1 << 6;
/// Everything else: punctuation, symbols, controls, what is not assigned.
pub(crate) const OTHER: u8 = 1 << 7;

/// Where the search for a token begins; `slots` is a power of two.
pub(crate) fn first_slot(hash: u64, slots: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "the lower bits are what is asked for")]
    let low = hash as usize;
    low & slots.saturating_sub(1)
}

/// A hash of few steps: tokens are short, and the table is fixed, so nobody can crowd it.
pub(crate) fn hash(token: &[u8]) -> u64 {
    let (words, rest) = token.as_chunks::<8>();
    let last = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let words = words.iter().map(|word| u64::from_le_bytes(*word)).chain([last]);
    words.fold(token.len() as u64, |hash, word| {
        let product = (hash ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        product ^ product >> 32
    })
}

/// The bits of a hash that stand in its slot: not those that choose the slot.
pub(crate) fn tag(hash: u64) -> u32 {
    (hash >> (u64::BITS - TAG_BITS)) as u32
}
