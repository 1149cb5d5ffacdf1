//! Phase *route*: which targets may answer this call, in which order.
//!
//! An alias's targets share its calls by weight, bent towards those that answer sooner. Calls with
//! one `prompt_cache_key` go to one target as long as it is well, so that its prompt cache is hit.
//! Targets that rest behind their breaker come last or not at all; so do those whose health probe
//! failed.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use kernel::catalog::{FailureClass, Fallback};
use kernel::{Operation, Rng, Timestamp};

use crate::Refusal;
use crate::target::{BreakerState, Target};

/// How much latency may bend a weight: the slowest target keeps at least a quarter of its share.
const LEAST_BEND: f64 = 0.25;

/// All aliases.
#[derive(Debug, Default)]
pub struct Routes {
    aliases: HashMap<Arc<str>, Arc<Alias>>,
}

/// A model as clients name it.
#[derive(Debug)]
pub struct Alias {
    /// Its name.
    pub name: Arc<str>,
    /// When it was made, in seconds since the Unix epoch; 0 where nobody knows.
    pub created: i64,
    /// Who owns it, as `/v1/models` says.
    pub owned_by: Arc<str>,
    /// What serves it.
    pub targets: Vec<Arc<Target>>,
    /// Where its calls go when no target answers.
    pub fallbacks: Vec<Fallback>,
}

impl Routes {
    /// Of these aliases; of two with one name the first is kept.
    pub fn new(aliases: impl IntoIterator<Item = Alias>) -> Self {
        let mut routes = Self::default();
        for alias in aliases {
            routes.aliases.entry(Arc::clone(&alias.name)).or_insert_with(|| Arc::new(alias));
        }
        routes
    }

    /// The alias of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Alias>> {
        self.aliases.get(name)
    }

    /// How many aliases there are.
    pub fn len(&self) -> usize {
        self.aliases.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.aliases.is_empty()
    }

    /// All aliases, by name.
    pub fn sorted(&self) -> Vec<&Arc<Alias>> {
        let mut all: Vec<_> = self.aliases.values().collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The alias that a call names.
    ///
    /// # Errors
    /// [`Refusal::ModelNotFound`], and [`Refusal::OperationUnsupported`] when no target of the
    /// alias can do what is asked.
    pub fn resolve(&self, model: &str, operation: Operation) -> Result<&Arc<Alias>, Refusal> {
        let alias = self
            .get(model)
            .ok_or_else(|| Refusal::ModelNotFound { model: model.chars().take(100).collect() })?;
        if alias.targets.iter().any(|target| target.supports(operation)) {
            Ok(alias)
        } else {
            Err(Refusal::OperationUnsupported { model: alias.name.to_string(), operation })
        }
    }
}

/// What the choice depends on.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// What is asked for.
    pub operation: Operation,
    /// The client's `prompt_cache_key`.
    pub prompt_cache_key: Option<&'a str>,
}

impl Alias {
    /// The targets that can do it, best first; those that rest are left out.
    pub fn order(&self, wish: Wish<'_>, now: Timestamp, rng: &dyn Rng) -> Vec<Arc<Target>> {
        let able = self.targets.iter().filter(|target| target.supports(wish.operation));
        let mut scored: Vec<(bool, f64, Arc<Target>)> = able
            .filter(|target| target.health.breaker(now) != BreakerState::Open)
            .map(|target| (target.health.probe_failed(), 0.0, Arc::clone(target)))
            .collect();
        if scored.len() > 1 {
            let fastest =
                scored.iter().filter_map(|(_, _, target)| target.health.usual_latency()).min();
            for (_, score, target) in &mut scored {
                *score = match wish.prompt_cache_key {
                    Some(key) => draw(f64::from(target.weight), sticky(key, target)),
                    None => {
                        let own = target.health.usual_latency().or(fastest);
                        let bend = match (fastest, own) {
                            (Some(fastest), Some(own)) => {
                                (fastest.as_secs_f64() / own.as_secs_f64()).max(LEAST_BEND)
                            }
                            _ => 1.0,
                        };
                        draw(f64::from(target.weight) * bend, rng.next_f64())
                    }
                };
            }
            scored.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
        }
        scored.into_iter().map(|(_, _, target)| target).collect()
    }

    /// The aliases to try when every target is full, or rests after failures.
    pub fn fallbacks_of_unwell(&self) -> impl Iterator<Item = &str> {
        let is_for = |fallback: &&Fallback| {
            let on = fallback.on.as_slice();
            on.is_empty() || on.iter().any(|class| class.counts_against_target())
        };
        self.fallbacks.iter().filter(is_for).map(|fallback| fallback.model.as_str())
    }

    /// The aliases to try after a failure of this class.
    pub fn fallbacks(&self, class: FailureClass) -> impl Iterator<Item = &str> {
        self.fallbacks
            .iter()
            .filter(move |fallback| match fallback.on.as_slice() {
                [] => class.another_may_succeed(),
                on => on.contains(&class),
            })
            .map(|fallback| fallback.model.as_str())
    }
}

/// Weighted order from one uniform draw each: `u^(1/w)`, largest first, gives every target the
/// first place in proportion to its weight (Efraimidis and Spirakis 2006). Weight 0 comes last.
fn draw(weight: f64, uniform: f64) -> f64 {
    if weight > 0.0 { uniform.powf(1.0 / weight) } else { uniform - 1.0 }
}

/// A draw that depends on nothing but the key and the target: the same key has the same order on
/// every node and after every restart (rendezvous hashing).
fn sticky(key: &str, target: &Target) -> f64 {
    // DefaultHasher::default() has fixed keys.
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let hash = hasher.hash_one((key, &*target.provider_name, &*target.model));
    (hash >> 11) as f64 / (1u64 << 53) as f64
}
