//! Byte-pair merging: of all neighbours that together are a token, the pair with the lowest rank
//! becomes one, the leftmost first, until no two are.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::table::Table;

/// How much of a long piece is merged at once. It is far longer than any token.
const WINDOW: usize = 1024;
/// A window that does not join the next is widened, up to this.
const WIDEST: usize = 64 * WINDOW;

/// Counts the tokens of pieces. Its memory is kept from one piece to the next; it is bounded,
/// whatever their length.
#[derive(Default)]
pub(crate) struct Merger {
    /// For each byte at which a part begins, where that part ends; zero where none begins.
    ends: Vec<u32>,
    /// For each byte at which a part begins, where the part before it begins.
    befores: Vec<u32>,
    candidates: BinaryHeap<Reverse<Candidate>>,
}

/// Two neighbours that may be merged, in the order in which they are: by their token's place, then
/// from left to right. One number, since the heap compares little else: the place, 24 bits of
/// where they start, 8 of their length.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate(u64);

impl Candidate {
    fn new(place: u32, start: usize, end: usize) -> Self {
        Self(u64::from(place) << 32 | (start as u64) << 8 | (end - start) as u64)
    }

    fn span(&self) -> (usize, usize) {
        let start = (self.0 as u32 >> 8) as usize;
        (start, start + usize::from(self.0 as u8))
    }
}

impl Merger {
    /// Tokens of a piece.
    pub(crate) fn count(&mut self, table: &Table, piece: &[u8]) -> u64 {
        match piece.len() {
            // A single byte is a token, and so are most pieces.
            0 | 1 => piece.len() as u64,
            _ if table.find(piece).is_some() => 1,
            _ => self.count_in_windows(table, piece, WINDOW),
        }
    }

    /// Merges a piece window by window. The result is that of merging it at once:
    ///
    /// Merging what lies between two borders of the whole's tokens gives the tokens that the whole
    /// has there, since no merge crossed the borders. And tokens in a row are the merged whole when
    /// each two neighbours are: the first merge that crossed a border would have crossed it in
    /// these two alone. So when a window begins with a token of the window before, and finds it
    /// again, the tokens up to it and those from it on are neighbours as the whole has them.
    fn count_in_windows(&mut self, table: &Table, piece: &[u8], narrowest: usize) -> u64 {
        let (mut rest, mut width, mut tokens) = (piece, narrowest, 0);
        self.merge(table, window(rest, width));
        while width < rest.len() {
            if let Some((before, start, end)) = self.token_from(width / 4 * 3) {
                let next = rest.get(start..).unwrap_or_default();
                self.merge(table, window(next, narrowest));
                if self.end(0) == end - start || width >= WIDEST {
                    tokens += before;
                    (rest, width) = (next, narrowest);
                    continue;
                }
            }
            width *= 2;
            self.merge(table, window(rest, width));
        }
        tokens + self.parts().count() as u64
    }

    /// The first token that begins at this byte or later: how many are before it, its start, its end.
    fn token_from(&self, byte: usize) -> Option<(u64, usize, usize)> {
        let mut tokens = (0..).zip(self.parts());
        let found = tokens.find(|(_, (start, _))| *start >= byte);
        found.map(|(before, (start, end))| (before, start, end))
    }

    /// The parts of what was merged last, each with its start and its end.
    fn parts(&self) -> impl Iterator<Item = (usize, usize)> {
        let mut start = 0;
        std::iter::from_fn(move || {
            let end = self.end(start);
            let part = (end > start).then_some((start, end));
            start = end;
            part
        })
    }

    fn merge(&mut self, table: &Table, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.ends.clear();
        self.ends.extend(1..=length);
        self.befores.clear();
        self.befores.extend((0..length).map(|start| start.saturating_sub(1)));
        self.candidates.clear();
        for start in 0..bytes.len() {
            self.propose(table, bytes, start);
        }
        while let Some(Reverse(candidate)) = self.candidates.pop() {
            let (start, end) = candidate.span();
            let middle = self.end(start);
            // One of the two may have been merged with another neighbour since.
            if middle <= start || self.end(middle) != end {
                continue;
            }
            self.join(start, middle, end);
            self.propose(table, bytes, start);
            if start > 0 {
                self.propose(table, bytes, self.before(start));
            }
        }
    }

    /// Makes a candidate of the part that begins here and the next, if together they are a token.
    fn propose(&mut self, table: &Table, bytes: &[u8], start: usize) {
        let end = self.end(self.end(start));
        let Some(place) = bytes.get(start..end).and_then(|pair| table.find(pair)) else { return };
        self.candidates.push(Reverse(Candidate::new(place, start, end)));
    }

    fn join(&mut self, start: usize, middle: usize, end: usize) {
        for (at, new_end) in [(start, end), (middle, 0)] {
            if let Some(place) = self.ends.get_mut(at) {
                *place = narrow(new_end);
            }
        }
        if let Some(before) = self.befores.get_mut(end) {
            *before = narrow(start);
        }
    }

    /// Where the part that begins here ends; zero if none does.
    fn end(&self, start: usize) -> usize {
        self.ends.get(start).map_or(0, |end| *end as usize)
    }

    fn before(&self, start: usize) -> usize {
        self.befores.get(start).map_or(0, |before| *before as usize)
    }
}

fn window(bytes: &[u8], width: usize) -> &[u8] {
    bytes.get(..width).unwrap_or(bytes)
}

/// Places in a window, which is never wider than a `u32` counts.
fn narrow(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CL100K_BASE;

    #[test]
    fn a_candidate_keeps_its_span_and_goes_by_place_then_start() {
        assert_eq!(Candidate::new(7, WIDEST, WIDEST + 255).span(), (WIDEST, WIDEST + 255));
        assert!(Candidate::new(1, 9, 11) < Candidate::new(2, 0, 2));
        assert!(Candidate::new(2, 0, 5) < Candidate::new(2, 1, 3));
    }

    /// Windows of a few bytes cut most tokens, so that many do not join the next.
    #[test]
    fn windows_count_what_the_whole_counts() {
        let table = &CL100K_BASE.table;
        let mut merger = Merger::default();
        let words = "unbelievable misunderstandings 漢字かな交じり文 \u{1f469}\u{200d}\u{1f467} ===!!==--->";
        for unit in ["a", "ab", "aab", "abcabd", "xyz", "漢字", "THEthe", "=-", words] {
            for length in [63, 64, 65, 1_000, 5_000] {
                let piece: Vec<u8> = unit.bytes().cycle().take(length).collect();
                merger.merge(table, &piece);
                let whole = merger.parts().count() as u64;
                for narrowest in [4, 8, 16, 64, WINDOW] {
                    let windowed = merger.count_in_windows(table, &piece, narrowest);
                    assert_eq!(windowed, whole, "{length} bytes of {unit}, {narrowest} at once");
                }
            }
        }
    }

    #[test]
    fn the_parts_are_the_piece() {
        let mut merger = Merger::default();
        merger.merge(&CL100K_BASE.table, b"unbelievableness");
        let parts: Vec<_> = merger.parts().collect();
        assert!(parts.len() > 1 && parts.first().unwrap().0 == 0 && parts.last().unwrap().1 == 16);
        assert!(parts.windows(2).all(|two| two[0].1 == two[1].0), "{parts:?}");
    }
}
