//! `POST /v1/uploads`

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use files::{NewUpload, uploaded_purpose};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Anchor, ExpiresAfter, Upload, owner};
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::sent::Sent;
use crate::problem::Problem;
use crate::v1::caller::Caller;

/// An upload to be begun.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UploadRequest {
    /// What the file is called.
    filename: String,
    /// What it is for: `assistants`, `batch`, `fine-tune`, `vision`, `user_data` or `evals`.
    purpose: String,
    /// How many bytes it has.
    bytes: u64,
    /// Its media type. Files are kept as they are, whatever it is.
    mime_type: String,
    /// When it goes. It never lives longer than the project's data retention allows.
    #[schema(nullable = false)]
    expires_after: Option<ExpiresAfter>,
}

/// Begin to upload a file in parts. It takes parts for an hour.
#[utoipa::path(
    post,
    path = "/v1/uploads",
    operation_id = "createUpload",
    tag = "Files",
    request_body = UploadRequest,
    responses(
        (status = 200, description = "The upload.", body = Upload),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    Caller(caller): Caller,
    Sent(asked): Sent<UploadRequest>,
) -> Result<Json<Upload>, Problem> {
    if asked.mime_type.is_empty() {
        return Err(Problem::invalid("mime_type", "`mime_type` must not be empty"));
    }
    let life = asked
        .expires_after
        .map(|ExpiresAfter { anchor: Anchor::CreatedAt, seconds }| Duration::from_secs(seconds));
    let new = NewUpload {
        filename: asked.filename,
        purpose: uploaded_purpose(&asked.purpose)?,
        bytes: asked.bytes,
        expires_after: life,
    };
    Ok(Json(app.files.upload_create(&owner(&caller), new).await?.into()))
}
