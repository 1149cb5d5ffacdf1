//! Why a call was not answered: what callers of the gateway branch on.

use std::time::Duration;

use kernel::catalog::FailureClass;
use kernel::{ApiKeyId, Operation, Outcome, ServiceTier};
use providers::Failure;
use providers::failure::Said;
use wire::error::ErrorBody;

/// A call that brought no answer. `api` puts [`Refusal::error`] into OpenAI's envelope.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nobody we know, or not any more.
    #[error(transparent)]
    Identity(#[from] identity::IdentityError),
    /// An admin key was shown where a project's key is needed.
    #[error("this key administers an organisation; calls to models need an API key of a project")]
    NotAProjectKey,
    /// The key that began this work does not work any more.
    #[error(
        "the key {key}, which began this, was revoked or has expired, or its project was archived"
    )]
    KeyGone {
        /// Which key.
        key: ApiKeyId,
    },
    /// The request itself is wrong.
    #[error("{}", .0.message)]
    Request(ErrorBody),
    /// No alias of this name.
    #[error("the model `{model}` does not exist or you do not have access to it")]
    ModelNotFound {
        /// As the client wrote it, shortened.
        model: String,
    },
    /// The alias has no target that can do this.
    #[error("the model `{model}` cannot do {operation}")]
    OperationUnsupported {
        /// The alias.
        model: String,
        /// What was asked for.
        operation: Operation,
    },
    /// A rule or limit stands against it.
    #[error(transparent)]
    Admission(#[from] admission::Refusal),
    /// Another request with this `Idempotency-Key` is under way.
    #[error("a request with this Idempotency-Key is still under way; wait for it and try again")]
    IdempotencyInProgress,
    /// This `Idempotency-Key` came with another body before.
    #[error("this Idempotency-Key was used with a different request; use a new key for each one")]
    IdempotencyMismatch,
    /// Every target is full or resting.
    #[error("no provider of `{model}` can take a call right now; try again in a moment")]
    NoTarget {
        /// The alias.
        model: String,
    },
    /// The provider refused or failed.
    #[error("{0}")]
    Upstream(Failure),
    /// This node has more to do than it can.
    #[error(
        "this node has more calls of the service tier `{tier}` than it can take; try again in a \
         moment"
    )]
    Overloaded {
        /// The call's tier.
        tier: ServiceTier,
    },
    /// Neither disk nor database takes the records of calls, and the operator wants none unrecorded.
    #[error(
        "this node cannot record calls: its disk is full and its database does not answer; an \
         operator must mend that"
    )]
    CannotRecord,
    /// The node is stopping.
    #[error("this node is stopping; try again")]
    Stopping,
}

/// The kinds of OpenAI's errors that most refusals are of.
const INVALID: &str = "invalid_request_error";
const FAULT: &str = "server_error";

fn upstream_code(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Unauthorized => "upstream_unauthorized",
        FailureClass::Timeout => "upstream_timeout",
        FailureClass::Connection => "upstream_unreachable",
        _ => "upstream_error",
    }
}

impl Refusal {
    /// The HTTP status that the client gets.
    ///
    /// A provider's status is handed on, but for 401: it speaks of our credential, and the client
    /// must not take it for its own.
    pub fn status(&self) -> u16 {
        match self {
            Self::Identity(_) | Self::KeyGone { .. } => 401,
            Self::NotAProjectKey => 403,
            Self::Request(_) | Self::OperationUnsupported { .. } => 400,
            Self::ModelNotFound { .. } => 404,
            Self::Admission(admission::Refusal::ModelNotAllowed { .. }) => 403,
            // OpenAI's status, too, for a call that no limit will ever let through.
            Self::Admission(_) => 429,
            Self::IdempotencyInProgress => 409,
            Self::IdempotencyMismatch => 422,
            Self::NoTarget { .. }
            | Self::Overloaded { .. }
            | Self::CannotRecord
            | Self::Stopping => 503,
            Self::Upstream(failure) => match (&failure.said, failure.class) {
                // Some say 400 where they mean 401.
                (Some(said), FailureClass::Unauthorized) if said.status != 403 => 502,
                (Some(said), _) if said.status != 401 => said.status.as_u16(),
                (_, FailureClass::Timeout) => 504,
                _ => 502,
            },
        }
    }

    /// What the provider itself said, if the client gets that.
    pub fn said(&self, status: u16) -> Option<&Said> {
        match self {
            Self::Upstream(Failure { said: Some(said), .. }) => {
                Some(&**said).filter(|said| said.status.as_u16() == status)
            }
            _ => None,
        }
    }

    /// When it is worth trying again; `None` where it is not, or nobody knows.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Admission(refusal) => refusal.retry_after(),
            Self::IdempotencyInProgress
            | Self::NoTarget { .. }
            | Self::Overloaded { .. }
            | Self::Stopping => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    /// OpenAI's error object for it.
    pub fn error(&self) -> ErrorBody {
        let status = self.status();
        if let Some(said) = self.said(status) {
            return ErrorBody::from_upstream(status, &said.body);
        }
        let (kind, code) = match self {
            Self::Request(error) => return error.clone(),
            Self::Identity(error) => (INVALID, error.code()),
            Self::KeyGone { .. } => (INVALID, Some("invalid_api_key")),
            Self::NotAProjectKey => (INVALID, Some("admin_key_not_allowed")),
            Self::ModelNotFound { .. } => (INVALID, Some("model_not_found")),
            Self::OperationUnsupported { .. } => (INVALID, Some("operation_not_supported")),
            Self::Admission(refusal @ admission::Refusal::LimitReached(_)) => {
                ("rate_limit_error", Some(refusal.code()))
            }
            Self::Admission(
                refusal @ (admission::Refusal::BudgetReached(_)
                | admission::Refusal::Unpriced { .. }),
            ) => (refusal.code(), Some(refusal.code())),
            Self::Admission(refusal) => (INVALID, Some(refusal.code())),
            Self::IdempotencyInProgress => (INVALID, Some("idempotency_key_in_progress")),
            Self::IdempotencyMismatch => (INVALID, Some("idempotency_key_reused")),
            Self::NoTarget { .. } => (FAULT, Some("no_provider_available")),
            Self::Overloaded { .. } => (FAULT, Some("overloaded")),
            Self::CannotRecord => (FAULT, Some("cannot_record")),
            Self::Stopping => (FAULT, Some("stopping")),
            Self::Upstream(failure) => (FAULT, Some(upstream_code(failure.class))),
        };
        let of_model = matches!(
            self,
            Self::ModelNotFound { .. }
                | Self::OperationUnsupported { .. }
                | Self::Admission(
                    admission::Refusal::ModelNotAllowed { .. }
                        | admission::Refusal::Unpriced { .. }
                )
        );
        ErrorBody {
            message: match self {
                Self::Upstream(failure) => failure.message.clone(),
                other => other.to_string(),
            },
            kind: kind.to_owned(),
            param: of_model.then(|| "model".to_owned()),
            code: code.map(str::to_owned),
        }
    }

    /// Whether a provider answered, though nothing that can be used: it has read the input.
    pub(crate) fn was_answered(&self) -> bool {
        matches!(self, Self::Upstream(Failure { class: FailureClass::InvalidAnswer, .. }))
    }

    /// How the record of an admitted call says it.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Upstream(Failure { class: FailureClass::Timeout, .. }) => Outcome::TimedOut,
            Self::Overloaded { .. } => Outcome::Shed,
            _ => Outcome::UpstreamError,
        }
    }
}
