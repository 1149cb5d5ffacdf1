//! `DELETE /v1/organization/webhooks/{webhook_id}`

use axum::Json;
use axum::extract::State;

use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::deleted::Deleted;
use crate::problem::Problem;

/// Delete a webhook, with all that was still to be posted there. Kijun's own.
#[utoipa::path(
    delete,
    path = "/v1/organization/webhooks/{webhook_id}",
    operation_id = "deleteWebhook",
    tag = "Administration",
    params(
        ("webhook_id" = String, Path, description = "The webhook's id."),
    ),
    responses(
        (status = 200, description = "It is deleted.", body = Deleted),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn delete(
    State(app): State<App>,
    admin: Admin,
    Ids(webhook): Ids<String>,
) -> Result<Json<Deleted>, Problem> {
    let id = webhook.as_str().into();
    app.store.by(&admin.actor).webhook_delete(&admin.scope, &id).await?;
    Ok(Json(Deleted::new("organization.webhook.deleted", webhook)))
}
