//! What a node has of one shared limit for one subject, and what of it is being asked for.
//!
//! There is at most one question under way for a lease. Calls that come meanwhile say how much they
//! need, and the next question asks for all of them.

use std::time::Duration;

use kernel::Timestamp;
use kernel::limit::Limit;
use tokio::time::Instant;

use super::places::Places;
use super::terms::Terms;
use super::units::Units;
use crate::limiter::bucket::window;
use crate::limiter::counter::ASK_AGAIN;
use crate::limiter::counters::Count;
use crate::limiter::headers::Allowance;
use crate::shared::{Answer, Ask, SharedKey};

/// For how long, at least and at most, what was refused is not asked for again. Others may give
/// back what they did not need, long before as much has flowed back by itself.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

/// Units that nobody spent for this long go back.
const IDLE: Duration = Duration::from_secs(1);

/// What a lease says to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// There are enough.
    Enough,
    /// The place has to be asked.
    Ask,
    /// There will not be enough before this time has passed.
    Wait(Duration),
}

/// A lease.
#[derive(Debug)]
pub(super) struct Lease {
    key: SharedKey,
    amount: u64,
    part: Part,
    /// Units that callers wait for.
    demand: u64,
    /// Since when an answer is awaited.
    asked_at: Option<Instant>,
    refused: Option<Refused>,
    spent_at: Timestamp,
}

#[derive(Debug)]
enum Part {
    Units(Units),
    Places(Places),
}

/// What the place did not have.
#[derive(Debug)]
struct Refused {
    units: u64,
    at: Timestamp,
    pause: Duration,
}

impl Lease {
    pub(super) fn new(limit: &Limit, key: SharedKey, now: Timestamp) -> Self {
        let part = match window(limit.measure) {
            Some(window) => Part::Units(Units::new(limit.amount, window, now)),
            None => Part::Places(Places::new(limit.amount)),
        };
        let amount = limit.amount;
        Self { key, amount, part, demand: 0, asked_at: None, refused: None, spent_at: now }
    }

    /// As it is now, under the limit's present amount.
    pub(super) fn refresh(&mut self, amount: u64, terms: &Terms) {
        self.amount = amount;
        match &mut self.part {
            Part::Units(units) => units.refresh(amount, terms),
            Part::Places(places) => places.refresh(amount),
        }
    }

    /// Whether a call that needs these units may pass.
    pub(super) fn standing(&self, units: u64, terms: &Terms) -> Standing {
        if terms.lost {
            let wait = match &self.part {
                Part::Units(part) => part.wait_alone(units, terms),
                Part::Places(places) => places.wait_alone(units, terms),
            };
            return if wait.is_zero() { Standing::Enough } else { Standing::Wait(wait) };
        }
        match self.short(units) {
            0 => Standing::Enough,
            short if self.is_refused(short, terms.now) => Standing::Wait(self.wait(units)),
            _ => Standing::Ask,
        }
    }

    /// How long until there may be enough of these units, if the place has none now.
    pub(super) fn wait(&self, units: u64) -> Duration {
        match &self.part {
            Part::Units(part) => part.wait(units).max(PAUSE.0),
            Part::Places(_) => ASK_AGAIN,
        }
    }

    pub(super) fn used(&self) -> u64 {
        match &self.part {
            Part::Units(units) => self.amount.saturating_sub(units.left().0),
            Part::Places(places) => places.used(),
        }
    }

    /// What callers are told is left; nothing of calls under way.
    pub(super) fn left(&self) -> Option<Allowance> {
        let Part::Units(units) = &self.part else { return None };
        let (remaining, reset) = units.left();
        Some(Allowance { limit: self.amount, remaining, reset })
    }

    pub(super) fn take(&mut self, units: u64, now: Timestamp) {
        self.spent_at = now;
        match &mut self.part {
            Part::Units(part) => part.take(units),
            Part::Places(places) => places.take(units),
        }
    }

    /// Units that one caller more, or one less, waits for.
    pub(super) fn await_units(&mut self, units: u64) {
        self.demand = self.demand.saturating_add(units);
    }

    /// See [`Lease::await_units`].
    pub(super) fn await_no_longer(&mut self, units: u64) {
        self.demand = self.demand.saturating_sub(units);
    }

    /// For how long an answer has been awaited.
    pub(super) fn awaited_for(&self) -> Option<Duration> {
        self.asked_at.map(|at| at.elapsed())
    }

    /// What to ask the place for a call that needs these units; nothing while an answer is awaited.
    pub(super) fn ask(&mut self, units: u64, terms: &Terms) -> Option<Ask> {
        if self.asked_at.is_some() {
            return None;
        }
        self.asked_at = Some(Instant::now());
        let wanted = self.demand.saturating_add(terms.at_hand(self.amount)).max(units);
        Some(match &mut self.part {
            Part::Units(part) => Ask::Draw(part.draw(self.key, units, wanted)),
            Part::Places(places) => Ask::Hold(places.ask(self.key, units, wanted)),
        })
    }

    /// What to ask the place before the units run out.
    pub(super) fn top_up(&mut self, terms: &Terms) -> Option<Ask> {
        let half = terms.at_hand(self.amount) / 2;
        let low = self.spare() < half && !terms.lost && !self.is_refused(half, terms.now);
        if low { self.ask(half, terms) } else { None }
    }

    /// What to tell the place although nobody needs anything: what is too much goes back, what is
    /// owed is made up for, and where it is said `anew`, places in use are named again.
    pub(super) fn settle(&mut self, terms: &Terms, anew: bool) -> Option<Ask> {
        if self.asked_at.is_some() || self.demand > 0 || terms.lost {
            return None;
        }
        self.refresh(self.amount, terms);
        let idle = terms.now.since(self.spent_at) >= IDLE;
        let keep = if idle { 0 } else { terms.at_hand(self.amount) };
        let (spare, key) = (self.spare(), self.key);
        let ask = match &mut self.part {
            Part::Units(units) if spare > keep || units.owes() => {
                Ask::Draw(units.give_back(key, keep))
            }
            Part::Places(places) if spare > keep || places.owes() || anew && !places.is_empty() => {
                Ask::Hold(places.state(key, keep))
            }
            _ => return None,
        };
        self.asked_at = Some(Instant::now());
        Some(ask)
    }

    /// Gives everything back.
    pub(super) fn leave(&mut self, terms: &Terms) -> Option<Ask> {
        self.refresh(self.amount, terms);
        let has_any = self.spare() > 0;
        match &mut self.part {
            Part::Units(units) => {
                (has_any || units.owes()).then(|| Ask::Draw(units.give_back(self.key, 0)))
            }
            Part::Places(places) => {
                (!places.is_empty()).then(|| Ask::Hold(places.state(self.key, 0)))
            }
        }
    }

    /// Whether places lie unused that other nodes may need now. Units can wait for a while: they
    /// come and go with every call.
    pub(super) fn frees_places(&self, terms: &Terms) -> bool {
        matches!(&self.part, Part::Places(places) if places.spare() > terms.at_hand(self.amount))
    }

    /// The place answered.
    pub(super) fn answered(&mut self, ask: &Ask, answer: &Answer, now: Timestamp) {
        self.asked_at = None;
        let (at_least, granted) = match (ask, answer, &mut self.part) {
            (Ask::Draw(draw), Answer::Drawn(drawn), Part::Units(units)) => {
                units.drawn(drawn, now);
                (draw.at_least, drawn.granted)
            }
            (Ask::Hold(hold), Answer::Held(held), Part::Places(places)) => {
                places.held(held);
                (hold.at_least, held.granted)
            }
            _ => return,
        };
        self.refused = (granted < at_least).then(|| {
            let pause = match &self.part {
                Part::Units(units) => units.wait(at_least).clamp(PAUSE.0, PAUSE.1),
                Part::Places(_) => PAUSE.0,
            };
            Refused { units: at_least, at: now, pause }
        });
    }

    /// The place did not answer.
    pub(super) fn failed(&mut self, ask: &Ask) {
        self.asked_at = None;
        if let (Ask::Draw(draw), Part::Units(units)) = (ask, &mut self.part) {
            units.not_drawn(draw);
        }
    }

    /// Whether nothing is lost when it is forgotten.
    pub(super) fn is_untouched(&self) -> bool {
        let rests = self.asked_at.is_none() && self.demand == 0;
        rests
            && match &self.part {
                Part::Units(units) => units.is_full(),
                Part::Places(places) => places.is_empty(),
            }
    }

    fn short(&self, units: u64) -> u64 {
        match &self.part {
            Part::Units(part) => part.short(units),
            Part::Places(places) => places.short(units),
        }
    }

    fn spare(&self) -> u64 {
        match &self.part {
            Part::Units(units) => units.spare(),
            Part::Places(places) => places.spare(),
        }
    }

    fn is_refused(&self, short: u64, now: Timestamp) -> bool {
        self.refused.as_ref().is_some_and(|refused| {
            short >= refused.units && now >= refused.at && now.since(refused.at) < refused.pause
        })
    }
}

impl Count for Lease {
    fn charge(&mut self, units: u64, now: Timestamp) {
        self.take(units, now);
    }

    fn refund(&mut self, units: u64, _now: Timestamp) {
        match &mut self.part {
            Part::Units(part) => part.put_back(units),
            Part::Places(places) => places.put_back(units),
        }
    }

    fn idle_in(&self, now: Timestamp) -> Option<Duration> {
        let rests = self.asked_at.is_none() && self.demand == 0;
        match &self.part {
            Part::Units(units) if rests => Some(units.full_in(now)),
            Part::Places(places) if rests && places.is_empty() => Some(Duration::ZERO),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::{Drawn, Heard, SharedSecret};
    use kernel::limit::{LimitMeasure, LimitScope};

    fn terms(millis: i64, lost: bool) -> Terms {
        Terms { now: Timestamp::from_millis(millis), nodes: 3, percent: 100, lost }
    }

    /// Of 600 requests a minute, so 10 at hand.
    fn lease() -> Lease {
        let limit = Limit {
            id: "limit_a".into(),
            scope: LimitScope::User,
            subject: None,
            model: None,
            measure: LimitMeasure::RequestsPerMinute,
            amount: 600,
        };
        Lease::new(&limit, SharedSecret::new(&[0; 32]).key(["a"]), Timestamp::default())
    }

    fn want(ask: &Ask) -> (u64, u64) {
        match ask {
            Ask::Draw(draw) => (draw.want, draw.at_least),
            Ask::Hold(hold) => (hold.want, hold.at_least),
        }
    }

    fn granted(granted: u64, reset: Duration) -> Answer {
        Answer::Drawn(Drawn { granted, reset, heard: Heard::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn one_question_at_a_time_asks_for_all_who_wait() {
        let (mut lease, terms) = (lease(), terms(0, false));
        assert_eq!(lease.standing(1, &terms), Standing::Ask);
        lease.await_units(1);
        let first = lease.ask(1, &terms).unwrap();
        assert_eq!(want(&first), (11, 1));
        for _ in 0..40 {
            lease.await_units(1);
            assert_eq!(lease.ask(1, &terms), None);
        }
        lease.answered(&first, &granted(1, Duration::ZERO), terms.now);
        lease.take(1, terms.now);
        lease.await_no_longer(1);
        assert_eq!(want(&lease.ask(1, &terms).unwrap()), (50, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_place_did_not_have_is_not_asked_for_at_once() {
        let mut lease = lease();
        let ask = lease.ask(5, &terms(0, false)).unwrap();
        lease.answered(&ask, &granted(0, Duration::from_secs(60)), Timestamp::default());
        let wait = Standing::Wait(Duration::from_millis(500));
        assert_eq!(lease.standing(5, &terms(0, false)), wait);
        assert_eq!(lease.standing(4, &terms(0, false)), Standing::Ask, "less may be there");
        assert_eq!(lease.standing(5, &terms(100, false)), Standing::Ask);
        // A clock that was set back does not refuse for ever.
        assert_eq!(lease.standing(5, &terms(-1, false)), Standing::Ask);
    }

    #[tokio::test(start_paused = true)]
    async fn what_lies_idle_goes_back_and_what_is_in_use_is_topped_up() {
        let mut lease = lease();
        let ask = lease.ask(1, &terms(0, false)).unwrap();
        lease.answered(&ask, &granted(10, Duration::from_secs(1)), Timestamp::default());
        assert_eq!(lease.top_up(&terms(0, false)), None);
        assert_eq!(lease.settle(&terms(900, false), false), None);
        lease.take(6, Timestamp::from_millis(900));
        assert_eq!(lease.settle(&terms(1_800, false), false), None);
        let top_up = lease.top_up(&terms(1_800, false)).unwrap();
        assert_eq!(want(&top_up), (6, 1));
        lease.failed(&top_up);
        let Some(Ask::Draw(back)) = lease.settle(&terms(1_900, false), false) else {
            panic!("it keeps what it does not need")
        };
        assert_eq!(back.charge, -4);
        assert!(!lease.is_untouched(), "an answer is awaited");
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_place_is_lost_it_is_not_asked() {
        let (mut lease, lost) = (lease(), terms(0, true));
        lease.refresh(600, &lost);
        assert_eq!(lease.standing(200, &lost), Standing::Enough);
        lease.take(200, lost.now);
        assert_eq!(lease.standing(1, &lost), Standing::Wait(Duration::from_millis(300)));
        assert_eq!(lease.used(), 600);
        assert_eq!((lease.top_up(&lost), lease.settle(&lost, true)), (None, None));
    }
}
