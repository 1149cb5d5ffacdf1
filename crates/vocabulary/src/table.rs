//! The tokens of a vocabulary, found by their bytes.

use crate::layout::{EMPTY, TAG_BITS, first_slot, hash, tag};

const PLACE_BITS: u32 = u32::BITS - TAG_BITS;

/// A hash table as the build script wrote it. It is searched where it lies in the binary: nothing
/// is loaded, and the kernel reads only the pages that are touched.
pub(crate) struct Table {
    slots: &'static [[u8; 4]],
    tokens: &'static [u8],
}

impl Table {
    pub(crate) const fn new(slots: &'static [u8], tokens: &'static [u8]) -> Self {
        Self { slots: slots.as_chunks().0, tokens }
    }

    /// The place of a token: the smaller, the earlier it is merged.
    pub(crate) fn find(&self, token: &[u8]) -> Option<u32> {
        let hash = hash(token);
        let (before, after) = self.slots.split_at_checked(first_slot(hash, self.slots.len()))?;
        after
            .iter()
            .chain(before)
            .map(|slot| u32::from_le_bytes(*slot))
            .take_while(|slot| *slot != EMPTY)
            .map(|slot| (slot >> TAG_BITS, slot << PLACE_BITS >> PLACE_BITS))
            .find(|(place, tagged)| *tagged == tag(hash) && self.stands_at(*place, token))
            .map(|(place, _)| place)
    }

    fn stands_at(&self, place: u32, token: &[u8]) -> bool {
        self.tokens.get(place as usize..).and_then(<[u8]>::split_first).is_some_and(
            |(length, tokens)| usize::from(*length) == token.len() && tokens.starts_with(token),
        )
    }
}
