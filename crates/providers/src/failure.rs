//! Why a provider did not answer.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use kernel::Operation;
use kernel::catalog::FailureClass;

/// A call that brought no answer. What the provider itself said is kept, so that the client sees
/// its status, its `retry-after` and its error body.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{class:?}: {message}")]
pub struct Failure {
    /// What kind of failure; it decides over retries, fallbacks and the circuit breaker.
    pub class: FailureClass,
    /// One sentence for the operator and, where the provider said nothing, for the client. No
    /// credentials, no content, no internal addresses.
    pub message: String,
    /// What the provider said, in OpenAI's error envelope; `None` if it never spoke.
    pub said: Option<Box<Said>>,
}

/// A provider's own error response.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its status.
    pub status: StatusCode,
    /// Its headers that are worth handing on, `retry-after` among them.
    pub headers: HeaderMap,
    /// Its body, as OpenAI's error envelope.
    pub body: Bytes,
}

impl Failure {
    /// A failure of a provider that never spoke.
    pub fn silent(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), said: None }
    }

    /// An operation that the provider does not have.
    pub fn unsupported(operation: Operation) -> Self {
        Self::silent(FailureClass::Unsupported, format!("this provider has no {operation}"))
    }

    /// A request that this provider cannot express: the client's `param` and why.
    pub fn inexpressible(class: FailureClass, param: &str, message: &str) -> Self {
        let body = serde_json::json!({"error": {
            "message": message, "type": "invalid_request_error", "param": param, "code": null,
        }});
        Self {
            class,
            message: message.to_owned(),
            said: Some(Box::new(Said {
                status: StatusCode::BAD_REQUEST,
                headers: HeaderMap::new(),
                body: Bytes::from(body.to_string()),
            })),
        }
    }
}
