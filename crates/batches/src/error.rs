//! What callers of this crate branch on.

use store::StoreError;

/// Why there is no batch.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The project may keep nothing.
    #[error(
        "This project has zero data retention, and a batch would have to be kept. Use a project \
         that keeps data, or ask an administrator to change its data retention."
    )]
    ZeroRetention,
    /// What was asked for cannot be.
    #[error("{message}")]
    Invalid {
        /// The field.
        param: &'static str,
        /// The word for programs.
        code: Option<&'static str>,
        /// What is wrong with it, and how to mend it.
        message: String,
    },
    /// There is no such batch in the caller's project.
    #[error("No batch found with id '{id}'.")]
    NotFound {
        /// As the client wrote it, shortened.
        id: String,
    },
    /// The batch is past the point where it could be cancelled.
    #[error("Cannot cancel a batch with status '{status}'.")]
    Over {
        /// Its status.
        status: &'static str,
    },
    /// The store said no.
    #[error(transparent)]
    Store(StoreError),
}

impl BatchError {
    pub(crate) fn invalid(param: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { param, code: None, message: message.into() }
    }

    /// A value that is none of those that there are.
    pub(crate) fn unknown_value(param: &'static str, value: &str, known: &str) -> Self {
        let value: String = value.chars().take(100).collect();
        Self::Invalid {
            param,
            code: Some("invalid_value"),
            message: format!("Invalid value: '{value}'. Supported values are: {known}."),
        }
    }
}

impl From<StoreError> for BatchError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { what: "batch", id } => {
                Self::NotFound { id: id.chars().take(100).collect() }
            }
            error => Self::Store(error),
        }
    }
}
