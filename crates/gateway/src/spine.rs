//! The spine: one call from its arrival to its settlement, top to bottom.

use std::sync::Arc;
use std::time::Duration;

use admission::{
    Limiter, RateLimitHeaders, SharedState, Sharing, Spending, SpendingConfig, StoreBank,
};
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use identity::Presented;
use kernel::{Operation, Outcome, Retention, ServiceTier, SharedClock, SharedRng};
use providers::{AnswerBody, Rack};
use serde::Deserialize;
use store::Store;
use wire::meter::{self, OutputText, StreamMeter};

use crate::administer::AdminUses;
use crate::admit::{self, Admitted, Gate};
use crate::call::{Answered, Caller};
use crate::catalog::Catalog;
use crate::discovery::Discovery;
use crate::idempotency::{Claim, Idempotency, Kept, Ticket};
use crate::identify::{self, Identified, Owner};
use crate::journal::{Journal, JournalState};
use crate::queue::{Queue, QueueConfig};
use crate::refresh::{self, Freshness};
use crate::retry::{RetryBudget, RetryConfig};
use crate::room::Rooms;
use crate::settle::{Consumed, Settler};
use crate::snapshot::Snapshot;
use crate::stream::MeteredStream;
use crate::target::Wards;
use crate::watch::Watch;
use crate::{Inbound, Refusal, tier};

/// How long a request waits for room for its body.
const ROOM_PATIENCE: Duration = Duration::from_secs(2);

/// How the gateway behaves.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// Milliseconds between two looks at whether keys, limits or models changed.
    pub refresh_ms: u64,
    /// Seconds between two health probes of every provider; 0: none.
    pub probe_secs: u64,
    /// Retries.
    pub retry: RetryConfig,
    /// Bytes of request bodies that are being read or answered, all together.
    pub body_room_bytes: usize,
    /// Calls at once, and who goes first.
    pub queue: QueueConfig,
    /// Budgets, when the database is slow or away.
    pub budgets: BudgetsConfig,
}

/// Budgets, when the database is slow or away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetsConfig {
    /// Milliseconds that the database may take for a lease.
    pub patience_ms: u64,
    /// Percent of a budget that all nodes together may spend while the database does not answer, of
    /// an account that they have no lease of.
    pub share_when_lost_percent: u32,
    /// Whether calls without a price are refused where a hard budget holds them.
    pub refuse_unpriced: bool,
}

impl Default for BudgetsConfig {
    fn default() -> Self {
        let SpendingConfig { patience, share_when_lost_percent, refuse_unpriced } =
            SpendingConfig::default();
        let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        Self { patience_ms, share_when_lost_percent, refuse_unpriced }
    }
}

impl From<BudgetsConfig> for SpendingConfig {
    fn from(config: BudgetsConfig) -> Self {
        let BudgetsConfig { patience_ms, share_when_lost_percent, refuse_unpriced } = config;
        Self {
            patience: Duration::from_millis(patience_ms),
            share_when_lost_percent,
            refuse_unpriced,
        }
    }
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            refresh_ms: 250,
            probe_secs: 30,
            retry: RetryConfig::default(),
            body_room_bytes: 256 * 1024 * 1024,
            queue: QueueConfig::default(),
            budgets: BudgetsConfig::default(),
        }
    }
}

/// What a gateway is made of.
pub struct Parts {
    /// How it behaves.
    pub config: GatewayConfig,
    /// What the configuration file and the environment say.
    pub catalog: Catalog,
    /// Where keys, limits and models are.
    pub store: Store,
    /// Where calls are settled.
    pub journal: Arc<Journal>,
    /// What speaks to providers.
    pub rack: Rack,
    /// The time.
    pub clock: SharedClock,
    /// Randomness.
    pub rng: SharedRng,
    /// What stands beside the gateway.
    pub beside: Beside,
}

/// What stands beside a gateway. One that is alone has nothing.
#[derive(Debug, Default)]
pub struct Beside {
    /// Who looks on while calls come and go.
    pub watches: Vec<Arc<dyn Watch>>,
    /// Where limits are counted for several nodes.
    pub sharing: Option<Sharing>,
    /// This node's name: the same after a restart, and no other node's.
    pub node: String,
}

/// The life of calls. One per node.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) config: GatewayConfig,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) catalog: Catalog,
    pub(crate) store: Store,
    pub(crate) journal: Arc<Journal>,
    pub(crate) rack: Rack,
    pub(crate) wards: Wards,
    pub(crate) discovery: Discovery,
    pub(crate) clock: SharedClock,
    pub(crate) freshness: Freshness,
    pub(crate) admin_uses: AdminUses,
    pub(crate) queue: Arc<Queue>,
    rooms: Rooms,
    pub(crate) gate: Gate,
    settler: Arc<Settler>,
    caller: Caller,
    idempotency: Arc<Idempotency>,
}

/// An answered call.
pub struct Reply {
    /// The provider's status.
    pub status: StatusCode,
    /// The provider's headers that are worth handing on.
    pub headers: HeaderMap,
    /// What is left of the tightest limits.
    pub limits: RateLimitHeaders,
    /// What was asked of the provider that answered: its body has that operation's format. A
    /// response may be made of a chat completion.
    pub format: Operation,
    /// The provider that answered, by name; empty for an answer that was given before.
    pub provider: Arc<str>,
    /// Whether the provider sees to it that the answer fits a strict JSON schema.
    pub enforces_schemas: bool,
    /// Whether this answer was given before, to the same `Idempotency-Key`.
    pub replayed: bool,
    /// The answer.
    pub body: ReplyBody,
}

/// An answer's body.
pub enum ReplyBody {
    /// A JSON document.
    Whole(Bytes),
    /// Server-sent events, all there already.
    Replay(Bytes),
    /// Server-sent events as they come.
    Stream(Box<MeteredStream>),
}

impl Gateway {
    /// A gateway with its first snapshot read.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open(parts: Parts) -> Result<Arc<Self>, store::StoreError> {
        let Parts { config, catalog, store, journal, rack, clock, rng, beside } = parts;
        let limiter = match beside.sharing {
            Some(sharing) => Limiter::shared(Arc::clone(&clock), sharing),
            None => Limiter::new(Arc::clone(&clock)),
        };
        let bank = Arc::new(StoreBank::new(store.clone(), &beside.node, &*rng));
        let spending = Spending::new(bank, Arc::clone(&clock), config.budgets.into());
        let settler = Settler::new(Arc::clone(&journal), Arc::clone(&clock), beside.watches);
        let (wards, discovery) = (Wards::default(), Discovery::default());
        let reading = refresh::Reading {
            store: &store,
            catalog: &catalog,
            rack: &rack,
            wards: &wards,
            found: &discovery.found(),
        };
        let snapshot = reading.read(None).await?;
        Ok(Arc::new(Self {
            config,
            snapshot: ArcSwap::from_pointee(snapshot),
            catalog,
            store,
            settler: Arc::new(settler),
            queue: Queue::new(config.queue),
            rooms: Rooms::new(config.body_room_bytes, ROOM_PATIENCE),
            journal,
            rack,
            wards,
            discovery,
            gate: Gate { limiter, spending },
            idempotency: Idempotency::new(Arc::clone(&clock)),
            caller: Caller {
                clock: Arc::clone(&clock),
                rng,
                retry: config.retry,
                budget: RetryBudget::default(),
            },
            clock,
            freshness: Freshness::default(),
            admin_uses: AdminUses::default(),
        }))
    }

    /// Whose call this is. First, so that a stranger's body is never read.
    ///
    /// # Errors
    /// When nobody we know shows this credential.
    pub fn identify(&self, presented: Presented<'_>) -> Result<Identified, Refusal> {
        identify::identify(self.snapshot.load_full(), presented, self.clock.now())
    }

    /// Goes on with work that an owner's key began, as long as that key works.
    ///
    /// # Errors
    /// [`Refusal::KeyGone`]
    pub fn on_behalf(&self, owner: &Owner) -> Result<Identified, Refusal> {
        identify::on_behalf(self.snapshot.load_full(), owner, self.clock.now())
    }

    /// How long an owner's content may be kept, whether or not its key still works.
    pub fn retention(&self, owner: &Owner) -> Retention {
        self.snapshot.load().retention(owner)
    }

    /// The answers that are kept for an `Idempotency-Key`.
    pub fn idempotency(&self) -> &Arc<Idempotency> {
        &self.idempotency
    }

    /// Answers a call.
    ///
    /// # Errors
    /// [`Refusal`], which says why there is no answer.
    pub async fn answer(&self, identified: Identified, inbound: Inbound) -> Result<Reply, Refusal> {
        let operation = inbound.operation;
        let answered = self.govern(identified, inbound).await;
        if let Err(refusal) = &answered {
            self.settler.refused(refusal, operation);
        }
        answered
    }

    /// From *admit* to the beginning of an answer.
    async fn govern(&self, identified: Identified, inbound: Inbound) -> Result<Reply, Refusal> {
        if self.settler.stopping() {
            return Err(Refusal::Stopping);
        }
        if !self.journal.takes_calls() {
            return Err(Refusal::CannotRecord);
        }
        let mut ticket = None;
        if let Some(key) = inbound.idempotency_key() {
            let (project, operation) = (&identified.caller.project, inbound.operation);
            match self.idempotency.claim(project, operation, key, &inbound.body)? {
                Claim::Again(kept) => return Ok(again(kept, operation)),
                Claim::First(first) => ticket = Some(first),
            }
        }
        let mut admitted = admit::admit(&self.settler, &self.gate, identified, inbound).await?;
        match self.call(&mut admitted).await {
            Ok(answered) => Ok(reply(admitted, answered, ticket)),
            Err(refusal) => {
                let (outcome, status) = (refusal.outcome(), refusal.status());
                if refusal.was_answered() {
                    admitted.receipt.settle(outcome, status, Consumed::default());
                } else {
                    admitted.receipt.fail(outcome, status);
                }
                Err(refusal)
            }
        }
    }

    /// Waits for a place among the calls under way, then asks target after target.
    async fn call(&self, admitted: &mut Admitted) -> Result<Answered, Refusal> {
        admitted.receipt.placed(self.queue.enter(admitted.receipt.tier()).await?);
        self.caller.call(admitted).await
    }

    /// Room for the bodies of requests.
    pub fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// The state of the world as this node knows it.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Where calls are settled.
    pub fn settler(&self) -> &Settler {
        &self.settler
    }

    /// How the journal is doing. It looks at files.
    pub fn journal(&self) -> JournalState {
        self.journal.state()
    }

    /// Calls that wait for a place, by tier.
    pub fn waiting(&self) -> [(ServiceTier, usize); 3] {
        let [priority, default, flex] = self.queue.waiting();
        let [first, second, third] = ServiceTier::ALL;
        [(first, priority), (second, default), (third, flex)]
    }

    /// How the counters are that nodes share.
    pub fn shared_limits(&self) -> SharedState {
        self.gate.limiter.shared_state()
    }

    /// Gives back what this node holds of limits and budgets. At the end, when its records are in the
    /// database.
    pub async fn leave(&self) {
        tokio::join!(self.gate.limiter.leave(), self.gate.spending.leave());
    }

    /// Waits until every call settled so far is in the database, or `patience` is over. Returns
    /// whether it is.
    pub async fn settled_calls_are_stored(&self, patience: Duration) -> bool {
        self.journal.carried(patience).await
    }
}

/// Phase *settle*, for an answer that has begun.
fn reply(admitted: Admitted, answered: Answered, ticket: Option<Ticket>) -> Reply {
    let Admitted { inbound, envelope, mut receipt, limits, .. } = admitted;
    let Answered { answer, turn, format, provider, enforces_schemas } = answered;
    let (status, headers) = (answer.status, answer.headers);
    let body = match answer.body {
        AnswerBody::Whole { document: body, usage } => {
            receipt.first_byte();
            // A provider may have a tier of its own for all calls of an account.
            let tier = tier::answered_in(&body);
            let output = match usage {
                Some(_) => OutputText::default(),
                None => meter::output_text(format, &body),
            };
            let consumed = Consumed { usage, output, tier };
            receipt.settle(Outcome::Completed, status.as_u16(), consumed);
            if let Some(ticket) = ticket {
                let (headers, body) = (headers.clone(), body.clone());
                ticket.keep(Kept { status, headers, body, streamed: false });
            }
            ReplyBody::Whole(body)
        }
        AnswerBody::Events(events) => {
            let meter = match format {
                Operation::Responses => StreamMeter::of_response(),
                // A response that is made of a chat tells its usage, too.
                _ if inbound.operation == Operation::Responses => StreamMeter::new(true),
                _ => StreamMeter::new(envelope.include_usage),
            };
            let stream = MeteredStream::new(events, meter, receipt, turn);
            let ticket = ticket.map(|ticket| (ticket, headers.clone()));
            ReplyBody::Stream(Box::new(stream.kept_by(ticket)))
        }
    };
    Reply { status, headers, limits, format, provider, enforces_schemas, replayed: false, body }
}

/// An answer that was given before.
fn again(kept: Kept, format: Operation) -> Reply {
    let Kept { status, headers, body, streamed } = kept;
    let body = if streamed { ReplyBody::Replay(body) } else { ReplyBody::Whole(body) };
    let (limits, provider) = (RateLimitHeaders::default(), Arc::default());
    let enforces_schemas = true;
    Reply { status, headers, limits, format, provider, enforces_schemas, replayed: true, body }
}
