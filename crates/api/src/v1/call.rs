//! What the verbs that reach a model share: from an HTTP request to the gateway and back.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use gateway::route::Alias;
use gateway::{Identified, Inbound, Refusal};
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use kernel::Operation;
use responses::{Created, CreatedBody};

use crate::body::{self, Held};
use crate::credential::credential;
use crate::edge::Arrival;
use crate::problem::{self, Problem};
use crate::{App, rate_limits};

pub(super) const EVENT_STREAM: HeaderValue =
    HeaderValue::from_static("text/event-stream; charset=utf-8");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Answers one call to a model.
pub(super) async fn call(
    app: &App,
    operation: Operation,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (identified, inbound) = arrive(app, operation, request).await?;
    // Only moderations may leave the model out, so only there may a client not know it.
    let asker = (operation == Operation::Moderations).then(|| identified.clone());
    match (app.gateway.answer(identified, inbound).await, asker) {
        (Ok(reply), _) => Ok(respond(reply.into())),
        (Err(Refusal::ModelNotFound { model }), Some(asker)) => {
            Err(problem::no_moderation_model(&model, &able(&asker, operation)))
        }
        (Err(refusal), _) => Err(refusal.into()),
    }
}

/// Reads a request: whose it is first, so that no body of a stranger is read.
pub(super) async fn arrive(
    app: &App,
    operation: Operation,
    request: Request<Body>,
) -> Result<(Identified, Inbound), Problem> {
    let (parts, incoming) = request.into_parts();
    let identified = app.gateway.identify(credential(&parts.headers))?;
    let Held { bytes: body, room } = body::read_held(app, &parts.headers, incoming).await?;
    let arrival = parts.extensions.get::<Arrival>().ok_or_else(problem::no_arrival)?;
    let inbound = Inbound {
        id: arrival.id.clone(),
        arrived: arrival.at,
        operation,
        headers: parts.headers,
        body,
        room: Some(room),
        response: None,
        batch: None,
    };
    Ok((identified, inbound))
}

/// The models that the caller may use for this.
fn able(asker: &Identified, operation: Operation) -> Vec<String> {
    let can = |alias: &&Arc<Alias>| alias.targets.iter().any(|target| target.supports(operation));
    asker.models().into_iter().filter(can).map(|alias| alias.name.to_string()).collect()
}

/// Proxies in front of us must not hold events back.
pub(super) fn unbuffered(headers: &mut HeaderMap) {
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}

/// An answer as HTTP.
pub(super) fn respond(created: Created) -> Response {
    let Created { status, headers, limits, replayed, body } = created;
    let (body, kind) = match body {
        CreatedBody::Whole(bytes) => (Body::from(bytes), JSON),
        CreatedBody::Replay(bytes) => (Body::from(bytes), EVENT_STREAM),
        CreatedBody::Events(events) => (Body::new(events), EVENT_STREAM),
    };
    let streams = kind == EVENT_STREAM;
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    if streams {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        unbuffered(headers);
    }
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    rate_limits::put(headers, &limits);
    response
}
