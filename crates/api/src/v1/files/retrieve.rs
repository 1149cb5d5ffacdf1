//! `GET /v1/files/{file_id}`

use axum::Json;
use axum::extract::State;
use kernel::FileId;

use super::File;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;
use crate::v1::caller::Caller;

/// Retrieve what is known of a file.
#[utoipa::path(
    get,
    path = "/v1/files/{file_id}",
    operation_id = "retrieveFile",
    tag = "Files",
    params(("file_id" = String, Path, description = "The file's id.")),
    responses(
        (status = 200, description = "The file.", body = File),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    Caller(caller): Caller,
    Ids(id): Ids<FileId>,
) -> Result<Json<File>, Problem> {
    Ok(Json(app.files.get(&caller.scope(), &id).await?.into()))
}
