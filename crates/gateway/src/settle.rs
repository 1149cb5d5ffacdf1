//! Phase *settle*: what an admitted call used, cost and how it ended, written exactly once.
//!
//! The [`Receipt`] is made when a call is admitted and travels with it. Whoever ends the call ends
//! the receipt; a receipt that is dropped settles itself, so a client that hangs up, a task that is
//! cancelled and a node that is stopped leave their record too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use admission::Permit;
use bytes::Bytes;
use kernel::{CallRecord, Outcome, SharedClock, Usage};
use tokio::sync::Notify;
use wire::meter::OutputText;

use crate::journal::Journal;
use crate::snapshot::Snapshot;
use crate::target::Target;
use crate::tokenizer;

/// Up to so many bytes, a request is counted token by token; a longer one by its size, so that no
/// call holds others up.
const COUNTED_WHOLE: usize = 128 * 1024;

/// Where receipts are settled. One per node.
#[derive(Debug)]
pub struct Settler {
    journal: Arc<Journal>,
    clock: SharedClock,
    under_way: AtomicU64,
    nothing_under_way: Notify,
    stopping: AtomicBool,
}

impl Settler {
    /// A settler that writes to `journal`.
    pub fn new(journal: Arc<Journal>, clock: SharedClock) -> Self {
        Self {
            journal,
            clock,
            under_way: AtomicU64::new(0),
            nothing_under_way: Notify::new(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Opens the receipt of a call that was just admitted.
    pub(crate) fn open(self: &Arc<Self>, opening: Opening) -> Receipt {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        Receipt { settler: Arc::clone(self), open: Some(Box::new(opening)) }
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

    fn write(&self, mut opening: Box<Opening>, ending: &Ending) {
        let record = &mut opening.record;
        record.outcome = ending.outcome;
        record.status = ending.status;
        let usage = record.usage;
        record.cost = opening.snapshot.prices.cost(
            &record.provider,
            opening.price_kind.as_deref().unwrap_or_default(),
            &record.upstream_model,
            opening.tier.as_deref(),
            &usage,
            record.started_at,
        );
        log(record);
        opening.permit.settle(usage.total());
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
    pub(crate) snapshot: Arc<Snapshot>,
    /// The client's body, for counting what no provider reports.
    pub(crate) body: Bytes,
    /// The bytes of its input, where images and files count little.
    pub(crate) input_bytes: u64,
    /// The provider's kind, where its list prices apply.
    pub(crate) price_kind: Option<Arc<str>>,
    /// The service tier that the call was answered in, unless it is the standard one.
    pub(crate) tier: Option<String>,
}

/// The obligation to settle one admitted call.
#[derive(Debug)]
pub(crate) struct Receipt {
    settler: Arc<Settler>,
    open: Option<Box<Opening>>,
}

/// What a provider sent, as far as settlement cares.
#[derive(Debug, Default)]
pub(crate) struct Consumed {
    /// As the provider reported it.
    pub(crate) usage: Option<Usage>,
    /// What the model wrote, for counting where it reported nothing.
    pub(crate) output: OutputText,
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

    /// The call was answered in this service tier.
    pub(crate) fn in_tier(&mut self, tier: String) {
        if let Some(open) = &mut self.open {
            open.tier = Some(tier);
        }
    }

    /// A part of the answer is there; the first one counts.
    pub(crate) fn first_byte(&mut self) {
        if let Some(open) = &mut self.open
            && open.record.first_byte_us.is_none()
        {
            let now = self.settler.clock.now();
            open.record.first_byte_us = Some(micros(now.since(open.record.started_at)));
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
        let now = self.settler.clock.now();
        open.record.duration_us = micros(now.since(open.record.started_at));
        let settler = Arc::clone(&self.settler);
        match consumed {
            None => settler.write(open, &ending),
            Some(Consumed { usage: Some(usage), .. }) => {
                open.record.usage = usage;
                settler.write(open, &ending);
            }
            Some(Consumed { usage: None, output }) => {
                open.record.usage = estimate(&open, &output);
                settler.write(open, &ending);
            }
        }
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
