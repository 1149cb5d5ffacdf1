//! `GET /v1/organization/notices/{notice_id}`

use axum::Json;
use axum::extract::State;

use super::Notice;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Retrieve a notice. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/notices/{notice_id}",
    operation_id = "retrieveNotice",
    tag = "Administration",
    params(
        ("notice_id" = String, Path, description = "The notice's id."),
    ),
    responses(
        (status = 200, description = "The notice.", body = Notice),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    admin: Admin,
    Ids(notice): Ids<String>,
) -> Result<Json<Notice>, Problem> {
    Ok(Json(app.store.notice_get(&admin.scope, &notice.into()).await?.into()))
}
