//! Phase *settle*: what an admitted call used, cost and how it ended, written exactly once.
//!
//! The [`Receipt`] is made when a call is admitted and travels with it. Whoever ends the call ends
//! the receipt; a receipt that is dropped settles itself, so a client that hangs up, a task that is
//! cancelled and a node that is stopped leave their record too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use admission::{Permit, Reservation};
use bytes::Bytes;
use http::HeaderValue;
use kernel::{CallRecord, Operation, Outcome, ServiceTier, SharedClock, Usage};
use tokio::sync::Notify;
use wire::meter::OutputText;

use crate::journal::Journal;
use crate::queue::Place;
use crate::room::Room;
use crate::snapshot::Snapshot;
use crate::target::Target;
use crate::{Refusal, tier, tokenizer};

use crate::watch::Watch;

/// Up to so many bytes, a request is counted token by token; a longer one by its size, so that no
/// call holds others up.
const COUNTED_WHOLE: usize = 128 * 1024;

/// The longest time that a request's arrival may have taken; what the clocks say beyond that is
/// somebody having set one of them.
const LONGEST_ARRIVAL: Duration = Duration::from_secs(3_600);

/// Where receipts are settled. One per node.
#[derive(Debug)]
pub struct Settler {
    journal: Arc<Journal>,
    clock: SharedClock,
    watches: Vec<Arc<dyn Watch>>,
    under_way: AtomicU64,
    nothing_under_way: Notify,
    stopping: AtomicBool,
}

impl Settler {
    /// A settler that writes to `journal`, and tells those who look on.
    pub(crate) fn new(
        journal: Arc<Journal>,
        clock: SharedClock,
        watches: Vec<Arc<dyn Watch>>,
    ) -> Self {
        Self {
            journal,
            clock,
            watches,
            under_way: AtomicU64::new(0),
            nothing_under_way: Notify::new(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Opens the receipt of a call that was just admitted.
    pub(crate) fn open(self: &Arc<Self>, opening: Opening) -> Receipt {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        let before = self.clock.now().since(opening.record.started_at).min(LONGEST_ARRIVAL);
        let begun = self.clock.monotonic().saturating_sub(before);
        Receipt { settler: Arc::clone(self), begun, open: Some(Box::new(opening)) }
    }

    /// Tells those who look on that a call was not answered.
    pub(crate) fn refused(&self, refusal: &Refusal, operation: Operation) {
        for watch in &self.watches {
            watch.refused(refusal, operation);
        }
    }

    /// Microseconds since a receipt was begun. The time of day may be set meanwhile; this does not
    /// see it.
    fn since(&self, begun: Duration) -> u64 {
        micros(self.clock.monotonic().saturating_sub(begun))
    }

    /// Calls admitted and not yet settled.
    pub fn under_way(&self) -> u64 {
        self.under_way.load(Ordering::Acquire)
    }

    /// From now on, calls that are cut off are cut off by this node, not by their clients.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether this node was asked to stop.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Waits until no call is under way, or `patience` is over. Returns whether none is.
    pub async fn idle(&self, patience: Duration) -> bool {
        let wait = async {
            loop {
                let notified = self.nothing_under_way.notified();
                if self.under_way() == 0 {
                    return;
                }
                notified.await;
            }
        };
        tokio::time::timeout(patience, wait).await.is_ok()
    }

    fn write(&self, mut opening: Box<Opening>, ending: &Ending, tier: Option<&str>) {
        let record = &mut opening.record;
        record.outcome = ending.outcome;
        record.status = ending.status;
        let usage = record.usage;
        let price = |tier| {
            opening.snapshot.prices.cost(
                &record.provider,
                opening.price_kind.as_deref().unwrap_or_default(),
                &record.upstream_model,
                tier,
                &usage,
                record.started_at,
            )
        };
        // A tier whose price nobody wrote down costs as much as the standard one, as far as is known.
        record.cost = price(tier).or_else(|| tier.and_then(|_| price(None)));
        log(record);
        opening.permit.settle(usage.total());
        opening.reservation.settle(record.cost);
        let traceparent = opening.traceparent.as_ref().and_then(|value| value.to_str().ok());
        for watch in &self.watches {
            watch.settled(record, traceparent);
        }
        self.journal.append(opening.record);
        if self.under_way.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.nothing_under_way.notify_waiters();
        }
    }
}

/// What is known of a call when it is admitted.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) record: CallRecord,
    pub(crate) permit: Permit,
    pub(crate) reservation: Reservation,
    pub(crate) snapshot: Arc<Snapshot>,
    /// The client's body, for counting what no provider reports.
    pub(crate) body: Bytes,
    /// The bytes of its input, where images and files count little.
    pub(crate) input_bytes: u64,
    /// The provider's kind, where its list prices apply.
    pub(crate) price_kind: Option<Arc<str>>,
    /// The client's `traceparent`, for those who look on.
    pub(crate) traceparent: Option<HeaderValue>,
    /// Its place among the calls under way.
    pub(crate) place: Option<Place>,
    /// The room that its body takes.
    pub(crate) _room: Option<Room>,
}

/// The obligation to settle one admitted call.
#[derive(Debug)]
pub(crate) struct Receipt {
    settler: Arc<Settler>,
    /// When the call arrived, by the clock that only goes forward.
    begun: Duration,
    open: Option<Box<Opening>>,
}

/// What a provider sent, as far as settlement cares.
#[derive(Debug, Default)]
pub(crate) struct Consumed {
    /// As the provider reported it.
    pub(crate) usage: Option<Usage>,
    /// What the model wrote, for counting where it reported nothing.
    pub(crate) output: OutputText,
    /// The service tier that it says it answered in.
    pub(crate) tier: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct Ending {
    outcome: Outcome,
    status: u16,
}

impl Receipt {
    /// One more attempt, at this target.
    pub(crate) fn attempt(&mut self, target: &Target) {
        if let Some(open) = &mut self.open {
            open.record.attempts += 1;
            open.record.provider.clear();
            open.record.provider.push_str(&target.provider_name);
            open.record.upstream_model.clear();
            open.record.upstream_model.push_str(&target.model);
            open.price_kind = target.vendor_endpoint.then(|| Arc::clone(&target.provider_kind));
        }
    }

    /// How urgent the call is.
    pub(crate) fn tier(&self) -> ServiceTier {
        self.open.as_ref().map(|open| open.record.service_tier).unwrap_or_default()
    }

    /// The call has a place among those under way.
    pub(crate) fn placed(&mut self, place: Place) {
        if let Some(open) = &mut self.open {
            open.place = Some(place);
        }
    }

    /// A part of the answer is there; the first one counts.
    pub(crate) fn first_byte(&mut self) {
        if let Some(open) = &mut self.open
            && open.record.first_byte_us.is_none()
        {
            open.record.first_byte_us = Some(self.settler.since(self.begun));
        }
    }

    /// Ends the call without any consumption: it failed before an answer began.
    pub(crate) fn fail(mut self, outcome: Outcome, status: u16) {
        self.end(Ending { outcome, status }, None);
    }

    /// Ends the call. The record is in the journal when this returns.
    pub(crate) fn settle(mut self, outcome: Outcome, status: u16, consumed: Consumed) {
        self.end(Ending { outcome, status }, Some(consumed));
    }

    /// Ends a call whose answer was cut off; which end was at fault depends on who stopped.
    pub(crate) fn cut_off(mut self, consumed: Consumed) {
        let ending = self.cut_off_ending();
        self.end(ending, Some(consumed));
    }

    fn cut_off_ending(&self) -> Ending {
        // 499 is nginx's word for a client that closed its request; 503 is ours for stopping.
        if self.settler.stopping() {
            Ending { outcome: Outcome::Stopped, status: 503 }
        } else {
            Ending { outcome: Outcome::ClientClosed, status: 499 }
        }
    }

    fn end(&mut self, ending: Ending, consumed: Option<Consumed>) {
        let Some(mut open) = self.open.take() else { return };
        open.record.duration_us = self.settler.since(self.begun);
        let settler = Arc::clone(&self.settler);
        let mut tier = None;
        if let Some(consumed) = consumed {
            open.record.usage = match consumed.usage {
                Some(usage) => usage,
                None => estimate(&open, &consumed.output),
            };
            tier = consumed.tier.filter(|tier| !tier::is_standard(tier));
        }
        settler.write(open, &ending, tier.as_deref());
    }
}

impl Drop for Receipt {
    /// Nobody ended it: the call was cancelled before its answer began. If a provider was asked,
    /// it has at least read the input.
    fn drop(&mut self) {
        if let Some(open) = &self.open {
            let asked = open.record.attempts > 0;
            let ending = self.cut_off_ending();
            self.end(ending, asked.then(Consumed::default));
        }
    }
}

fn estimate(open: &Opening, output: &OutputText) -> Usage {
    let record = &open.record;
    let model = record.upstream_model.as_str();
    Usage {
        input: match open.body.len() <= COUNTED_WHOLE {
            true => tokenizer::count_request(model, record.operation, &open.body),
            false => open.input_bytes / tokenizer::BYTES_PER_TOKEN,
        },
        output: count_output(model, output),
        estimated: true,
        ..Usage::default()
    }
}

/// Counts the beginning, and takes the rest to be like it.
fn count_output(model: &str, output: &OutputText) -> u64 {
    let text = output.text.as_str();
    let counted = text.get(..text.floor_char_boundary(COUNTED_WHOLE)).unwrap_or(text);
    if counted.is_empty() {
        return 0;
    }
    let tokens = tokenizer::count_text(model, counted);
    let rest = (text.len() - counted.len()) as u64 + output.more_bytes;
    tokens.saturating_add(rest.saturating_mul(tokens) / counted.len() as u64)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// One line per call, without content. Calls that went well are told at `debug`.
fn log(record: &CallRecord) {
    macro_rules! tell {
        ($level:ident) => {
            tracing::$level!(
                target: "kijun::call",
                id = %record.id,
                project = %record.project,
                key = %record.api_key,
                operation = record.operation.as_str(),
                model = record.model,
                provider = record.provider,
                upstream_model = record.upstream_model,
                status = record.status,
                outcome = record.outcome.as_str(),
                attempts = record.attempts,
                stream = record.stream,
                duration_us = record.duration_us,
                input_tokens = record.usage.input,
                output_tokens = record.usage.output,
                "call settled"
            )
        };
    }
    match record.outcome {
        Outcome::Completed | Outcome::ClientClosed => tell!(debug),
        _ => tell!(info),
    }
}
