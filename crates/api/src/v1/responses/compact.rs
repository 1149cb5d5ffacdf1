//! `POST /v1/responses/compact`

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::Request;

use super::schema::ResponseRequest;
use super::{asked, document};
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;

/// Make a conversation short: users' messages, and one item in which the model sums up the rest.
#[utoipa::path(
    post,
    path = "/v1/responses/compact",
    operation_id = "compactResponse",
    tag = "Responses",
    request_body = ResponseRequest,
    responses(
        (status = 200, description = "The shorter conversation.", body = Object),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "No provider answered.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn compact(
    State(app): State<App>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (caller, asked) = asked(&app, request).await?;
    Ok(document(app.responses.compact(caller, asked).await?))
}
