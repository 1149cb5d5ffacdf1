//! Why there is no response.

use files::FilesError;
use gateway::Refusal;
use store::StoreError;
use wire::error::ErrorBody;

/// A request of the Responses API that is not answered.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The gateway, or the provider behind it, refused the call.
    #[error(transparent)]
    Call(#[from] Refusal),
    /// The store did.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The request cannot be followed.
    #[error("{}", .error.message)]
    Said {
        /// The HTTP status.
        status: u16,
        /// What is wrong, where, and how to mend it.
        error: ErrorBody,
    },
}

impl From<FilesError> for Refused {
    fn from(error: FilesError) -> Self {
        match error {
            FilesError::Store(error) => error.into(),
            error => {
                tracing::error!(%error, "a file that a request names could not be read");
                let message = "a file that the request names cannot be read; try again";
                let error = ErrorBody::server_error(message).coded("file_unavailable");
                Self::Said { status: 503, error }
            }
        }
    }
}

impl From<ErrorBody> for Refused {
    fn from(error: ErrorBody) -> Self {
        Self::Said { status: 400, error }
    }
}

impl Refused {
    /// Nothing of this id in the caller's project.
    pub fn not_found(what: &str, id: &str) -> Self {
        let id: String = id.chars().take(100).collect();
        let error = ErrorBody::invalid_request(format!("{what} with id '{id}' not found."));
        Self::Said { status: 404, error }
    }

    /// What is asked for would have to be kept, and nothing of this project may be.
    pub fn zero_data_retention(what: &str) -> Self {
        let message = format!(
            "This project has zero data retention, and {what} would have to be kept. Use a project \
             that keeps data, or ask an administrator to change its data retention."
        );
        let error = ErrorBody::invalid_request(message).coded("zero_data_retention");
        Self::Said { status: 403, error }
    }

    /// What the provider sent is no answer.
    pub(crate) fn bad_answer() -> Self {
        let error = ErrorBody::server_error("the provider's answer is not understood")
            .coded("upstream_error");
        Self::Said { status: 502, error }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Call(refusal) => refusal.status(),
            Self::Store(StoreError::NotFound { .. }) => 404,
            Self::Store(StoreError::Conflict { .. }) => 409,
            Self::Store(StoreError::Invalid { .. }) => 400,
            Self::Store(_) => 503,
            Self::Said { status, .. } => *status,
        }
    }

    /// The error as a client hears it inside a stream, a batch or a background response.
    pub fn error(&self) -> ErrorBody {
        match self {
            Self::Call(refusal) => refusal.error(),
            Self::Store(error) => ErrorBody {
                message: match self.status() {
                    503 => "the database does not answer; try again".to_owned(),
                    _ => error.to_string(),
                },
                kind: kind(self.status()).to_owned(),
                param: None,
                code: (self.status() == 503).then(|| "database_unavailable".to_owned()),
            },
            Self::Said { error, .. } => error.clone(),
        }
    }
}

fn kind(status: u16) -> &'static str {
    if status >= 500 { "server_error" } else { "invalid_request_error" }
}
