//! `POST /v1/organization/webhooks/{webhook_id}/rotate_secret`

use axum::Json;
use axum::extract::State;

use super::WebhookWithSecret;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Give a webhook a new secret, shown this once. Posts are signed with it from now on. Kijun's own.
#[utoipa::path(
    post,
    path = "/v1/organization/webhooks/{webhook_id}/rotate_secret",
    operation_id = "rotateWebhookSecret",
    tag = "Administration",
    params(
        ("webhook_id" = String, Path, description = "The webhook's id."),
    ),
    responses(
        (status = 200, description = "The webhook, with its secret.", body = WebhookWithSecret),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn rotate_secret(
    State(app): State<App>,
    admin: Admin,
    Ids(webhook): Ids<String>,
) -> Result<Json<WebhookWithSecret>, Problem> {
    let (store, id) = (app.store.by(&admin.actor), webhook.into());
    let rotated = app.alerts.webhook_rotate(&store, &admin.scope, &id).await?;
    Ok(Json(WebhookWithSecret::new(rotated)))
}
