//! A target: one upstream model of one provider, with what is known of its health.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::catalog::{FailureClass, Timeouts};
use kernel::{Operation, Timestamp};
use providers::Provider;

use crate::breaker::Breaker;
pub use crate::breaker::BreakerState;
use crate::latency::Latency;

/// One upstream model of one provider, as an alias uses it.
#[derive(Debug, Clone)]
pub struct Target {
    /// The provider's name.
    pub provider_name: Arc<str>,
    /// The provider's kind: `openai`, `anthropic`, ...
    pub provider_kind: Arc<str>,
    /// Whether the provider is the vendor's own service, so that its list prices apply.
    pub vendor_endpoint: bool,
    /// The model's name at the provider.
    pub model: Arc<str>,
    /// Its share of the alias's calls.
    pub weight: u32,
    /// What it can do; empty: all that its provider can.
    pub operations: Vec<Operation>,
    /// The provider itself.
    pub provider: Arc<dyn Provider>,
    /// How long each step of a call may take.
    pub timeouts: Timeouts,
    /// Calls under way at once; `None`: no limit.
    pub max_concurrent: Option<u32>,
    /// What is known of its health; it outlives configuration changes.
    pub health: Arc<Health>,
}

impl Target {
    /// Whether this target can do `operation`.
    pub fn supports(&self, operation: Operation) -> bool {
        self.asked(operation).is_some()
    }

    /// What the target is asked for when `operation` is wanted: itself or, for a response that it
    /// has not got, a chat completion that one is made of.
    pub(crate) fn asked(&self, operation: Operation) -> Option<Operation> {
        let instead = (operation == Operation::Responses).then_some(Operation::ChatCompletions);
        [Some(operation), instead].into_iter().flatten().find(|operation| {
            (self.operations.is_empty() || self.operations.contains(operation))
                && self.provider.supports(*operation)
        })
    }

    /// A place among the calls under way, or `None` when the target is full.
    pub fn enter(&self) -> Option<Place> {
        let most = self.max_concurrent.unwrap_or(u32::MAX);
        let counted =
            self.health.under_way.fetch_update(Ordering::AcqRel, Ordering::Acquire, |under_way| {
                (under_way < most).then_some(under_way + 1)
            });
        counted.is_ok().then(|| Place(Arc::clone(&self.health)))
    }
}

/// What is known of a target's health.
#[derive(Debug, Default)]
pub struct Health {
    breaker: Mutex<Breaker>,
    latency: Latency,
    under_way: AtomicU32,
    /// Set by the health probe.
    probe_failed: AtomicBool,
}

impl Health {
    /// Whether a call may go there now. While half open, one call at a time may try.
    pub fn lets_through(&self, now: Timestamp) -> bool {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).lets_through(now)
    }

    /// Where the breaker stands.
    pub fn breaker(&self, now: Timestamp) -> BreakerState {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).state(now)
    }

    /// A call was answered; its first byte came after `first_byte`.
    pub fn answered(&self, now: Timestamp, first_byte: Duration) {
        self.latency.observe(first_byte);
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).succeeded(now);
    }

    /// A call failed.
    pub fn failed(&self, now: Timestamp, class: FailureClass) {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        if class.counts_against_target() {
            breaker.failed(now);
        } else {
            breaker.succeeded(now);
        }
    }

    /// A call that was let through ended without telling anything: the client hung up first.
    pub fn abandoned(&self) {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).abandoned();
    }

    /// What the last health probe found.
    pub fn probed(&self, answered: bool) {
        self.probe_failed.store(!answered, Ordering::Relaxed);
    }

    /// Whether the last health probe failed.
    pub fn probe_failed(&self) -> bool {
        self.probe_failed.load(Ordering::Relaxed)
    }

    /// The usual time to the first byte; `None` before the first answer.
    pub fn usual_latency(&self) -> Option<Duration> {
        self.latency.usual()
    }

    /// Calls under way now.
    pub fn under_way(&self) -> u32 {
        self.under_way.load(Ordering::Relaxed)
    }
}

/// A place among a target's calls under way; given back when dropped.
#[derive(Debug)]
pub struct Place(Arc<Health>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The health of every target, by provider and model: it outlives the snapshots that use it.
#[derive(Debug, Default)]
pub struct Wards(Mutex<HashMap<TargetName, Arc<Health>>>);

/// A provider's name and a model's name there.
type TargetName = (Arc<str>, Arc<str>);

impl Wards {
    /// The health of one target, new if it was never seen.
    pub fn health(&self, provider: &Arc<str>, model: &Arc<str>) -> Arc<Health> {
        let mut wards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(wards.entry((Arc::clone(provider), Arc::clone(model))).or_default())
    }

    /// Tells all targets of a provider what its health probe found.
    pub fn probed(&self, provider: &str, answered: bool) {
        let wards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for ((name, _), health) in wards.iter() {
            if name.as_ref() == provider {
                health.probed(answered);
            }
        }
    }

    /// Forgets targets that no snapshot uses any more.
    pub fn sweep(&self) {
        let mut wards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wards.retain(|_, health| Arc::strong_count(health) > 1);
    }
}
