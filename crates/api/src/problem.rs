//! Every refusal as HTTP: its status, OpenAI's error envelope, and the headers that say when to
//! try again.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use batches::BatchError;
use files::FilesError;
use gateway::Refusal;
use gateway::catalog::CatalogError;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use identity::AdministrationError;
use responses::Refused;
use store::StoreError;
use wire::error::ErrorBody;

use crate::body::BodyError;
use crate::rate_limits;

/// A response that is an error.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    headers: Box<HeaderMap>,
    body: Vec<u8>,
}

impl Problem {
    /// An error in OpenAI's envelope.
    pub fn new(status: u16, kind: &str, code: Option<&str>, message: impl Into<String>) -> Self {
        let body = ErrorBody {
            message: message.into(),
            kind: kind.to_owned(),
            param: None,
            code: code.map(str::to_owned),
        };
        Self::of(status, &body)
    }

    /// A mistake in a field of the request.
    pub fn invalid(param: &str, message: impl Into<String>) -> Self {
        let body = ErrorBody {
            message: message.into(),
            kind: "invalid_request_error".to_owned(),
            param: Some(param.to_owned()),
            code: None,
        };
        Self::of(400, &body)
    }

    /// What it says, for who reads no JSON.
    pub fn message(&self) -> String {
        let body: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        let message = body.as_ref().and_then(|body| body.pointer("/error/message")?.as_str());
        message.map_or_else(|| String::from_utf8_lossy(&self.body).into_owned(), str::to_owned)
    }

    fn of(status: u16, body: &ErrorBody) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, headers: Box::default(), body: body.to_json() }
    }

    /// Tells the client when to try again.
    fn retry_after(mut self, after: std::time::Duration) -> Self {
        // Whole seconds for everyone, milliseconds for the official SDKs; never too early.
        let millis = after.as_millis().max(1);
        self.headers.insert(header::RETRY_AFTER, number(millis.div_ceil(1_000)));
        self.headers.insert("retry-after-ms", number(millis));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = *self.headers;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = refusal.status();
        let mut problem = match refusal.said(status) {
            // What the provider said, as it said it.
            Some(said) => Self {
                status: said.status,
                headers: Box::new(said.headers.clone()),
                body: said.body.to_vec(),
            },
            None => Self::of(status, &refusal.error()),
        };
        match &refusal {
            Refusal::Identity(_) | Refusal::KeyGone { .. } => {
                let challenge = HeaderValue::from_static("Bearer");
                problem.headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
            Refusal::Admission(admission::Refusal::LimitReached(reached)) => {
                rate_limits::put(&mut problem.headers, &reached.headers);
            }
            _ => {}
        }
        match refusal.retry_after() {
            Some(after) => problem.retry_after(after),
            None => problem,
        }
    }
}

fn of_model(status: u16, code: &str, message: String) -> Problem {
    let body = ErrorBody {
        message,
        kind: "invalid_request_error".to_owned(),
        param: Some("model".to_owned()),
        code: Some(code.to_owned()),
    };
    Problem::of(status, &body)
}

/// No model of this name, where the client may have named none.
pub(crate) fn no_moderation_model(model: &str, able: &[String]) -> Problem {
    let way_out = match able {
        [] => "no model here can moderate; an administrator can add one".to_owned(),
        able => format!("name one that can moderate as `model`: {}", able.join(", ")),
    };
    let message = format!(
        "the model `{model}`, which moderates where no `model` is given, does not exist or you do \
         not have access to it; {way_out}"
    );
    of_model(404, "model_not_found", message)
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Call(refusal) => refusal.into(),
            Refused::Store(error) => error.into(),
            Refused::Said { status, error } => Self::of(status, &error),
        }
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let (kind, code) = match error {
            BodyError::NoRoom(_) => ("server_error", Some("overloaded")),
            _ => ("invalid_request_error", None),
        };
        Self::new(error.status(), kind, code, error.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        let invalid = "invalid_request_error";
        match error {
            StoreError::NotFound { .. } => Self::new(404, invalid, Some("not_found"), message),
            StoreError::Conflict { .. } => Self::new(409, invalid, Some("conflict"), message),
            // It says "a project's name"; the field is `name`.
            StoreError::Invalid { what, .. } => {
                Self::invalid(what.rsplit(' ').next().unwrap_or(what), message)
            }
            StoreError::OutOfScope { .. } => Self::new(403, invalid, Some("out_of_scope"), message),
            StoreError::NotLogged { .. } => {
                tracing::error!(%error, "a change was refused by the audit log");
                Self::new(
                    503,
                    "server_error",
                    Some("audit_log_unavailable"),
                    "the change was not made, because its entry in the audit log cannot be \
                     written; tell the operator of this service",
                )
                .retry_after(std::time::Duration::from_secs(60))
            }
            error if error.is_full() => {
                tracing::error!(%error, "a request failed on the database");
                Self::new(
                    503,
                    "server_error",
                    Some("database_unavailable"),
                    "the database cannot write, because its disk is full; tell the operator of \
                     this service",
                )
                .retry_after(std::time::Duration::from_secs(60))
            }
            // What a database says is for the operator.
            error => {
                tracing::error!(%error, "a request failed on the database");
                Self::new(
                    503,
                    "server_error",
                    Some("database_unavailable"),
                    "the database does not answer; try again",
                )
                .retry_after(std::time::Duration::from_secs(1))
            }
        }
    }
}

impl From<FilesError> for Problem {
    fn from(error: FilesError) -> Self {
        let message = error.to_string();
        let invalid = "invalid_request_error";
        match error {
            FilesError::ZeroRetention => {
                Self::new(403, invalid, Some("zero_data_retention"), message)
            }
            FilesError::TooLarge { .. } => Self::new(413, invalid, Some("file_too_large"), message),
            FilesError::PartTooLarge { .. } => {
                Self::new(413, invalid, Some("part_too_large"), message)
            }
            FilesError::Invalid { param, .. } => Self::invalid(param, message),
            FilesError::UploadOver { .. } | FilesError::LineTooLong { .. } => {
                Self::new(400, invalid, None, message)
            }
            FilesError::Store(StoreError::NotFound { what, id }) => {
                let id: String = id.chars().take(100).collect();
                let kind = if what == "file" { "File" } else { "Upload" };
                let message = format!("No such {kind} object: {id}");
                Self::of(404, &ErrorBody::invalid_request(message).at("id"))
            }
            FilesError::Store(error) => error.into(),
            // What a blob store says is for the operator.
            error @ (FilesError::Missing { .. } | FilesError::Damaged { .. }) => {
                tracing::error!(%error, "a file cannot be read");
                let message = "the file's bytes cannot be read; ask the operator of this service";
                Self::new(500, "server_error", Some("file_damaged"), message)
            }
            error @ (FilesError::Unavailable { .. } | FilesError::ForeignBlobs) => {
                tracing::error!(%error, "a request failed on the blob store");
                let message = "the store of the files' bytes does not answer; try again";
                Self::new(503, "server_error", Some("files_unavailable"), message)
                    .retry_after(std::time::Duration::from_secs(1))
            }
        }
    }
}

impl From<BatchError> for Problem {
    fn from(error: BatchError) -> Self {
        let invalid = ErrorBody::invalid_request(error.to_string());
        match error {
            BatchError::ZeroRetention => Self::of(403, &invalid.coded("zero_data_retention")),
            BatchError::Invalid { param, code, .. } => {
                let at = invalid.at(param);
                Self::of(400, &ErrorBody { code: code.map(str::to_owned), ..at })
            }
            BatchError::NotFound { .. } => Self::of(404, &invalid),
            BatchError::Over { .. } => Self::of(409, &invalid),
            BatchError::Store(error) => error.into(),
        }
    }
}

impl From<AdministrationError> for Problem {
    fn from(error: AdministrationError) -> Self {
        let message = error.to_string();
        match error {
            AdministrationError::Invalid { field, .. } => Self::invalid(field, message),
            AdministrationError::LastAdminKey { .. } | AdministrationError::LastProject { .. } => {
                Self::new(409, "invalid_request_error", Some("last_one"), message)
            }
            AdministrationError::Store(error) => error.into(),
        }
    }
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        let message = error.to_string();
        match error {
            CatalogError::Invalid { param, .. } => Self::invalid(param, message),
            CatalogError::DefinedElsewhere { .. } => {
                Self::new(409, "invalid_request_error", Some("defined_elsewhere"), message)
            }
            CatalogError::Store(error) => error.into(),
        }
    }
}

/// No route of this path.
pub async fn no_such_route(method: Method, uri: Uri) -> Problem {
    let message = format!("Invalid URL ({method} {})", uri.path());
    Problem::new(404, "invalid_request_error", Some("unknown_url"), message)
}

/// A route of this path, but not by this method.
pub async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let message = format!("Not allowed to {method} on {}", uri.path());
    Problem::new(405, "invalid_request_error", Some("method_not_allowed"), message)
}

/// A bug of ours.
pub(crate) fn internal() -> Response {
    let message =
        "Kijun made a mistake while it answered; its log says more under this request's id";
    Problem::new(500, "server_error", Some("internal_error"), message).into_response()
}

/// The outermost layer was left out: a bug of ours.
pub(crate) fn no_arrival() -> Problem {
    Problem::new(500, "server_error", Some("internal_error"), "the request has no id")
}

fn number(value: u128) -> HeaderValue {
    HeaderValue::from(u64::try_from(value).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_audit_log_refuses_is_not_told_as_a_database_that_is_away() {
        let code = |error: StoreError| {
            let problem = Problem::from(error);
            assert_eq!(problem.status, 503);
            let body: serde_json::Value = serde_json::from_slice(&problem.body).unwrap();
            assert!(!problem.message().contains("canary"), "it is for the operator");
            (body["error"]["code"].as_str().unwrap().to_owned(), problem.message())
        };
        let (refused, message) = code(StoreError::NotLogged { reason: "canary".into() });
        assert_eq!(refused, "audit_log_unavailable");
        assert!(message.contains("the change was not made"), "{message}");
        let (away, message) = code(StoreError::Unavailable { reason: "canary".into() });
        assert_eq!(away, "database_unavailable");
        assert!(message.contains("does not answer"), "{message}");
        let (full, message) = code(StoreError::full());
        assert_eq!(full, "database_unavailable");
        assert!(message.contains("its disk is full"), "{message}");
    }
}
