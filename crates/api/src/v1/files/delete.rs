//! `DELETE /v1/files/{file_id}`

use axum::Json;
use axum::extract::State;
use kernel::FileId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;
use crate::v1::caller::Caller;

/// A file that was deleted.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeletedFile {
    /// The id that it had.
    id: String,
    /// Always `file`.
    object: &'static str,
    /// Always true.
    deleted: bool,
}

/// Delete a file and its bytes.
#[utoipa::path(
    delete,
    path = "/v1/files/{file_id}",
    operation_id = "deleteFile",
    tag = "Files",
    params(("file_id" = String, Path, description = "The file's id.")),
    responses(
        (status = 200, description = "It is deleted.", body = DeletedFile),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Caller(caller): Caller,
    Ids(id): Ids<FileId>,
) -> Result<Json<DeletedFile>, Problem> {
    app.files.delete(&caller.scope(), &id).await?;
    Ok(Json(DeletedFile { id: id.to_string(), object: "file", deleted: true }))
}
