//! `/metrics`: for Prometheus. It tells of all organisations together, so it is for whoever runs the
//! node, and not for those who call models.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use gateway::Refusal;
use http::{HeaderMap, Method, Uri, header};
use kernel::Principal;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use telemetry::{Format, Metrics};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::credential::credential;
use crate::problem::{self, Problem};
use crate::{App, Peer};

/// The metrics, and who may read them.
#[derive(Debug)]
pub struct MetricsDoor {
    /// What there is to read.
    pub metrics: Arc<Metrics>,
    /// What a reader must show; `None`: this machine may read without.
    pub token: Option<SecretString>,
}

/// The route for Prometheus.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// The metrics of this node, in Prometheus' text format, or as OpenMetrics by `Accept`. Show the token
/// that the configuration sets, or an admin key. Where no token is set, this machine may read without.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "Operation",
    responses(
        (status = 200, description = "The metrics.", body = String, content_type = "text/plain"),
        (status = 401, description = "Neither the token nor a key was shown."),
        (status = 403, description = "A project's key was shown."),
        (status = 404, description = "This node tells none."),
    ),
)]
async fn metrics(
    State(app): State<App>,
    peer: Option<Extension<Peer>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Some(door) = &app.metrics else {
        return Err(problem::no_such_route(method, uri).await);
    };
    if !may_read(door, peer.map(|Extension(peer)| peer), &headers) {
        admitted(&app, &headers)?;
    }
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::accepted(accept);
    let metrics = Arc::clone(&door.metrics);
    // It reads files of the process, and may be long.
    let text = tokio::task::spawn_blocking(move || metrics.exposition(format)).await;
    let Ok(text) = text else { return Ok(problem::internal()) };
    Ok(([(header::CONTENT_TYPE, format.content_type())], text).into_response())
}

/// Whether a reader may read without a key.
fn may_read(door: &MetricsDoor, peer: Option<Peer>, headers: &HeaderMap) -> bool {
    match (&door.token, headers.get(header::AUTHORIZATION)) {
        (Some(token), Some(shown)) => {
            let shown = shown.as_bytes().strip_prefix(b"Bearer ").unwrap_or_default();
            shown.ct_eq(token.expose_secret().as_bytes()).into()
        }
        // A proxy on this machine speaks for others, trusted or not.
        (None, None) => {
            let proxied = headers.contains_key(header::FORWARDED)
                || headers.contains_key("x-forwarded-for")
                || headers.contains_key(header::VIA);
            peer.is_some_and(|Peer(address)| address.is_loopback()) && !proxied
        }
        _ => false,
    }
}

/// Lets administrators in.
fn admitted(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let snapshot = app.gateway.snapshot();
    let shown = credential(headers);
    let principal = snapshot.directory.identify(shown, app.clock.now());
    match &**principal.map_err(Refusal::Identity)? {
        Principal::Admin { key, .. } => {
            app.gateway.admin_seen(key);
            Ok(())
        }
        Principal::Project { .. } => Err(Problem::new(
            403,
            "invalid_request_error",
            Some("admin_key_required"),
            "this key calls models for a project; /metrics needs the token of [metrics] in the \
             configuration, or an admin key",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use kernel::SystemClock;

    fn door(token: Option<&str>) -> MetricsDoor {
        let metrics = Metrics::new(Arc::new(SystemClock));
        MetricsDoor { metrics, token: token.map(|token| token.to_owned().into()) }
    }

    fn reads(token: Option<&str>, from: &str, shown: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in shown {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        may_read(&door(token), from.parse().ok().map(Peer), &headers)
    }

    #[test]
    fn a_token_is_needed_where_there_is_one() {
        let token = Some("t0ken");
        assert!(reads(token, "192.0.2.1", &[("authorization", "Bearer t0ken")]));
        for wrong in ["Bearer t0kem", "Bearer ", "t0ken", "Bearer t0ken2", "Basic t0ken"] {
            assert!(!reads(token, "127.0.0.1", &[("authorization", wrong)]), "{wrong}");
        }
        assert!(!reads(token, "127.0.0.1", &[]), "not even this machine");
        assert!(!reads(Some(""), "127.0.0.1", &[]));
    }

    #[test]
    fn without_a_token_only_this_machine_reads() {
        assert!(reads(None, "127.0.0.1", &[]));
        assert!(reads(None, "::1", &[]));
        assert!(!reads(None, "192.0.2.1", &[]));
        assert!(!reads(None, "nobody knows", &[]));
        for header in ["forwarded", "x-forwarded-for", "via"] {
            assert!(!reads(None, "127.0.0.1", &[(header, "192.0.2.1")]), "{header}");
        }
        assert!(!reads(None, "127.0.0.1", &[("authorization", "Bearer anything")]));
    }
}
