//! What the load is made of: kinds of calls with their shares. The order is fixed, not drawn, so
//! that every minute of every run has the same mix.

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Kind {
    Whole,
    EndUser,
    Stream,
    Stored,
    Idempotent,
    Large,
    Embedding,
    Slow,
    HangUpInStream,
    HangUpBefore,
    SlowReader,
    BadJson,
    UnknownModel,
    BadKey,
    Reset,
    Busy,
    Broken,
    Flaky,
    FallenBack,
    Cut,
    Response,
    ResponseStream,
    ResponseUnstored,
    Background,
    File,
    Usage,
    Costs,
    AuditLogs,
    Metrics,
    KeyMade,
}

/// What is said of a kind.
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// Of all calls, in thousandths.
    pub(super) share: u32,
    pub(super) name: &'static str,
    pub(super) expected: &'static str,
}

macro_rules! mix {
    ($($kind:ident $share:literal $name:literal => $expected:literal;)*) => {
        /// Every kind, in the table's order.
        pub(super) const MIX: &[Entry] = &[$(Entry {
            kind: Kind::$kind, share: $share, name: $name, expected: $expected,
        }),*];
    };
}

mix! {
    Whole 300 "whole answer" => "200, usage in it";
    EndUser 120 "always a new end user, new metadata" => "200, usage in it";
    Stream 200 "stream" => "53 events, [DONE]";
    Stored 20 "stored chat, read" => "200 each";
    Idempotent 15 "the same idempotency key twice" => "200, then the same replayed";
    Large 25 "300 kB sent and answered" => "200, 300 kB";
    Embedding 50 "embedding" => "200, 256 numbers";
    Slow 15 "upstream takes a second" => "200";
    HangUpInStream 40 "hang-up in a stream" => "events until then";
    HangUpBefore 10 "hang-up before an answer" => "nothing until then";
    SlowReader 4 "slow reader of 4 MB" => "259 events, [DONE]";
    BadJson 15 "bad JSON" => "400";
    UnknownModel 15 "unknown model" => "404";
    BadKey 15 "bad key" => "401";
    Reset 8 "upstream resets" => "502, or 503 behind the breaker";
    Busy 8 "upstream says 429" => "429, its retry-after";
    Broken 8 "upstream says 500" => "500, or 503 behind the breaker";
    Flaky 10 "upstream says 500 once" => "200";
    FallenBack 10 "fallback from a broken model" => "200";
    Cut 8 "upstream's stream breaks off" => "an error event, no [DONE]";
    Response 30 "response, chained, read and deleted" => "200 each, completed";
    ResponseStream 20 "response as a stream" => "response.completed";
    ResponseUnstored 10 "response that is not kept" => "200, then 404";
    Background 8 "background response, polled" => "completed";
    File 6 "file up, down, deleted" => "200 each, the same bytes";
    Usage 8 "usage by model" => "200";
    Costs 5 "costs by project" => "200";
    AuditLogs 5 "audit log" => "200";
    Metrics 10 "/metrics" => "200";
    KeyMade 2 "API key made and deleted" => "200 each";
}

/// Which kind comes next: each gains its share with every call, and the richest one pays for it.
pub(super) struct Order {
    shares: Vec<i64>,
    credits: Vec<i64>,
}

impl Order {
    /// An order of all kinds, or only of some, by their shares.
    pub(super) fn of(only: &[Kind]) -> Self {
        let is_wanted = |entry: &Entry| only.is_empty() || only.contains(&entry.kind);
        let share = |entry| if is_wanted(entry) { i64::from(entry.share) } else { 0 };
        Self { shares: MIX.iter().map(share).collect(), credits: vec![0; MIX.len()] }
    }

    /// The place in [`MIX`] of the next call's kind.
    pub(super) fn next(&mut self) -> usize {
        let mut richest = (0, i64::MIN);
        for (place, (credit, share)) in self.credits.iter_mut().zip(&self.shares).enumerate() {
            *credit += share;
            if *share > 0 && *credit > richest.1 {
                richest = (place, *credit);
            }
        }
        if let Some(credit) = self.credits.get_mut(richest.0) {
            *credit -= self.shares.iter().sum::<i64>();
        }
        richest.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_thousandths() {
        assert_eq!(MIX.iter().map(|entry| entry.share).sum::<u32>(), 1000);
    }

    #[test]
    fn every_thousand_calls_have_every_kind_by_its_share() {
        let mut order = Order::of(&[]);
        for _ in 0..3 {
            let mut counts = vec![0; MIX.len()];
            for _ in 0..1000 {
                counts[order.next()] += 1;
            }
            assert_eq!(counts, MIX.iter().map(|entry| entry.share).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_kind_is_spread_over_time() {
        let mut order = Order::of(&[]);
        let whole: Vec<bool> = (0..100).map(|_| MIX[order.next()].kind == Kind::Whole).collect();
        for ten in whole.chunks(10) {
            assert!((2..=4).contains(&ten.iter().filter(|whole| **whole).count()), "{ten:?}");
        }
    }

    #[test]
    fn some_kinds_alone_keep_their_proportions() {
        let mut order = Order::of(&[Kind::Stream, Kind::Embedding]);
        let kinds: Vec<Kind> = (0..250).map(|_| MIX[order.next()].kind).collect();
        let of = |kind: Kind| kinds.iter().filter(|it| **it == kind).count();
        assert_eq!((of(Kind::Stream), of(Kind::Embedding)), (200, 50));
    }
}
