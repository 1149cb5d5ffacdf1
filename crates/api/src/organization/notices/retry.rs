//! `POST /v1/organization/notices/{notice_id}/retry`

use axum::Json;
use axum::extract::State;

use super::Notice;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Try a notice again that was given up. Kijun's own.
#[utoipa::path(
    post,
    path = "/v1/organization/notices/{notice_id}/retry",
    operation_id = "retryNotice",
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
pub(crate) async fn retry(
    State(app): State<App>,
    admin: Admin,
    Ids(notice): Ids<String>,
) -> Result<Json<Notice>, Problem> {
    let (store, id) = (app.store.by(&admin.actor), notice.into());
    store.notice_requeue(&admin.scope, &id).await?;
    Ok(Json(store.notice_get(&admin.scope, &id).await?.into()))
}
