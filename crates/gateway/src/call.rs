//! Phase *call*: asks target after target until one answers, the attempts are used up, or another
//! attempt would be pointless. Only before the first byte: once an answer has begun, it is the
//! answer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kernel::catalog::FailureClass;
use kernel::{Clock, Operation, SharedClock, SharedRng, Timestamp};
use providers::{Answer, Failure, Outbound};
use wire::error::ErrorBody;

use crate::admit::Admitted;
use crate::retry::{RetryBudget, RetryConfig};
use crate::route::{Alias, Wish};
use crate::target::{BreakerState, Health, Place, Target};
use crate::{Refusal, tier};

/// What the attempts need.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) clock: SharedClock,
    pub(crate) rng: SharedRng,
    pub(crate) retry: RetryConfig,
    pub(crate) budget: RetryBudget,
}

/// A target's answer, and the turn there, which lasts as long as the answer does.
pub(crate) struct Answered {
    pub(crate) answer: Answer,
    pub(crate) turn: Turn,
    /// What was asked of the target, which is the format of its answer.
    pub(crate) format: Operation,
    /// The provider that answered.
    pub(crate) provider: Arc<str>,
    /// Whether it sees to it that answers fit a strict schema.
    pub(crate) enforces_schemas: bool,
}

impl Caller {
    /// Brings an answer, or the last failure.
    pub(crate) async fn call(&self, admitted: &mut Admitted) -> Result<Answered, Refusal> {
        self.budget.pay_in(&self.retry);
        let started = admitted.inbound.arrived;
        let patience = admitted.inbound.patience();
        let mut plan = Plan::new(Arc::clone(&admitted.alias));
        let mut last: Option<Failure> = None;
        let mut attempt = 0;
        while attempt < self.retry.max_attempts.get() {
            let now = self.clock.now();
            let Some(target) = plan.next(admitted, now, self) else { break };
            let Some(mut turn) = Turn::take(&target, now) else {
                plan.pass_over();
                continue;
            };
            if attempt > 0 && !self.budget.take(now) {
                break;
            }
            let total = target.timeouts.total().min(patience.unwrap_or(Duration::MAX));
            let now_left = |clock: &dyn Clock| total.saturating_sub(clock.now().since(started));
            let Some(left) = Some(now_left(&*self.clock)).filter(|left| !left.is_zero()) else {
                last.get_or_insert_with(|| {
                    Failure::silent(FailureClass::Timeout, "the call took longer than its deadline")
                });
                break;
            };
            attempt += 1;
            admitted.receipt.attempt(&target);
            let outbound = outbound(admitted, &target, left);
            let format = outbound.as_ref().map_or(Operation::Responses, |call| call.operation);
            let answer = match outbound {
                Ok(call) => target.provider.call(call).await,
                Err(failure) => Err(failure),
            };
            match answer {
                Ok(answer) => {
                    turn.answered(self.clock.now());
                    let provider = Arc::clone(&target.provider_name);
                    let enforces_schemas = target.provider.enforces_schemas();
                    return Ok(Answered { answer, turn, format, provider, enforces_schemas });
                }
                Err(failure) => {
                    turn.failed(self.clock.now(), failure.class);
                    drop(turn);
                    tracing::info!(
                        target: "kijun::call", id = %admitted.inbound.id,
                        provider = &*target.provider_name, upstream_model = &*target.model,
                        class = failure.class.as_str(), attempt, "an attempt failed"
                    );
                    let pause = plan.after_failure(&target, &failure, attempt + 1, self);
                    last = Some(failure);
                    if attempt == self.retry.max_attempts.get() {
                        break;
                    }
                    if let Some(pause) = pause {
                        if now_left(&*self.clock) <= pause {
                            // The client waits better than we can.
                            break;
                        }
                        tokio::time::sleep(pause).await;
                    }
                }
            }
        }
        Err(last.map_or_else(
            || Refusal::NoTarget { model: admitted.alias.name.to_string() },
            Refusal::Upstream,
        ))
    }
}

/// The call as this target is asked. A response of a target that has none of its own is made of a
/// chat completion.
fn outbound(admitted: &Admitted, target: &Target, deadline: Duration) -> Result<Outbound, Failure> {
    let inbound = &admitted.inbound;
    let operation = target.asked(inbound.operation).unwrap_or(inbound.operation);
    let body = match (inbound.operation, operation) {
        (Operation::Responses, Operation::Responses) => {
            wire::responses::native_request(&inbound.body, &target.provider_name).map(Bytes::from)
        }
        (Operation::Responses, _) => wire::responses::chat_request(&inbound.body).map(Bytes::from),
        _ => Ok(inbound.body.clone()),
    };
    Ok(Outbound {
        id: inbound.id.clone(),
        operation,
        model: Arc::clone(&target.model),
        body: tier::ask(admitted, target, operation, body.map_err(inexpressible)?),
        stream: admitted.envelope.stream,
        headers: inbound.forwarded(),
        deadline,
    })
}

/// A request that this target cannot be asked; another may.
#[expect(clippy::needless_pass_by_value, reason = "map_err hands the error over")]
fn inexpressible(error: ErrorBody) -> Failure {
    let param = error.param.as_deref().unwrap_or("input");
    Failure::inexpressible(FailureClass::Unsupported, param, &error.message)
}

/// The targets still to be tried.
struct Plan {
    /// `None` before the first look.
    targets: Option<VecDeque<Arc<Target>>>,
    alias: Arc<Alias>,
    fallbacks: VecDeque<String>,
    seen: Vec<Arc<str>>,
}

impl Plan {
    fn new(alias: Arc<Alias>) -> Self {
        let seen = vec![Arc::clone(&alias.name)];
        Self { targets: None, alias, fallbacks: VecDeque::new(), seen }
    }

    /// The next target, from the alias or, where it has none left, from its fallbacks.
    fn next(
        &mut self,
        admitted: &Admitted,
        now: Timestamp,
        caller: &Caller,
    ) -> Option<Arc<Target>> {
        loop {
            let wish = Wish {
                operation: admitted.inbound.operation,
                prompt_cache_key: admitted.envelope.prompt_cache_key.as_deref(),
            };
            if self.targets.is_none() {
                let ordered = self.alias.order(wish, now, &*caller.rng);
                if ordered.is_empty() {
                    self.queue_fallbacks_of_unwell();
                }
                self.targets = Some(ordered.into());
            }
            if let Some(target) = self.targets.as_ref().and_then(VecDeque::front) {
                return Some(Arc::clone(target));
            }
            let name = self.fallbacks.pop_front()?;
            let identified = &admitted.identified;
            let project = &identified.caller.project;
            if let Some(alias) = identified.snapshot.routes.get(&name)
                && !self.seen.contains(&alias.name)
                && identified.snapshot.models.allows(project, &alias.name)
            {
                self.seen.push(Arc::clone(&alias.name));
                self.alias = Arc::clone(alias);
                self.targets = None;
            }
        }
    }

    /// The target at the front is full or being tried by another call.
    fn pass_over(&mut self) {
        if let Some(targets) = &mut self.targets {
            targets.pop_front();
            if targets.is_empty() {
                self.queue_fallbacks_of_unwell();
            }
        }
    }

    /// Moves on after a failure; returns how long to wait before the next attempt.
    fn after_failure(
        &mut self,
        target: &Arc<Target>,
        failure: &Failure,
        next_attempt: u32,
        caller: &Caller,
    ) -> Option<Duration> {
        let targets = self.targets.get_or_insert_default();
        targets.pop_front();
        if !failure.class.another_may_succeed() {
            targets.clear();
        }
        if !targets.is_empty() {
            return None;
        }
        let before = self.fallbacks.len();
        self.queue_fallbacks(failure.class);
        if self.fallbacks.len() > before {
            return None;
        }
        let retry_after = retry_after(failure);
        let pause = caller.retry.backoff(next_attempt, failure.class, retry_after, &*caller.rng)?;
        self.targets.get_or_insert_default().push_back(Arc::clone(target));
        Some(pause)
    }

    /// Nobody was even asked: what made the targets rest was asked for before.
    fn queue_fallbacks_of_unwell(&mut self) {
        let alias = Arc::clone(&self.alias);
        self.fallbacks.extend(alias.fallbacks_of_unwell().map(str::to_owned));
    }

    fn queue_fallbacks(&mut self, class: FailureClass) {
        let alias = Arc::clone(&self.alias);
        self.fallbacks.extend(alias.fallbacks(class).map(str::to_owned));
    }
}

/// A call's turn at a target: a place among those under way, let through by its breaker. Dropped
/// before it was told how the call went, it makes room for another trial.
#[derive(Debug)]
pub(crate) struct Turn {
    health: Arc<Health>,
    _place: Place,
    began: Timestamp,
    /// Whether this is the one call that tries a resting target.
    trial: bool,
    told: bool,
}

impl Turn {
    /// A turn, unless the target is full or resting.
    fn take(target: &Target, now: Timestamp) -> Option<Self> {
        let place = target.enter()?;
        let health = Arc::clone(&target.health);
        let trial = health.breaker(now) == BreakerState::HalfOpen;
        if !health.lets_through(now) {
            return None;
        }
        Some(Self { health, _place: place, began: now, trial, told: false })
    }

    fn answered(&mut self, now: Timestamp) {
        self.told = true;
        self.health.answered(now, now.since(self.began));
    }

    fn failed(&mut self, now: Timestamp, class: FailureClass) {
        self.told = true;
        self.health.failed(now, class);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.trial && !self.told {
            self.health.abandoned();
        }
    }
}

/// The provider's `retry-after-ms` or `retry-after` in seconds.
fn retry_after(failure: &Failure) -> Option<Duration> {
    let headers = &failure.said.as_ref()?.headers;
    let number = |name| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let millis =
        number("retry-after-ms").or_else(|| number("retry-after").map(|secs| secs * 1e3))?;
    Duration::try_from_secs_f64(millis / 1e3).ok()
}
