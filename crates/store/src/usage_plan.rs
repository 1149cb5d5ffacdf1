//! Where the usage of a stretch of time is read: whole days, hours and minutes from rollups, what
//! is left at both ends from the ledger.

use crate::rollup::{Grain, Rollup};

/// A part of a stretch of time, and where its usage is read. Times are in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Piece {
    pub(crate) source: Source,
    pub(crate) start: i64,
    /// Before here.
    pub(crate) end: i64,
}

/// A place to read usage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// Calls, one by one.
    Ledger,
    /// Whole buckets.
    Rollup(Rollup),
}

/// A rollup, and since when it has rows, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kept {
    pub(crate) rollup: Rollup,
    pub(crate) since: i64,
}

/// The stretch in pieces, in the order of time. `rollups` are those that tell apart what is asked
/// for, the coarsest first.
pub(crate) fn pieces(start: i64, end: i64, rollups: &[Kept]) -> Vec<Piece> {
    let mut all = Vec::new();
    cover(start, end, rollups, &mut all);
    all
}

fn cover(start: i64, end: i64, rollups: &[Kept], all: &mut Vec<Piece>) {
    if start >= end {
        return;
    }
    let Some((&Kept { rollup, since }, finer)) = rollups.split_first() else {
        return all.push(Piece { source: Source::Ledger, start, end });
    };
    let first = ceil(start.max(since), rollup.grain);
    let last = rollup.grain.floor(end);
    if first >= last {
        return cover(start, end, finer, all);
    }
    cover(start, first, finer, all);
    all.push(Piece { source: Source::Rollup(rollup), start: first, end: last });
    cover(last, end, finer, all);
}

const fn ceil(at: i64, grain: Grain) -> i64 {
    let below = grain.floor(at);
    if below == at { at } else { below.saturating_add(grain.micros()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rollup::By;

    const S: i64 = 1_000_000;
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;

    fn rollups(minutes_since: i64) -> [Kept; 3] {
        let kept = |by, grain, since| Kept { rollup: Rollup { by, grain }, since };
        [
            kept(By::Model, Grain::Day, i64::MIN),
            kept(By::Model, Grain::Hour, i64::MIN),
            kept(By::Key, Grain::Minute, minutes_since),
        ]
    }

    /// Each piece as its grain (0: the ledger) and its ends, in seconds.
    fn shape(start: i64, end: i64, minutes_since: i64) -> Vec<(i64, i64, i64)> {
        let pieces = pieces(start * S, end * S, &rollups(minutes_since));
        let grain = |source| match source {
            Source::Ledger => 0,
            Source::Rollup(rollup) => rollup.grain.micros() / S,
        };
        pieces.iter().map(|p| (grain(p.source), p.start / S, p.end / S)).collect()
    }

    #[test]
    fn whole_days_are_read_from_days() {
        assert_eq!(shape(2 * DAY, 5 * DAY, 0), [(DAY, 2 * DAY, 5 * DAY)]);
        assert!(shape(DAY, DAY, 0).is_empty());
    }

    #[test]
    fn ends_are_read_from_what_is_finer() {
        let (start, end) = (DAY - 2 * HOUR - 90, 3 * DAY + HOUR + 1);
        assert_eq!(
            shape(start, end, 0),
            [
                (0, start, start + 30),
                (MINUTE, start + 30, DAY - 2 * HOUR),
                (HOUR, DAY - 2 * HOUR, DAY),
                (DAY, DAY, 3 * DAY),
                (HOUR, 3 * DAY, 3 * DAY + HOUR),
                (0, 3 * DAY + HOUR, end),
            ]
        );
    }

    #[test]
    fn minutes_that_are_gone_are_read_from_the_ledger() {
        assert_eq!(
            shape(60, 300, 130 * S),
            [(0, 60, 180), (MINUTE, 180, 300)],
            "the minute in which they begin is not whole"
        );
        assert_eq!(shape(60, 300, i64::MAX), [(0, 60, 300)]);
    }

    proptest! {
        #[test]
        fn pieces_leave_no_gap(start in 0..400 * DAY * S, long in 0..90 * DAY * S, since: i64) {
            let end = start + long;
            let mut at = start;
            for piece in pieces(start, end, &rollups(since)) {
                prop_assert_eq!(piece.start, at);
                prop_assert!(piece.end > at);
                if let Source::Rollup(Rollup { grain, .. }) = piece.source {
                    prop_assert_eq!(piece.start % grain.micros(), 0);
                    prop_assert_eq!(piece.end % grain.micros(), 0);
                    prop_assert!(grain != Grain::Minute || piece.start >= since);
                }
                at = piece.end;
            }
            prop_assert_eq!(at, end);
        }
    }
}
