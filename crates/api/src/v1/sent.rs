//! Bodies of verbs that reach no model: read whole; the crate behind the verb says what is wrong
//! with them.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;

use crate::problem::Problem;
use crate::{App, body};

/// What the client sent, decompressed.
pub(crate) struct Sent(pub(crate) Bytes);

impl FromRequest<App> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, app: &App) -> Result<Self, Problem> {
        let (parts, incoming) = request.into_parts();
        Ok(Self(body::read(app, &parts.headers, incoming).await?))
    }
}
