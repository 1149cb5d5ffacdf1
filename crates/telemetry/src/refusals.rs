//! Calls that were not answered, counted by operation and by the code of their error.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use gateway::Refusal;
use kernel::Operation;

use crate::family::OTHER;
use crate::table::index;

/// Codes at most; all of them are words of ours, so this only holds if somebody forgets that.
const CODES: usize = 100;

/// How often which error was given for what.
#[derive(Debug, Default)]
pub(crate) struct Refusals(RwLock<HashMap<String, ByOperation>>);

type ByOperation = [AtomicU64; Operation::ALL.len()];

impl Refusals {
    /// Counts one.
    pub(crate) fn count(&self, refusal: &Refusal, operation: Operation) {
        let code = code(refusal);
        let add = |counts: &ByOperation| {
            if let Some(count) = counts.get(index(operation)) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        };
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = known.get(&code) {
            return add(counts);
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let code = if known.len() < CODES { code } else { OTHER.to_owned() };
        add(known.entry(code).or_default());
    }

    /// Hands on every count that is not zero: its operation, its code.
    pub(crate) fn each(&self, mut tell: impl FnMut(Operation, &str, u64)) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut codes: Vec<_> = known.iter().collect();
        codes.sort_unstable_by_key(|(code, _)| *code);
        for (code, counts) in codes {
            for (operation, count) in Operation::ALL.into_iter().zip(counts) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    tell(operation, code, count);
                }
            }
        }
    }
}

/// The code that the client gets, where it is one of ours. What a provider says, and what is said
/// about a field of a request, could be anything.
fn code(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Request(_) => "invalid_request".to_owned(),
        Refusal::Upstream(failure) if failure.said.is_some() => "upstream_error".to_owned(),
        ours => ours.error().code.unwrap_or_else(|| OTHER.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_by_code_and_operation() {
        let refusals = Refusals::default();
        refusals.count(&Refusal::Stopping, Operation::Embeddings);
        refusals.count(&Refusal::Stopping, Operation::Embeddings);
        refusals.count(&Refusal::NotAProjectKey, Operation::Responses);
        let mut told = Vec::new();
        refusals.each(|operation, code, count| told.push((operation, code.to_owned(), count)));
        assert_eq!(told[1], (Operation::Embeddings, "stopping".to_owned(), 2));
        assert_eq!(told[0], (Operation::Responses, "admin_key_not_allowed".to_owned(), 1));
        assert_eq!(told.len(), 2);
    }
}
