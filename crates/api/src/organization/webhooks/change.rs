//! `POST /v1/organization/webhooks/{webhook_id}`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use store::NewWebhook;
use utoipa::ToSchema;

use super::Webhook;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// What is to be another; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookToChange {
    /// What people call it.
    name: Option<String>,
    /// Where events are posted to.
    url: Option<String>,
    /// The types of events that are posted there; empty: all.
    events: Option<Vec<String>>,
    /// Whether nothing is posted there for now.
    disabled: Option<bool>,
}

/// Change a webhook. Its secret stays. Kijun's own.
#[utoipa::path(
    post,
    path = "/v1/organization/webhooks/{webhook_id}",
    operation_id = "changeWebhook",
    tag = "Administration",
    params(
        ("webhook_id" = String, Path, description = "The webhook's id."),
    ),
    request_body = WebhookToChange,
    responses(
        (status = 200, description = "The webhook.", body = Webhook),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn change(
    State(app): State<App>,
    admin: Admin,
    Ids(webhook): Ids<String>,
    Sent(change): Sent<WebhookToChange>,
) -> Result<Json<Webhook>, Problem> {
    let (store, id) = (app.store.by(&admin.actor), webhook.into());
    let found = store.webhook_get(&admin.scope, &id).await?;
    let new = NewWebhook {
        name: change.name.unwrap_or(found.name),
        url: change.url.unwrap_or(found.url),
        events: change.events.unwrap_or(found.events),
        disabled: change.disabled.unwrap_or(found.disabled_at.is_some()),
    };
    Ok(Json(app.alerts.webhook_update(&store, &admin.scope, &id, &new).await?.into()))
}
