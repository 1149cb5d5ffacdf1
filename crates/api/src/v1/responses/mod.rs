//! `/v1/responses`

pub(super) mod cancel;
pub(super) mod compact;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod input_items;
pub(super) mod input_tokens;
pub(super) mod retrieve;
mod schema;
pub(super) mod socket;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use gateway::Identified;
use http::{HeaderValue, Request, header};
use responses::Asked;

use crate::App;
use crate::body::{self, Held};
use crate::credential::credential;
use crate::edge::Arrival;
use crate::problem::{self, Problem};
use crate::v1::call::{EVENT_STREAM, JSON, unbuffered};

/// Reads a request for a response: whose it is first, so that no body of a stranger is read.
async fn asked(app: &App, request: Request<Body>) -> Result<(Identified, Asked), Problem> {
    let (parts, incoming) = request.into_parts();
    let caller = app.gateway.identify(credential(&parts.headers))?;
    let Held { bytes: body, room } = body::read_held(app, &parts.headers, incoming).await?;
    let arrival = parts.extensions.get::<Arrival>().ok_or_else(problem::no_arrival)?;
    let (id, arrived) = (arrival.id.clone(), arrival.at);
    let (headers, room) = (parts.headers, Some(room));
    Ok((caller, Asked { id, arrived, headers, body, room, batch: None }))
}

/// A JSON document.
fn document(document: Bytes) -> Response {
    let mut response = Response::new(Body::from(document));
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

/// Server-sent events.
fn stream(events: Body) -> Response {
    let mut response = Response::new(events);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, EVENT_STREAM);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    unbuffered(headers);
    response
}
