//! `POST /v1/moderations`

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::Request;
use kernel::Operation;

use super::schema::ModerationRequest;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;
use crate::v1::call::call;

/// Classify content, by a provider that can.
#[utoipa::path(
    post,
    path = "/v1/moderations",
    operation_id = "createModeration",
    tag = "Models",
    request_body = ModerationRequest,
    responses(
        (status = 200, description = "The answer, in OpenAI's shape.", body = Object),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "No provider answered.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    call(&app, Operation::Moderations, request).await
}
