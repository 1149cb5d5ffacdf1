//! `POST /v1/responses/{response_id}/cancel`

use axum::extract::State;
use axum::response::Response;

use super::document;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;
use crate::v1::caller::Caller;

/// Cancel a background response. One that is over stays as it is.
#[utoipa::path(
    post,
    path = "/v1/responses/{response_id}/cancel",
    operation_id = "cancelResponse",
    tag = "Responses",
    params(("response_id" = String, Path, description = "The response's id.")),
    responses(
        (status = 200, description = "The response.", body = Object),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    Caller(caller): Caller,
    Ids(id): Ids<String>,
) -> Result<Response, Problem> {
    Ok(document(app.responses.cancel(&caller, &id).await?))
}
