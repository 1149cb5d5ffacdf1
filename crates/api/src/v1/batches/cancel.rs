//! `POST /v1/batches/{batch_id}/cancel`

use axum::Json;
use axum::extract::State;
use kernel::BatchId;

use super::Batch;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;
use crate::v1::caller::Caller;

/// Cancel a batch. Lines under way end; what was answered is in its files.
#[utoipa::path(
    post,
    path = "/v1/batches/{batch_id}/cancel",
    operation_id = "cancelBatch",
    tag = "Batches",
    params(("batch_id" = String, Path, description = "The batch's id.")),
    responses(
        (status = 200, description = "The batch.", body = Batch),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    Caller(caller): Caller,
    Ids(id): Ids<BatchId>,
) -> Result<Json<Batch>, Problem> {
    Ok(Json(app.batches.cancel(&caller.scope(), &id).await?.into()))
}
