//! Nodes that hold the same limits, and calls that come to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use admission::{Estimate, Limiter, Permit, Refusal, Rules, SharedState, Sharing, Subject};
use kernel::limit::{Limit, LimitMeasure, LimitScope};
use kernel::{ApiKeyId, Clock, OrganizationId, ProjectId, Timestamp};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

/// A clock that goes with tokio's, and stands wherever a node's clock may stand.
#[derive(Debug)]
struct TokioClock {
    began: Instant,
    ahead: Duration,
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_800_000_000).plus(self.began.elapsed() + self.ahead)
    }
}

/// One node.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) limiter: Arc<Limiter>,
    rules: Arc<Rules>,
    keeper: Arc<Keeper>,
}

/// Stops working with its node.
struct Keeper(AbortHandle);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A limit on the organisation.
pub(crate) fn limit(measure: LimitMeasure, amount: u64) -> Limit {
    let id = format!("limit_{measure}").into();
    Limit { id, scope: LimitScope::Organization, subject: None, model: None, measure, amount }
}

impl Node {
    /// A node whose clock is so many hours ahead of the others'.
    pub(crate) fn start(sharing: Sharing, limits: &[Limit], hours_ahead: u64) -> Self {
        let ahead = Duration::from_secs(hours_ahead * 3_600);
        let clock = Arc::new(TokioClock { began: Instant::now(), ahead });
        let limiter = Arc::new(Limiter::shared(clock, sharing));
        let organization = OrganizationId::from("org-1");
        let limits = limits.iter().map(|limit| (organization.clone(), limit.clone()));
        let keeper = tokio::spawn({
            let limiter = Arc::clone(&limiter);
            async move { limiter.keep().await }
        });
        let keeper = Arc::new(Keeper(keeper.abort_handle()));
        Self { limiter, rules: Arc::new(Rules::new(limits)), keeper }
    }

    /// Three nodes, when each knows of the others.
    pub(crate) async fn three(sharing: impl Fn(&str) -> Sharing, limits: &[Limit]) -> [Self; 3] {
        let names = ["one", "two", "three"];
        let mut hours = 0..;
        let nodes =
            names.map(|name| Self::start(sharing(name), limits, hours.next().unwrap_or_default()));
        for node in &nodes {
            node.until(|state| state == SharedState::Answering { nodes: 3 }).await;
        }
        nodes
    }

    pub(crate) async fn admit(&self, tokens: u64) -> Result<Permit, Refusal> {
        self.admit_for("ada", tokens).await
    }

    /// A call of this end user.
    pub(crate) async fn admit_for(&self, user: &str, tokens: u64) -> Result<Permit, Refusal> {
        let (organization, project) = (OrganizationId::from("org-1"), ProjectId::from("proj_1"));
        let key = ApiKeyId::from("key_1");
        let subject = Subject {
            organization: &organization,
            project: &project,
            key: &key,
            end_user: Some(user),
            model: "gpt",
        };
        self.limiter.admit(&self.rules, &subject, Estimate { tokens }).await
    }

    /// Waits for a state of the shared counters.
    pub(crate) async fn until(&self, is: impl Fn(SharedState) -> bool) {
        for _ in 0..3_000 {
            if is(self.limiter.shared_state()) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("it stays at {:?}", self.limiter.shared_state());
    }

    /// Stops without a word to the others.
    pub(crate) fn die(self) {
        assert_eq!(Arc::strong_count(&self.keeper), 1, "nobody else keeps it alive");
    }

    /// Sends calls for so long, with a pause after each; says how many requests, or tokens, passed.
    pub(crate) async fn load(&self, lasts: Duration, pause: Duration, tokens: u64) -> u64 {
        let (admitted, ends) = (AtomicU64::new(0), Instant::now() + lasts);
        while Instant::now() < ends {
            if let Ok(mut permit) = self.admit(tokens).await {
                admitted.fetch_add(tokens.max(1), Ordering::Relaxed);
                permit.settle(tokens);
            }
            sleep(pause).await;
        }
        admitted.into_inner()
    }
}

/// What a limit of so many a minute allows in a time: all that it holds, and what flows back.
pub(crate) fn allowed(amount: u64, lasted: Duration) -> u64 {
    amount + u64::try_from(u128::from(amount) * lasted.as_micros() / 60_000_000).unwrap()
}

/// Whether so many are as many as are allowed, or at most a twentieth less.
pub(crate) fn assert_held(admitted: u64, allowed: u64) {
    assert!(admitted <= allowed, "{admitted} of {allowed}: too many");
    assert!(admitted * 20 >= allowed * 19, "{admitted} of {allowed}: too few");
}

/// The same just after faults, when not all nodes have said yet what they used meanwhile: then a
/// twentieth too much is allowed for each, too, which is made up for later.
pub(crate) fn assert_nearly_held(admitted: u64, allowed: u64, faults: u64) {
    assert!(admitted <= allowed + faults * allowed / 20, "{admitted} of {allowed}: too many");
    assert!(admitted * 20 >= allowed * 19, "{admitted} of {allowed}: too few");
}
