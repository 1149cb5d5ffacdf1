//! `POST /v1/uploads/{upload_id}/complete`

use axum::Json;
use axum::extract::State;
use kernel::UploadId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Upload, owner};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::sent::Sent;
use crate::problem::Problem;
use crate::v1::caller::Caller;

/// The parts that are to be the file.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Completion {
    /// The parts' ids, in the file's order.
    part_ids: Vec<String>,
    /// The MD5 checksum of the whole file, in hexadecimal, to be compared.
    #[schema(nullable = false)]
    md5: Option<String>,
}

/// Make a file of an upload's parts. Nothing is copied, so it takes no time but that of the
/// checksum, where one is given.
#[utoipa::path(
    post,
    path = "/v1/uploads/{upload_id}/complete",
    operation_id = "completeUpload",
    tag = "Files",
    params(("upload_id" = String, Path, description = "The upload's id.")),
    request_body = Completion,
    responses(
        (status = 200, description = "The upload, with its file.", body = Upload),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database or the blob store does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn complete(
    State(app): State<App>,
    Caller(caller): Caller,
    Ids(id): Ids<UploadId>,
    Sent(asked): Sent<Completion>,
) -> Result<Json<Upload>, Problem> {
    let Completion { part_ids, md5 } = asked;
    let owner = owner(&caller);
    Ok(Json(app.files.upload_complete(&owner, &id, &part_ids, md5.as_deref()).await?.into()))
}
