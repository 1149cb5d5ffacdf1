//! `POST /v1/responses/input_tokens`

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::Request;
use serde_json::Value;

use super::asked;
use super::schema::ResponseRequest;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;

/// Count the tokens that a request would read. No provider is asked.
#[utoipa::path(
    post,
    path = "/v1/responses/input_tokens",
    operation_id = "countInputTokens",
    tag = "Responses",
    request_body = ResponseRequest,
    responses(
        (status = 200, description = "How many.", body = Object),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn input_tokens(
    State(app): State<App>,
    request: Request<Body>,
) -> Result<Json<Value>, Problem> {
    let (caller, asked) = asked(&app, request).await?;
    Ok(Json(app.responses.input_tokens(&caller, &asked.body).await?))
}
