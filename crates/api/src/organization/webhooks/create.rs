//! `POST /v1/organization/webhooks`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use store::NewWebhook;
use utoipa::ToSchema;

use super::WebhookWithSecret;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// A webhook to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookToCreate {
    /// What people call it.
    name: String,
    /// Where events are posted to.
    #[schema(example = "https://hooks.example.com/kijun")]
    url: String,
    /// The types of events that are posted there; without it all.
    #[serde(default)]
    events: Vec<String>,
    /// Whether nothing is posted there for now.
    #[serde(default)]
    disabled: bool,
}

/// Make a webhook. Its secret is shown this once. Kijun's own.
#[utoipa::path(
    post,
    path = "/v1/organization/webhooks",
    operation_id = "createWebhook",
    tag = "Administration",
    request_body = WebhookToCreate,
    responses(
        (status = 200, description = "The webhook, with its secret.", body = WebhookWithSecret),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    admin: Admin,
    Sent(new): Sent<WebhookToCreate>,
) -> Result<Json<WebhookWithSecret>, Problem> {
    let WebhookToCreate { name, url, events, disabled } = new;
    let (store, new) = (app.store.by(&admin.actor), NewWebhook { name, url, events, disabled });
    let made = app.alerts.webhook_create(&store, &admin.scope, &new).await?;
    Ok(Json(WebhookWithSecret::new(made)))
}
