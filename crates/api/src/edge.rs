//! The outermost layer: every request gets its id and every response its headers, and a bug in a
//! handler becomes a 500 in the error envelope instead of a cut connection.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue, Request, header};
use hyper::body::Incoming;
use kernel::{RequestId, Timestamp};
use tower::ServiceExt as _;

use crate::{App, Peer, framing, problem};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PROCESSING_MS: HeaderName = HeaderName::from_static("openai-processing-ms");

/// A request's id and arrival, for its handler.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The id.
    pub id: RequestId,
    /// When its head was read.
    pub at: Timestamp,
}

/// The router behind the outermost layer.
#[derive(Clone, Debug)]
pub struct Edge {
    app: App,
    router: Router,
}

impl Edge {
    /// All routes of this app.
    pub fn new(app: App) -> Self {
        Self { router: crate::router(app.clone()), app }
    }

    /// Answers one request as it came over the wire.
    ///
    /// # Errors
    /// Never.
    pub async fn handle(&self, request: Request<Incoming>) -> Result<Response, Infallible> {
        if let Err(problem) = framing::check(&request) {
            let mut response = problem.into_response();
            // Where its end is, is a matter of opinion: nothing is read after it.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            let at = self.app.clock.now();
            return Ok(self.stamped(response, &RequestId::new(at, &*self.app.rng), at));
        }
        Ok(self.answer(request.map(Body::new)).await)
    }

    /// Answers one request, wherever its body comes from.
    pub async fn answer(&self, mut request: Request<Body>) -> Response {
        let at = self.app.clock.now();
        let id = RequestId::new(at, &*self.app.rng);
        let peer = request.extensions().get::<Peer>().copied();
        request.extensions_mut().insert(Arrival { id: id.clone(), at });
        let answered = AssertUnwindSafe(self.router.clone().oneshot(request)).catch_unwind().await;
        let response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_panic) => {
                tracing::error!(%id, "a handler panicked; please report this as a bug");
                problem::internal()
            }
        };
        if let (true, Some(Peer(peer))) = (response.status().is_client_error(), peer) {
            let status = response.status().as_u16();
            tracing::debug!(%id, %peer, status, "a request was refused");
        }
        self.stamped(response, &id, at)
    }

    fn stamped(&self, mut response: Response, id: &RequestId, at: Timestamp) -> Response {
        let took = self.app.clock.now().since(at).as_millis();
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(id.as_str()) {
            headers.insert(X_REQUEST_ID, value);
        }
        headers.insert(PROCESSING_MS, HeaderValue::from(u64::try_from(took).unwrap_or(u64::MAX)));
        response
    }
}
