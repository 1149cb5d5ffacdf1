//! The spine: one call from its arrival to its settlement, top to bottom.

use std::sync::Arc;
use std::time::Duration;

use admission::{Limiter, RateLimitHeaders};
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use identity::Presented;
use kernel::{Operation, Outcome, Retention, SharedClock, SharedRng};
use providers::{AnswerBody, Rack};
use serde::Deserialize;
use store::Store;
use wire::meter::{self, OutputText, StreamMeter};

use crate::administer::AdminUses;
use crate::admit::{self, Admitted};
use crate::call::{Answered, Caller};
use crate::catalog::Catalog;
use crate::discovery::Discovery;
use crate::idempotency::{Claim, Idempotency, Kept, Ticket};
use crate::identify::{self, Identified, Owner};
use crate::journal::Journal;
use crate::refresh::{self, Freshness};
use crate::retry::{RetryBudget, RetryConfig};
use crate::settle::{Consumed, Settler};
use crate::snapshot::Snapshot;
use crate::stream::MeteredStream;
use crate::target::Wards;
use crate::{Inbound, Refusal, tier};

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
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self { refresh_ms: 250, probe_secs: 30, retry: RetryConfig::default() }
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
    limiter: Limiter,
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
        let Parts { config, catalog, store, journal, rack, clock, rng } = parts;
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
            settler: Arc::new(Settler::new(Arc::clone(&journal), Arc::clone(&clock))),
            journal,
            rack,
            wards,
            discovery,
            limiter: Limiter::new(Arc::clone(&clock)),
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
        if self.settler.stopping() {
            return Err(Refusal::Stopping);
        }
        let mut ticket = None;
        if let Some(key) = inbound.idempotency_key() {
            let (project, operation) = (&identified.caller.project, inbound.operation);
            match self.idempotency.claim(project, operation, key, &inbound.body)? {
                Claim::Again(kept) => return Ok(again(kept, operation)),
                Claim::First(first) => ticket = Some(first),
            }
        }
        let mut admitted = admit::admit(&self.settler, &self.limiter, identified, inbound)?;
        match self.caller.call(&mut admitted).await {
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

    /// The state of the world as this node knows it.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Where calls are settled.
    pub fn settler(&self) -> &Settler {
        &self.settler
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
            // Only a batch asks for a tier by itself; other answers need not be read for it.
            if let Some(tier) = inbound.batch.as_ref().and_then(|_| tier::answered_in(&body)) {
                receipt.in_tier(tier);
            }
            let output = match usage {
                Some(_) => OutputText::default(),
                None => meter::output_text(format, &body),
            };
            let consumed = Consumed { usage, output };
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
