//! The making of one background response, from its lease to its end.

use std::sync::Arc;
use std::time::Duration;

use gateway::Refusal;
use http::HeaderMap;
use kernel::ResponseId;
use store::ResponseRow;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use wire::responses::CreateRequest;

use crate::Refused;
use crate::background::{Running, ended, owner};
use crate::engine::Responses;
use crate::keeping::Keeping;
use crate::live::{Live, Log};
use crate::run::{Call, Run, Step};
use crate::state::{State, read_items};

/// How long a response waits for limits and providers before it has failed.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A response waits for a budget that calls under way hold, but not for one that is used up for longer
/// than this: the next day or month is too far away.
const PATIENCE_WITH_BUDGETS: Duration = Duration::from_secs(60);

/// A place among those that a node makes at once.
type Place = Option<OwnedSemaphorePermit>;

/// Tells everybody when the making of a response is over, however it ended.
struct Making {
    responses: Responses,
    id: ResponseId,
    live: Arc<Live>,
}

impl Drop for Making {
    fn drop(&mut self) {
        self.live.close();
        self.responses.lock().remove(&self.id);
        // There may be more in the queue than there were places for.
        self.responses.waiting.notify_one();
    }
}

impl Responses {
    /// Begins to make a response that this node holds.
    pub(crate) fn start(&self, row: ResponseRow, mut place: Place) -> Arc<Live> {
        let live = Arc::new(Live::default());
        let (responses, id, scope) = (self.clone(), row.id.clone(), owner(&row).scope());
        let mut running = self.lock();
        let making = Making { responses, id: id.clone(), live: Arc::clone(&live) };
        tokio::spawn(async move {
            making.responses.make(&row, &making.live, &mut place).await;
            // Before the queue is looked at again.
            drop(place);
            drop(making);
        });
        running.insert(id, Running { live: Arc::clone(&live), scope });
        live
    }

    async fn make(&self, row: &ResponseRow, live: &Arc<Live>, place: &mut Place) {
        let Err(refused) = self.try_make(row, live, place).await else { return };
        if let Err(error) = self.fail(row, &refused.error(), self.clock.now()).await {
            // Its lease runs out, and another look ends it.
            tracing::warn!(id = %row.id, %error, "a background response's failure waits to be written down");
        }
    }

    async fn try_make(
        &self,
        row: &ResponseRow,
        live: &Arc<Live>,
        place: &mut Place,
    ) -> Result<(), Refused> {
        let caller = self.gateway.on_behalf(&owner(row))?;
        if caller.retention().zero {
            return Err(Refused::zero_data_retention("a background response"));
        }
        let scope = caller.scope();
        let request = CreateRequest::parse(row.request.as_deref().unwrap_or_default())?;
        let mut state = State::of(self, &scope, &request, &row.id, None).await?;
        // The input has had its ids since it was queued.
        state.input = read_items(&row.input);
        let call = Call {
            _room: None,
            id: row.call.clone(),
            arrived: self.clock.now(),
            headers: HeaderMap::new(),
            batch: None,
        };
        let (id, created_at) = (row.id.clone(), row.created_at);
        let finish = Keeping::Finish;
        let mut run = Run::with(self, caller, request, call, id, created_at, state, finish).await?;
        if row.streamed {
            live.push(run.synthesis.queued());
            run.log = Some(Log::new(Arc::clone(live), scope, row.id.clone()));
        }
        let until = self.clock.now().plus(self.config.lease());
        let body = ended(&row.body, "in_progress", None);
        if !self.store.response_start(&row.id, &self.node, until, &body).await? {
            // It was cancelled while it waited.
            return Ok(());
        }
        tokio::select! {
            opened = self.open_patiently(&mut run, live, place) => opened?,
            () = live.stopped() => return Ok(()),
        }
        self.drive(run, live).await;
        Ok(())
    }

    /// Opens a run, waiting where limits or providers ask for patience. Others have its place
    /// meanwhile.
    async fn open_patiently(
        &self,
        run: &mut Run,
        live: &Live,
        place: &mut Place,
    ) -> Result<(), Refused> {
        let end = self.clock.now().plus(PATIENCE);
        let mut pause = Duration::from_millis(250);
        loop {
            live.asked(true);
            let refused = match run.open(true).await {
                Ok(_opened) => return Ok(()),
                Err(refused) => refused,
            };
            let Refused::Call(refusal) = &refused else { return Err(refused) };
            let asked_to = refusal.retry_after();
            let passing = asked_to.is_some() || matches!(refusal.status(), 429 | 502 | 503 | 504);
            if !passing || is_used_up(refusal) || self.clock.now() >= end {
                return Err(refused);
            }
            live.asked(false);
            *place = None;
            tokio::time::sleep(asked_to.unwrap_or(pause).min(LONGEST_PAUSE)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            // It fails only where nothing is made any more.
            *place = Arc::clone(&self.places).acquire_owned().await.ok();
            run.new_call();
        }
    }

    /// Drives a run to its end, or until nobody wants it any more. Its events go to those who
    /// follow and into the log.
    async fn drive(&self, mut run: Run, live: &Live) {
        loop {
            let step = tokio::select! {
                step = run.step() => step,
                // Dropping the run hangs up on the provider.
                () = live.stopped() => break,
            };
            let (events, ending) = match step {
                None => break,
                Some(Step::Events(events)) => (events, None),
                Some(Step::End(events, ending)) => (events, Some(ending)),
            };
            // Without a log nobody can follow.
            let follows = run.log.is_some();
            if follows {
                live.push(events);
            }
            if let Some(ending) = ending {
                let last = run.over(ending).await;
                if follows {
                    live.push(last);
                }
            }
            if let Some(log) = run.log.as_mut().filter(|log| log.due <= Instant::now()) {
                log.write(&self.store).await;
            }
        }
        if let Some(log) = &mut run.log {
            log.write(&self.store).await;
        }
    }
}

/// Whether a rule stands against the call that waiting does not change.
fn is_used_up(refusal: &Refusal) -> bool {
    let Refusal::Admission(refused) = refusal else { return false };
    let is_budget = matches!(refused, admission::Refusal::BudgetReached(_));
    let too_long = |wait| is_budget && wait > PATIENCE_WITH_BUDGETS;
    refused.retry_after().is_none_or(too_long)
}
