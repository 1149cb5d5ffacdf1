//! `POST /v1/uploads/{upload_id}/parts`

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::Request;
use kernel::UploadId;
use serde::Serialize;
use utoipa::ToSchema;

use super::owner;
use crate::App;
use crate::ids::Ids;
use crate::multipart::Multipart;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;
use crate::v1::caller::Caller;

const DATA: &str = "data";

/// A part of an upload, in OpenAI's shape.
#[derive(Serialize, ToSchema)]
pub(crate) struct UploadPart {
    /// Its id.
    id: String,
    /// Always `upload.part`.
    object: &'static str,
    /// When it was made, in seconds since the Unix epoch.
    created_at: i64,
    /// The upload.
    upload_id: String,
}

/// A form with a part.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what `add_part` reads")]
struct PartForm {
    /// The part itself, 64 MiB at most.
    #[schema(value_type = String, format = Binary)]
    data: Vec<u8>,
}

/// Add a part to an upload. Parts may come in any order, and at once.
#[utoipa::path(
    post,
    path = "/v1/uploads/{upload_id}/parts",
    operation_id = "addUploadPart",
    tag = "Files",
    params(("upload_id" = String, Path, description = "The upload's id.")),
    request_body(content = PartForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The part.", body = UploadPart),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database or the blob store does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn add_part(
    State(app): State<App>,
    Caller(caller): Caller,
    Ids(id): Ids<UploadId>,
    request: Request<Body>,
) -> Result<Json<UploadPart>, Problem> {
    let (parts, body) = request.into_parts();
    let mut part = app.files.upload_part(&owner(&caller), &id).await?;
    let mut form = Multipart::new(&parts.headers, body, app.body_timeout)?;
    let mut found = false;
    while let Some(field) = form.next_field().await? {
        if field.name != DATA || found {
            let name: String = field.name.chars().take(100).collect();
            let message =
                format!("the form must have one field `{DATA}` and no other, not `{name}`");
            return Err(Problem::invalid(&name, message));
        }
        found = true;
        while let Some(piece) = form.chunk().await? {
            part.write(&piece).await?;
        }
    }
    if !found {
        return Err(Problem::invalid(DATA, format!("'{DATA}' is a required property")));
    }
    let part = part.finish().await?;
    Ok(Json(UploadPart {
        id: part.id.to_string(),
        object: "upload.part",
        created_at: part.created_at.as_secs(),
        upload_id: id.to_string(),
    }))
}
