//! One account of a budget, as this node sees it: what it has leased, and what its calls hold of
//! that.

use std::time::Duration;

use kernel::{Money, Timestamp};
use store::{SpendAccount, SpendAsk, SpendStanding, lease_share};

use super::experience::Expected;

/// How far the bank can be relied on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    /// The bank does not answer.
    pub(super) away: bool,
    /// What is leased still holds: others do not take it for left behind.
    pub(super) leases_hold: bool,
    /// How many nodes there were when the bank last answered.
    pub(super) nodes: u32,
    /// The part of an amount, in hundredths, that all nodes together may spend of an account that
    /// they have no lease of, while the bank does not answer.
    pub(super) share_percent: u32,
}

/// How the account stood when the bank last said so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// What the ledger had spent.
    pub(super) spent: i64,
    /// What nobody had spent or leased.
    pub(super) left: i64,
    /// When that was.
    pub(super) at: Timestamp,
}

/// What the bank is to be asked for.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    least: i64,
    most: i64,
}

#[derive(Debug)]
pub(super) struct Account {
    pub(super) key: SpendAccount,
    /// When the period ends.
    pub(super) ends: Timestamp,
    /// The budget's amount.
    pub(super) amount: i64,
    pub(super) leased: i64,
    /// What calls under way have reserved.
    pub(super) under_way: i64,
    /// What calls cost whose records are not in the ledger yet.
    pub(super) waiting: i64,
    /// Calls under way.
    pub(super) calls: u32,
    /// Of those: calls of models of which nothing is known.
    pub(super) unproven: u32,
    pub(super) known: Option<Known>,
    /// The budget is gone: it holds nobody any more.
    pub(super) gone: bool,
    wanted: Option<Wanted>,
    /// What was free after the last grant; more is fetched when half of it is used.
    level: i64,
    pub(super) used_at: Timestamp,
    pub(super) settled_at: Timestamp,
    /// At which change of all accounts this one last changed.
    pub(super) changed: u64,
}

/// For how long it is believed that there is no more to be had.
const BELIEVED: Duration = Duration::from_secs(1);

/// What a call may take of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taking {
    /// This much.
    Take(i64),
    /// Not without asking the bank.
    Ask,
    /// Nothing: there is too little left.
    Short(i64),
}

impl Account {
    pub(super) fn new(key: SpendAccount, ends: Timestamp, amount: i64, now: Timestamp) -> Self {
        Self {
            key,
            ends,
            amount,
            leased: 0,
            under_way: 0,
            waiting: 0,
            calls: 0,
            unproven: 0,
            known: None,
            gone: false,
            wanted: None,
            level: 0,
            used_at: now,
            settled_at: now,
            changed: 0,
        }
    }

    /// What calls hold, under way or on their way to the ledger.
    pub(super) fn held(&self) -> i64 {
        self.under_way.saturating_add(self.waiting)
    }

    /// Whether no call has anything to do with it.
    pub(super) fn at_rest(&self) -> bool {
        self.calls == 0 && self.waiting == 0
    }

    /// What is leased and not held.
    pub(super) fn idle_lease(&self) -> i64 {
        self.leased.saturating_sub(self.held()).max(0)
    }

    /// What is kept of a lease that nobody uses, for calls that come while the bank does not answer:
    /// little, since nobody else may spend it.
    pub(super) fn reserve(&self, weather: Weather) -> i64 {
        self.known.map_or(0, |known| known.left.max(0) / (64 * i64::from(weather.nodes.max(1))))
    }

    /// What may be reserved now. Less than nothing where calls cost more than was thought.
    pub(super) fn free(&self, weather: Weather) -> i64 {
        if self.gone {
            return i64::MAX;
        }
        self.allowance(weather).saturating_sub(self.held())
    }

    /// What this node may spend without asking: what it has leased. While the bank does not answer,
    /// a share of an account that it has no lease of.
    pub(super) fn allowance(&self, weather: Weather) -> i64 {
        let leased = if weather.leases_hold { self.leased } else { 0 };
        if !weather.away || (weather.leases_hold && self.known.is_some()) {
            return leased;
        }
        let part = i128::from(self.amount) * i128::from(weather.share_percent) / 100;
        let left = self.known.map_or(self.amount, |known| known.left.max(0));
        let share = i64::try_from(part).unwrap_or(i64::MAX).min(left);
        leased.max(share / i64::from(weather.nodes.max(1)))
    }

    /// What a call may take that is expected to cost so much.
    ///
    /// `last`: the bank is not asked any more. Of a model of which nothing is known, a call takes
    /// what it may cost at worst. Where there is
    /// not as much, one such call at a time takes what there is: somebody must find out.
    pub(super) fn taking(
        &self,
        expected: Expected,
        weather: Weather,
        last: bool,
        now: Timestamp,
    ) -> Taking {
        let Expected { mut least, most } = expected;
        if self.unproven > 0 {
            least = most;
        }
        let free = self.free(weather);
        if free >= most {
            return Taking::Take(most);
        }
        let more = match self.known {
            _ if weather.away || last => false,
            None => true,
            Some(known) => {
                let enough = known.left > 0 && known.left >= least.saturating_sub(free.max(0));
                enough || now.since(known.at) > BELIEVED
            }
        };
        match (free >= least, more) {
            (_, true) => Taking::Ask,
            (true, false) => Taking::Take(free),
            (false, false) => Taking::Short(least),
        }
    }

    /// Reserves for a call.
    pub(super) fn take(&mut self, amount: i64, unproven: bool, now: Timestamp) {
        self.under_way = self.under_way.saturating_add(amount);
        self.calls = self.calls.saturating_add(1);
        self.unproven = self.unproven.saturating_add(u32::from(unproven));
        self.used_at = now;
    }

    /// Puts what a call cost in place of what it had reserved. It is held until it is in the ledger.
    pub(super) fn settle(&mut self, reserved: i64, unproven: bool, cost: i64, now: Timestamp) {
        self.under_way = self.under_way.saturating_sub(reserved).max(0);
        self.calls = self.calls.saturating_sub(1);
        self.unproven = self.unproven.saturating_sub(u32::from(unproven));
        self.waiting = self.waiting.saturating_add(cost);
        self.settled_at = now;
    }

    /// What it cost is in the ledger, and the lease is as much smaller as the bank says.
    pub(super) fn carried(&mut self, cost: i64, released: i64) {
        self.waiting = self.waiting.saturating_sub(cost).max(0);
        self.leased = self.leased.saturating_sub(released).max(0);
        if let Some(known) = &mut self.known {
            known.spent = known.spent.saturating_add(cost);
            known.left = known.left.saturating_sub(cost.saturating_sub(released));
        }
    }

    /// Whether more should be fetched before calls have to wait for it: what they hold is more than
    /// what is leased, or half of it is used and there is a share worth fetching.
    pub(super) fn runs_low(&self, weather: Weather) -> bool {
        if weather.away || self.gone {
            return false;
        }
        let free = self.leased.saturating_sub(self.held());
        let Some(known) = self.known else { return free < 0 };
        let share = lease_share(known.left, Money::from_nanos(self.amount), weather.nodes);
        (free < 0 && known.left > 0) || (free < self.level / 2 && share > free)
    }

    /// Notes what the bank is to be asked for. Returns whether that is new.
    pub(super) fn want(&mut self, expected: Option<Expected>, weather: Weather) -> bool {
        let free = self.free(weather).max(0);
        let beyond = |amount: i64| amount.saturating_sub(free).max(0);
        let (least, most) = match expected {
            Some(Expected { least, most }) => (beyond(least), beyond(most)),
            None => (0, 0),
        };
        let new = self.wanted.is_none();
        let wanted = self.wanted.get_or_insert(Wanted { least, most: 0 });
        wanted.least = match (wanted.least, least) {
            // Who only fetches in advance needs nothing.
            (needed, 0) | (0, needed) => needed,
            (one, other) => one.min(other),
        };
        wanted.most = wanted.most.saturating_add(most);
        new
    }

    /// The question for the bank, which is asked once.
    pub(super) fn ask(&mut self) -> Option<SpendAsk> {
        let wanted = self.wanted.take()?;
        Some(SpendAsk {
            account: self.key.clone(),
            owed: Money::from_nanos(self.held().saturating_sub(self.leased).max(0)),
            least: Money::from_nanos(wanted.least),
            most: Money::from_nanos(wanted.most),
        })
    }

    /// Gives a part of the lease back. No more is fetched until a call needs it.
    pub(super) fn shrink(&mut self, part: i64) {
        self.leased = self.leased.saturating_sub(part);
        self.level = 0;
    }

    pub(super) fn granted(&mut self, granted: Money, standing: &SpendStanding, now: Timestamp) {
        self.leased = self.leased.saturating_add(granted.as_nanos());
        self.stands(standing, now);
        self.level = self.leased.saturating_sub(self.held());
    }

    pub(super) fn stands(&mut self, standing: &SpendStanding, now: Timestamp) {
        let (spent, left) = (standing.spent.as_nanos(), standing.left.as_nanos());
        self.known = Some(Known { spent, left, at: now });
    }
}
