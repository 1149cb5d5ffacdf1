//! `POST /v1/chat/completions`

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::Request;
use kernel::Operation;

use super::schema::ChatCompletionRequest;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;
use crate::v1::call::{arrive, respond};

/// Create a chat completion, whole or streamed. With `store` it can be retrieved later.
#[utoipa::path(
    post,
    path = "/v1/chat/completions",
    operation_id = "createChatCompletion",
    tag = "Models",
    request_body = ChatCompletionRequest,
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
    let (caller, inbound) = arrive(&app, Operation::ChatCompletions, request).await?;
    Ok(respond(app.chats.create(&app.gateway, caller, inbound).await?))
}
