//! Where leases come from.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use kernel::{Money, Rng};
use store::{LeaseHolder, SpendAccount, SpendAsk, SpendDrawn, SpendRenewed, Store, StoreError};

/// What a bank answers, some time later.
pub type BankAnswer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Where the leases of all nodes come from. It answers one question of a node at a time.
pub trait Bank: Send + Sync + fmt::Debug {
    /// The name under which this process leases.
    fn holder(&self) -> &str;

    /// Leases what is asked for, as far as there is any.
    fn draw<'a>(&'a self, asks: &'a [SpendAsk]) -> BankAnswer<'a, SpendDrawn>;

    /// Says that this process is alive, and hears how the accounts stand that it has leases of.
    fn renew(&self) -> BankAnswer<'_, SpendRenewed>;

    /// Gives back parts of what is leased.
    fn give_back<'a>(&'a self, parts: &'a [(SpendAccount, Money)]) -> BankAnswer<'a, ()>;

    /// Gives back what earlier processes of this node had leased.
    fn reset(&self) -> BankAnswer<'_, ()>;

    /// Gives back everything: this process leases no more.
    fn leave(&self) -> BankAnswer<'_, ()>;

    /// Forgets what nobody asks for any more.
    fn trim(&self) -> BankAnswer<'_, ()>;
}

/// The bank that all nodes on one database share.
#[derive(Debug)]
pub struct StoreBank {
    store: Store,
    holder: LeaseHolder,
}

impl StoreBank {
    /// A bank for this process of this node. The node's name is the same after a restart.
    pub fn new(store: Store, node: &str, rng: &dyn Rng) -> Self {
        let name = format!("{node}/{:016x}", rng.next_u64());
        Self { store, holder: LeaseHolder { name, node: node.to_owned() } }
    }
}

impl Bank for StoreBank {
    fn holder(&self) -> &str {
        &self.holder.name
    }

    fn draw<'a>(&'a self, asks: &'a [SpendAsk]) -> BankAnswer<'a, SpendDrawn> {
        Box::pin(self.store.spend_draw(&self.holder, asks))
    }

    fn renew(&self) -> BankAnswer<'_, SpendRenewed> {
        Box::pin(self.store.spend_renew(&self.holder))
    }

    fn give_back<'a>(&'a self, parts: &'a [(SpendAccount, Money)]) -> BankAnswer<'a, ()> {
        Box::pin(self.store.spend_give_back(&self.holder, parts))
    }

    fn reset(&self) -> BankAnswer<'_, ()> {
        Box::pin(self.store.spend_reset(&self.holder))
    }

    fn leave(&self) -> BankAnswer<'_, ()> {
        Box::pin(self.store.spend_leave(&self.holder))
    }

    fn trim(&self) -> BankAnswer<'_, ()> {
        Box::pin(self.store.spend_trim())
    }
}
