//! `POST /v1/responses`

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::Request;

use super::asked;
use super::schema::ResponseRequest;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;
use crate::v1::call::respond;

/// Create a response: whole, as a stream, or in the background.
#[utoipa::path(
    post,
    path = "/v1/responses",
    operation_id = "createResponse",
    tag = "Responses",
    request_body = ResponseRequest,
    responses(
        (status = 200, description = "The response, or its events.", body = Object),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "No provider answered.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (caller, asked) = asked(&app, request).await?;
    Ok(respond(app.responses.create(caller, asked).await?))
}
