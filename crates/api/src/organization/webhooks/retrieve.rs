//! `GET /v1/organization/webhooks/{webhook_id}`

use axum::Json;
use axum::extract::State;

use super::Webhook;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Retrieve a webhook. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/webhooks/{webhook_id}",
    operation_id = "retrieveWebhook",
    tag = "Administration",
    params(
        ("webhook_id" = String, Path, description = "The webhook's id."),
    ),
    responses(
        (status = 200, description = "The webhook.", body = Webhook),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    admin: Admin,
    Ids(webhook): Ids<String>,
) -> Result<Json<Webhook>, Problem> {
    Ok(Json(app.store.webhook_get(&admin.scope, &webhook.into()).await?.into()))
}
