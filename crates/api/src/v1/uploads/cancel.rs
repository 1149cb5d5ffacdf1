//! `POST /v1/uploads/{upload_id}/cancel`

use axum::Json;
use axum::extract::State;
use kernel::UploadId;

use super::{Upload, owner};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;
use crate::v1::caller::Caller;

/// Give an upload up, with the parts that have come.
#[utoipa::path(
    post,
    path = "/v1/uploads/{upload_id}/cancel",
    operation_id = "cancelUpload",
    tag = "Files",
    params(("upload_id" = String, Path, description = "The upload's id.")),
    responses(
        (status = 200, description = "The upload.", body = Upload),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    Caller(caller): Caller,
    Ids(id): Ids<UploadId>,
) -> Result<Json<Upload>, Problem> {
    Ok(Json(app.files.upload_cancel(&owner(&caller), &id).await?.into()))
}
