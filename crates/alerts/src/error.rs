//! What callers of this crate branch on.

use store::StoreError;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum AlertsError {
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A field that nothing can be done with.
    #[error("`{field}` {reason}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What is wrong with it, and how to mend it.
        reason: String,
    },
    /// A value that nothing can be done with.
    #[error("{what} {reason}")]
    Invalid {
        /// Which value.
        what: &'static str,
        /// What is wrong with it, and how to mend it.
        reason: String,
    },
}

impl AlertsError {
    pub(crate) fn invalid(what: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid { what, reason: reason.into() }
    }
}
