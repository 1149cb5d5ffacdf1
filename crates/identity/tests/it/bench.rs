//! What every test starts from: an empty store, and a clock that is moved by hand.

use std::sync::Arc;
use std::time::Duration;

use identity::{Administration, Directory, FirstKeys, IdentityError, Presented};
use kernel::{Clock, Principal, Scope, SystemRng, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use store::Store;
use testkit::FakeClock;

/// An installation after its first start.
pub(crate) struct Bench {
    pub(crate) administration: Administration,
    pub(crate) first: FirstKeys,
    pub(crate) store: Store,
    clock: Arc<FakeClock>,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let (administration, store, clock) = empty().await;
        let first = administration.bootstrap(Default::default()).await.unwrap();
        Self { administration, first, store, clock }
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope::organization(self.first.organization.clone())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Who a node that has just read the store takes the holder of this secret for.
    pub(crate) async fn identify(&self, secret: &SecretString) -> Result<Principal, IdentityError> {
        let directory = Directory::new(&self.store.directory_load().await.unwrap());
        let header = format!("Bearer {}", secret.expose_secret());
        let presented = Presented { authorization: Some(&header), api_key: None };
        directory.identify(presented, self.now()).map(|principal| Principal::clone(principal))
    }
}

/// An administration of an empty store.
pub(crate) async fn empty() -> (Administration, Store, Arc<FakeClock>) {
    let clock = Arc::new(FakeClock::at(Timestamp::from_secs(1_800_000_000)));
    let store = Store::in_memory(clock.clone(), Arc::new(SystemRng)).await.unwrap();
    let administration = Administration::new(store.clone(), clock.clone(), Arc::new(SystemRng));
    (administration, store, clock)
}
