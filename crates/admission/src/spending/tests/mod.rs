//! Spending as its callers see it: some nodes on one bank that can be cut off.

mod calls;
mod storms;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use super::*;
use kernel::limit::LimitScope;
use kernel::{
    ApiKeyId, Budget, CallRecord, Clock, Enforcement, Operation, OrganizationId, Outcome, Period,
    ProjectId, ServiceTier, SystemRng, Usage, Zone,
};
use store::{NewBudget, SpendAccount, SpendAsk, SpendDrawn, SpendRenewed, Store, StoreError};
use testkit::FakeClock;
use tokio::task::JoinHandle;

/// What one database sees of its nodes.
struct World {
    clock: Arc<FakeClock>,
    store: Store,
    organization: OrganizationId,
    records: AtomicI64,
}

/// One node of it.
struct Node {
    spending: Spending,
    bank: Arc<Switch>,
    running: JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// A bank that can be cut off.
#[derive(Debug)]
struct Switch {
    bank: StoreBank,
    off: AtomicBool,
    draws: AtomicI64,
}

impl Switch {
    fn when_on<'a, T: Send + 'a>(&'a self, answer: BankAnswer<'a, T>) -> BankAnswer<'a, T> {
        Box::pin(async move {
            if self.off.load(Ordering::SeqCst) {
                return Err(StoreError::Unavailable { reason: "it was cut off".into() });
            }
            answer.await
        })
    }
}

impl Bank for Switch {
    fn holder(&self) -> &str {
        self.bank.holder()
    }
    fn draw<'a>(&'a self, asks: &'a [SpendAsk]) -> BankAnswer<'a, SpendDrawn> {
        self.draws.fetch_add(1, Ordering::SeqCst);
        self.when_on(self.bank.draw(asks))
    }
    fn renew(&self) -> BankAnswer<'_, SpendRenewed> {
        self.when_on(self.bank.renew())
    }
    fn give_back<'a>(&'a self, parts: &'a [(SpendAccount, Money)]) -> BankAnswer<'a, ()> {
        self.when_on(self.bank.give_back(parts))
    }
    fn reset(&self) -> BankAnswer<'_, ()> {
        self.when_on(self.bank.reset())
    }
    fn leave(&self) -> BankAnswer<'_, ()> {
        self.when_on(self.bank.leave())
    }
    fn trim(&self) -> BankAnswer<'_, ()> {
        self.when_on(self.bank.trim())
    }
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(FakeClock::at(Timestamp::from_secs(1_800_000_000)));
        let store = Store::in_memory(clock.clone(), Arc::new(SystemRng)).await.unwrap();
        let organization = store.organization_create("Acme").await.unwrap().id;
        Self { clock, store, organization, records: AtomicI64::new(0) }
    }

    async fn budget(&self, scope: LimitScope, amount: i64) -> Budget {
        let new = NewBudget {
            scope,
            subject: None,
            model: None,
            period: Period::Day,
            zone: Zone::utc(),
            amount: Money::from_nanos(amount),
            enforcement: Enforcement::Hard,
            alerts: Vec::new(),
        };
        let scope = kernel::Scope::organization(self.organization.clone());
        self.store.budget_create(&scope, new).await.unwrap().budget
    }

    fn node(&self, name: &str) -> Node {
        self.node_with_room(name, 1_000)
    }

    fn node_with_room(&self, name: &str, room: usize) -> Node {
        let bank = StoreBank::new(self.store.clone(), name, &SystemRng);
        let (off, draws) = (AtomicBool::new(false), AtomicI64::new(0));
        let bank = Arc::new(Switch { bank, off, draws });
        // Tests share two cores: a slow answer is no lost bank.
        let config = SpendingConfig { patience: Duration::from_secs(60), ..Default::default() };
        let spending = Spending::with_room(bank.clone(), self.clock.clone(), config, room);
        let own = spending.clone();
        let running = tokio::spawn(async move { own.run().await });
        Node { spending, bank, running }
    }

    /// The call's record is in the ledger.
    async fn carry(&self, node: &Node, caller: &Caller, at: Timestamp, cost: i64) {
        let spent = self.insert(node.spending.holder(), caller, at, cost).await;
        node.spending.carried(&spent);
    }

    async fn insert(&self, holder: &str, caller: &Caller, at: Timestamp, cost: i64) -> Vec<Spent> {
        let number = self.records.fetch_add(1, Ordering::SeqCst);
        let record = CallRecord {
            id: format!("req_{number}").into(),
            started_at: at,
            duration_us: 1,
            first_byte_us: None,
            organization: self.organization.clone(),
            project: caller.project.clone(),
            api_key: caller.key.clone(),
            service_account: None,
            end_user: Some(caller.user.clone()),
            response: None,
            batch: None,
            operation: Operation::ChatCompletions,
            model: caller.model.clone(),
            provider: "p".into(),
            upstream_model: "u".into(),
            stream: false,
            status: 200,
            outcome: Outcome::Completed,
            attempts: 1,
            service_tier: ServiceTier::Default,
            usage: Usage::default(),
            cost: Some(Money::from_nanos(cost)),
        };
        self.store.call_insert(holder, &[record]).await.unwrap().spent
    }

    /// A minute passes, in which every node hears from the bank.
    async fn minute(&self, nodes: &[&Node]) {
        self.clock.advance(Duration::from_secs(61));
        for node in nodes {
            // As `run` does it every minute.
            node.spending.turn(true).await.unwrap();
        }
    }

    /// What the ledger has spent of a budget, in all its accounts and periods.
    async fn spent(&self, budget: &Budget) -> i64 {
        let scope = kernel::Scope::organization(self.organization.clone());
        let ids = [budget.id.clone()];
        let standings = self.store.budget_standing(&scope, &ids).await.unwrap();
        standings.iter().map(|standing| standing.spent.as_nanos()).sum()
    }
}

/// Who calls.
#[derive(Clone)]
struct Caller {
    project: ProjectId,
    key: ApiKeyId,
    user: String,
    model: String,
}

impl Caller {
    fn new() -> Self {
        Self {
            project: "proj_1".into(),
            key: "key_1".into(),
            user: "ada".into(),
            model: "gpt".into(),
        }
    }

    fn named(user: &str) -> Self {
        Self { user: user.into(), ..Self::new() }
    }

    async fn reserve(
        &self,
        node: &Node,
        world: &World,
        budgets: &Budgets,
        estimate: i64,
    ) -> Result<Reservation, Refusal> {
        let subject = Subject {
            organization: &world.organization,
            project: &self.project,
            key: &self.key,
            end_user: Some(&self.user),
            model: &self.model,
        };
        let estimate = Some(Money::from_nanos(estimate));
        node.spending.reserve(budgets, &subject, world.clock.now(), estimate).await
    }

    /// A whole call, from its reservation to the ledger.
    async fn call(
        &self,
        node: &Node,
        world: &World,
        budgets: &Budgets,
        (estimate, cost): (i64, i64),
    ) -> bool {
        let Ok(mut reserved) = self.reserve(node, world, budgets, estimate).await else {
            return false;
        };
        let at = world.clock.now();
        tokio::task::yield_now().await;
        reserved.settle(Some(Money::from_nanos(cost)));
        world.carry(node, self, at, cost).await;
        true
    }
}

fn reached(result: Result<Reservation, Refusal>) -> Box<BudgetReached> {
    match result {
        Err(Refusal::BudgetReached(reached)) => reached,
        other => panic!("not refused by a budget: {other:?}"),
    }
}

fn held(node: &Node) -> i64 {
    node.spending.with(|accounts| accounts.held())
}

fn leased(node: &Node) -> i64 {
    node.spending.with(|accounts| accounts.leased())
}

/// Nothing is to be done with the bank any more.
async fn settled(node: &Node) {
    while node.spending.with(|accounts| accounts.bank_is_needed()) {
        tokio::task::yield_now().await;
    }
}
