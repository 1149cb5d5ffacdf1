//! Which series there are. Reading takes no lock; a new series replaces the table whole.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use kernel::Operation;

use crate::convention::Vendor;
use crate::family::OTHER;
use crate::series::Series;

/// Values that a label has at most; a provider is a label's value, and so is a model.
const LABEL_VALUES: usize = 200;

/// Combinations of operation, model and provider at most. A family that differs by these and by
/// the eight kinds of tokens has then 2 000 series.
const COMBINATIONS: usize = 250;

/// The series by operation, model and provider.
#[derive(Debug)]
pub(crate) struct Table {
    known: ArcSwap<Known>,
    /// Held while a series is added.
    growing: Mutex<()>,
    /// By operation: what takes the calls for which there is no room.
    others: [Arc<Series>; Operation::ALL.len()],
}

#[derive(Debug, Default, Clone)]
struct Known {
    by_model: HashMap<Arc<str>, HashMap<Arc<str>, ByOperation>>,
    providers: HashSet<Arc<str>>,
    all: Vec<Arc<Series>>,
}

type ByOperation = [Option<Arc<Series>>; Operation::ALL.len()];

impl Table {
    /// Without any series of its own.
    pub(crate) fn new() -> Self {
        let nobody = Vendor { name: OTHER.into(), address: None, port: None };
        Self {
            known: ArcSwap::default(),
            growing: Mutex::default(),
            others: Operation::ALL.map(|operation| Series::new(operation, OTHER, OTHER, &nobody)),
        }
    }

    /// Hands `count` the series, made if it is new and there is room. `vendor` is asked only then.
    pub(crate) fn with(
        &self,
        (operation, model, provider): (Operation, &str, &str),
        vendor: impl FnOnce() -> Vendor,
        count: impl FnOnce(&Series),
    ) {
        let known = self.known.load();
        match known.get(operation, model, provider) {
            Some(series) => count(series),
            None if known.has_room(model, provider) => {
                count(&self.add(operation, model, provider, vendor));
            }
            // Without a lock: there may be many of these, for ever.
            None => count(self.other(operation)),
        }
    }

    /// Where calls are counted for which there is no room.
    pub(crate) fn other(&self, operation: Operation) -> &Arc<Series> {
        let [first, ..] = &self.others;
        self.others.get(index(operation)).unwrap_or(first)
    }

    /// All series that may hold something.
    pub(crate) fn all(&self) -> Vec<Arc<Series>> {
        let mut all = self.known.load().all.clone();
        all.extend(self.others.iter().cloned());
        all
    }

    fn add(
        &self,
        operation: Operation,
        model: &str,
        provider: &str,
        vendor: impl FnOnce() -> Vendor,
    ) -> Arc<Series> {
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.known.load_full();
        // Somebody else may have been quicker.
        if let Some(series) = known.get(operation, model, provider) {
            return Arc::clone(series);
        }
        if !known.has_room(model, provider) {
            return Arc::clone(self.other(operation));
        }
        let series = Series::new(operation, model, provider, &vendor());
        self.known.store(Arc::new(known.with(&series)));
        series
    }
}

impl Known {
    fn get(&self, operation: Operation, model: &str, provider: &str) -> Option<&Arc<Series>> {
        self.by_model.get(model)?.get(provider)?.get(index(operation))?.as_ref()
    }

    fn has_room(&self, model: &str, provider: &str) -> bool {
        self.all.len() < COMBINATIONS
            && (self.by_model.len() < LABEL_VALUES || self.by_model.contains_key(model))
            && (self.providers.len() < LABEL_VALUES || self.providers.contains(provider))
    }

    /// This, and one more.
    fn with(&self, series: &Arc<Series>) -> Self {
        let mut more = self.clone();
        let providers = more.by_model.entry(Arc::clone(&series.model)).or_default();
        let slots = providers.entry(Arc::clone(&series.provider)).or_default();
        if let Some(slot) = slots.get_mut(index(series.operation)) {
            *slot = Some(Arc::clone(series));
        }
        more.providers.insert(Arc::clone(&series.provider));
        more.all.push(Arc::clone(series));
        more
    }
}

/// Where an operation stands in [`Operation::ALL`].
pub(crate) const fn index(operation: Operation) -> usize {
    match operation {
        Operation::ChatCompletions => 0,
        Operation::Completions => 1,
        Operation::Embeddings => 2,
        Operation::Moderations => 3,
        Operation::Responses => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(table: &Table, model: &str, provider: &str) -> String {
        let vendor = || Vendor { name: "v".into(), address: None, port: None };
        let mut labels = String::new();
        table.with((Operation::Responses, model, provider), vendor, |series| {
            labels = series.labels().join(" ");
        });
        labels
    }

    #[test]
    fn indexes_are_those_of_the_list() {
        for (at, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(index(operation), at);
        }
    }

    #[test]
    fn a_series_is_made_once() {
        let table = Table::new();
        for _ in 0..3 {
            assert_eq!(found(&table, "m", "p"), "responses m p");
        }
        assert_eq!(table.known.load().all.len(), 1);
    }

    #[test]
    fn neither_models_nor_combinations_grow_for_ever() {
        let table = Table::new();
        for model in 0..LABEL_VALUES {
            found(&table, &model.to_string(), "p");
        }
        assert_eq!(found(&table, "one more", "p"), "responses other other");
        assert_eq!(found(&table, "7", "q"), "responses 7 q", "a known model has room elsewhere");
        for provider in 0..COMBINATIONS {
            found(&table, "7", &provider.to_string());
        }
        assert_eq!(table.known.load().all.len(), COMBINATIONS);
        assert_eq!(found(&table, "8", "q"), "responses other other");
        assert_eq!(found(&table, "9", "p"), "responses 9 p", "what was there before goes on");
    }

    #[test]
    fn providers_do_not_grow_for_ever_either() {
        let table = Table::new();
        for provider in 0..LABEL_VALUES {
            found(&table, "m", &provider.to_string());
        }
        assert_eq!(found(&table, "m", "one more"), "responses other other");
    }
}
