//! `POST /v1/organization/webhooks/{webhook_id}/test`

use axum::Json;
use axum::extract::State;

use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::notices::Notice;
use crate::problem::Problem;

/// Post a test event to a webhook. What becomes of it stands in the notice. Kijun's own.
#[utoipa::path(
    post,
    path = "/v1/organization/webhooks/{webhook_id}/test",
    operation_id = "testWebhook",
    tag = "Administration",
    params(
        ("webhook_id" = String, Path, description = "The webhook's id."),
    ),
    responses(
        (status = 200, description = "The notice of the event.", body = Notice),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn test(
    State(app): State<App>,
    admin: Admin,
    Ids(webhook): Ids<String>,
) -> Result<Json<Notice>, Problem> {
    let notice = app.alerts.webhook_test(&admin.scope, &webhook.into()).await?;
    Ok(Json(app.store.notice_get(&admin.scope, &notice).await?.into()))
}
