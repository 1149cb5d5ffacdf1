//! All accounts of this node, behind one lock that is held for a few look-ups a call.
//!
//! Clients choose the names of their end users, so the number of accounts has no bound of its own.
//! When there are too many, those that were at rest longest go first: what they leased is given
//! back, and the bank knows what they have spent. An account that calls are under way of stays.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use kernel::{Money, Timestamp};
use store::{LEASE_LASTS, SpendAccount, SpendAsk, SpendDrawn, SpendRenewed, Spent};

use super::account::{Account, Taking, Weather};
use super::budgets::Want;
use super::experience::{Expected, Experience, Kind};
use super::reached::BudgetReached;
use crate::Subject;

/// An account that no call used for so long gives its lease back.
const IDLE: Duration = Duration::from_secs(60);

/// After so long, a cost whose record cannot be found on its way any more is no longer held.
const STRAYED: Duration = Duration::from_secs(60);

/// How long before others may take a lease this node stops using it.
const MARGIN: Duration = Duration::from_secs(60);

/// Questions that are put to the bank at once.
const ASKS: usize = 256;

/// What a call took of one account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    slot: u64,
    reserved: i64,
    unproven: bool,
}

/// What came of a call's wish to reserve.
#[derive(Debug)]
pub(super) enum Taken {
    /// Everything is reserved.
    Parts(Vec<Part>, Kind),
    /// The bank is asked; this is the number of its answer.
    Ask(u64),
    /// Nothing is reserved.
    Refused(Box<BudgetReached>),
}

#[derive(Debug)]
pub(super) struct Accounts {
    accounts: HashMap<u64, Account>,
    most: usize,
    /// The secret key of the accounts' hashes: nobody can choose a user name that meets another's.
    keys: RandomState,
    experience: Experience,
    /// Accounts that the bank is to be asked about.
    asking: Vec<u64>,
    /// Leases on their way back.
    returns: Vec<(SpendAccount, Money)>,
    /// How many times the bank was asked.
    asked: u64,
    away: bool,
    nodes: u32,
    renewed_at: Timestamp,
    share_percent: u32,
    /// Counts the changes of leases that the bank did not make.
    changes: u64,
    healed_at: Timestamp,
    /// Whether the journal of earlier processes of this node was carried.
    earlier_carried: bool,
    reset_due: bool,
}

impl Accounts {
    pub(super) fn new(most: usize, share_percent: u32, now: Timestamp) -> Self {
        Self {
            accounts: HashMap::new(),
            most,
            keys: RandomState::new(),
            experience: Experience::default(),
            asking: Vec::new(),
            returns: Vec::new(),
            asked: 0,
            away: false,
            nodes: 1,
            renewed_at: now,
            share_percent,
            changes: 0,
            healed_at: now,
            earlier_carried: false,
            reset_due: false,
        }
    }

    fn weather(&self, now: Timestamp) -> Weather {
        Weather {
            away: self.away,
            leases_hold: now.since(self.renewed_at) < LEASE_LASTS.saturating_sub(MARGIN),
            nodes: self.nodes,
            share_percent: self.share_percent,
        }
    }

    fn slot(&self, budget: &str, subject: &str, period_start: Timestamp) -> u64 {
        self.keys.hash_one((budget, subject, period_start))
    }

    fn slot_of(&self, key: &SpendAccount) -> u64 {
        self.slot(key.budget.as_str(), &key.subject, key.period_start)
    }

    /// Reserves for a call in all its accounts, or in none. Without an estimate it will cost
    /// nothing, and takes part in them only so that it counts if it does. `last`: the bank is not
    /// asked any more.
    pub(super) fn take(
        &mut self,
        wants: &[Want<'_>],
        subject: &Subject<'_>,
        estimate: Option<Money>,
        last: bool,
        now: Timestamp,
    ) -> Taken {
        let kind = self.experience.kind(subject);
        let expected = estimate.map(|estimate| self.experience.expect(kind, estimate));
        let weather = self.weather(now);
        let mut parts = Vec::with_capacity(wants.len());
        let mut asks = Vec::new();
        let mut refused: Option<BudgetReached> = None;
        for want in wants {
            let Some(slot) = self.find(want, now) else {
                return Taken::Refused(Box::new(BudgetReached::no_room(want, subject)));
            };
            let Some(account) = self.accounts.get(&slot) else { continue };
            let Some(expected) = expected else {
                parts.push(Part { slot, reserved: 0, unproven: false });
                continue;
            };
            match account.taking(expected, weather, last, now) {
                Taking::Take(reserved) => {
                    let unproven = expected.least < expected.most;
                    parts.push(Part { slot, reserved, unproven });
                }
                Taking::Ask => asks.push(slot),
                Taking::Short(least) => {
                    let reached = BudgetReached::new(want, subject, account, weather, least, now);
                    refused = Some(match refused {
                        Some(other) => other.later(reached),
                        None => reached,
                    });
                }
            }
        }
        if let Some(refused) = refused {
            return Taken::Refused(Box::new(refused));
        }
        if !asks.is_empty() {
            for slot in asks {
                self.ask_for(slot, expected, weather);
            }
            return Taken::Ask(self.asked + 1);
        }
        for part in &parts {
            let Some(account) = self.accounts.get_mut(&part.slot) else { continue };
            account.take(part.reserved, part.unproven, now);
            if account.runs_low(weather) {
                self.ask_for(part.slot, None, weather);
            }
        }
        Taken::Parts(parts, kind)
    }

    /// The call is over.
    pub(super) fn settle(&mut self, parts: &[Part], cost: Money, now: Timestamp) {
        let weather = self.weather(now);
        for part in parts {
            let Some(account) = self.accounts.get_mut(&part.slot) else { continue };
            account.settle(part.reserved, part.unproven, cost.as_nanos().max(0), now);
            if account.runs_low(weather) {
                self.ask_for(part.slot, None, weather);
            }
        }
    }

    pub(super) fn learn(&mut self, kind: Kind, estimate: Money, cost: Money) {
        self.experience.learn(kind, estimate, cost);
    }

    /// What calls cost is in the ledger now.
    pub(super) fn carried(&mut self, spent: &[Spent]) {
        for Spent { account, cost, released } in spent {
            let slot = self.slot_of(account);
            self.changes += 1;
            if let Some(account) = self.accounts.get_mut(&slot) {
                account.carried(cost.as_nanos(), released.as_nanos());
                account.changed = self.changes;
            }
        }
    }

    /// Everything that was settled some time ago is in the ledger: what is still held of it never
    /// came there.
    pub(super) fn all_carried(&mut self, now: Timestamp) {
        if !self.earlier_carried {
            (self.earlier_carried, self.reset_due) = (true, true);
        }
        if now.since(self.healed_at) < STRAYED {
            return;
        }
        self.healed_at = now;
        for account in self.accounts.values_mut() {
            if now.since(account.settled_at) >= STRAYED {
                account.waiting = 0;
            }
        }
    }

    /// The account that is wanted, made if there is none; `None` where there is no room.
    fn find(&mut self, want: &Want<'_>, now: Timestamp) -> Option<u64> {
        let slot = self.slot(want.budget.id.as_str(), &want.subject, want.period.start);
        let amount = want.budget.amount.as_nanos();
        if let Some(account) = self.accounts.get_mut(&slot) {
            if account.amount != amount {
                // What is leased of the old amount may be more than is left of the new one.
                account.amount = amount;
                account.known = None;
                self.changes += 1;
                account.changed = self.changes;
                let idle = account.idle_lease();
                give_back(account, idle, &mut self.returns);
            }
            return Some(slot);
        }
        if self.accounts.len() >= self.most {
            self.make_room();
        }
        if self.accounts.len() >= self.most {
            return None;
        }
        let key = SpendAccount {
            budget: want.budget.id.clone(),
            subject: want.subject.as_ref().to_owned(),
            period_start: want.period.start,
        };
        self.accounts.insert(slot, Account::new(key, want.period.end, amount, now));
        Some(slot)
    }

    /// Forgets an eighth of the accounts: those at rest, the longest unused first.
    fn make_room(&mut self) {
        let mut resting: Vec<(Timestamp, u64)> = self
            .accounts
            .iter()
            .filter(|(_, account)| account.at_rest())
            .map(|(slot, account)| (account.used_at, *slot))
            .collect();
        let excess = (self.most / 8).max(1).min(resting.len());
        if excess == 0 {
            return;
        }
        if excess < resting.len() {
            resting.select_nth_unstable(excess);
        }
        for (_, slot) in resting.into_iter().take(excess) {
            if let Some(mut account) = self.accounts.remove(&slot) {
                let leased = account.leased;
                give_back(&mut account, leased, &mut self.returns);
            }
        }
    }

    fn ask_for(&mut self, slot: u64, expected: Option<Expected>, weather: Weather) {
        if let Some(account) = self.accounts.get_mut(&slot)
            && account.want(expected, weather)
        {
            self.asking.push(slot);
        }
    }

    /// Whether there is something to do with the bank.
    pub(super) fn bank_is_needed(&self) -> bool {
        !self.asking.is_empty() || !self.returns.is_empty() || self.reset_due
    }

    /// Gives back what is idle, and forgets what is over.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        let weather = self.weather(now);
        let returns = &mut self.returns;
        self.accounts.retain(|_, account| {
            let over = account.ends <= now;
            if over || now.since(account.used_at) >= IDLE {
                let kept = if over { 0 } else { account.reserve(weather) };
                give_back(account, account.idle_lease() - kept, returns);
            }
            !(over && account.at_rest())
        });
    }

    pub(super) fn take_returns(&mut self) -> Vec<(SpendAccount, Money)> {
        std::mem::take(&mut self.returns)
    }

    /// The bank did not take them.
    pub(super) fn keep_returns(&mut self, returns: Vec<(SpendAccount, Money)>) {
        self.returns.extend(returns);
    }

    /// All that is leased and not held, to be given back; and whether nothing is held at all.
    pub(super) fn give_up(&mut self) -> (Vec<(SpendAccount, Money)>, bool) {
        for account in self.accounts.values_mut() {
            let idle = account.idle_lease();
            give_back(account, idle, &mut self.returns);
        }
        let nothing_held = self.accounts.values().all(Account::at_rest);
        (self.take_returns(), nothing_held)
    }

    pub(super) fn reset_is_due(&self) -> bool {
        self.reset_due
    }

    pub(super) fn was_reset(&mut self) {
        self.reset_due = false;
    }

    /// How many changes there were so far.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// What the bank says of all leases, which it began to look up at `asked_at`, after so many
    /// changes. Accounts that did not change meanwhile have exactly what it says.
    pub(super) fn renewed(&mut self, renewed: SpendRenewed, changes: u64, asked_at: Timestamp) {
        (self.nodes, self.renewed_at) = (renewed.nodes, asked_at);
        let mut by_slot = HashMap::with_capacity(renewed.standings.len());
        for standing in renewed.standings {
            by_slot.insert(self.slot_of(&standing.account), standing);
        }
        for (slot, account) in &mut self.accounts {
            let standing = by_slot.remove(slot);
            if account.changed > changes {
                continue;
            }
            account.leased = standing.as_ref().map_or(0, |standing| standing.leased.as_nanos());
            if let Some(standing) = &standing {
                account.stands(standing, asked_at);
            }
        }
        // Leases that nobody here remembers: an answer of the bank was lost.
        let forgotten = by_slot.into_values().map(|standing| (standing.account, standing.leased));
        self.returns.extend(forgotten);
        let weather = Weather { away: false, ..self.weather(asked_at) };
        let low: Vec<u64> = self
            .accounts
            .iter()
            .filter(|(_, account)| account.runs_low(weather))
            .map(|(slot, _)| *slot)
            .collect();
        for slot in low {
            self.ask_for(slot, None, weather);
        }
    }

    /// The next questions for the bank, and the number of their answer.
    pub(super) fn questions(&mut self) -> (u64, Vec<SpendAsk>) {
        let rest = self.asking.split_off(self.asking.len().min(ASKS));
        let slots = std::mem::replace(&mut self.asking, rest);
        let accounts = &mut self.accounts;
        if !slots.is_empty() {
            self.asked += 1;
        }
        let asks = slots.into_iter();
        let asks = asks.filter_map(|slot| accounts.get_mut(&slot).and_then(Account::ask));
        (self.asked, asks.collect())
    }

    pub(super) fn drawn(&mut self, asks: &[SpendAsk], drawn: &SpendDrawn, asked_at: Timestamp) {
        (self.nodes, self.renewed_at) = (drawn.nodes, asked_at);
        let mut gone: HashSet<u64> = asks.iter().map(|ask| self.slot_of(&ask.account)).collect();
        for (granted, standing) in &drawn.grants {
            let slot = self.slot_of(&standing.account);
            gone.remove(&slot);
            match self.accounts.get_mut(&slot) {
                Some(account) => account.granted(*granted, standing, asked_at),
                None => self.returns.push((standing.account.clone(), *granted)),
            }
        }
        for slot in gone {
            if let Some(account) = self.accounts.get_mut(&slot) {
                account.gone = true;
            }
        }
    }

    /// The bank does not answer. Who asked is told so; what is needed is asked for again later.
    pub(super) fn bank_is_away(&mut self) {
        self.away = true;
        for slot in std::mem::take(&mut self.asking) {
            self.accounts.get_mut(&slot).and_then(Account::ask);
        }
    }

    /// The bank answers. Returns whether it did not before.
    pub(super) fn bank_is_back(&mut self) -> bool {
        std::mem::replace(&mut self.away, false)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.accounts.len()
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> i64 {
        self.accounts.values().map(Account::held).sum()
    }

    #[cfg(test)]
    pub(super) fn leased(&self) -> i64 {
        self.accounts.values().map(|account| account.leased).sum()
    }
}

fn give_back(account: &mut Account, part: i64, returns: &mut Vec<(SpendAccount, Money)>) {
    if part > 0 {
        account.shrink(part);
        returns.push((account.key.clone(), Money::from_nanos(part)));
    }
}
