//! A place for each organisation, made at its first call: no organisation waits for another.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use kernel::OrganizationId;

/// One `T` for each organisation.
#[derive(Debug)]
pub(super) struct Organizations<T>(RwLock<HashMap<OrganizationId, Arc<T>>>);

impl<T> Default for Organizations<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T> Organizations<T> {
    /// The one of this organisation.
    pub(super) fn of(&self, organization: &OrganizationId, make: impl FnOnce() -> T) -> Arc<T> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = known.get(organization) {
            return Arc::clone(one);
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let one = known.entry(organization.clone()).or_insert_with(|| Arc::new(make()));
        Arc::clone(one)
    }

    /// All there are now.
    pub(super) fn all(&self) -> Vec<Arc<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect()
    }
}
