//! `/v1/organization/webhooks`: Kijun's own.

pub(super) mod change;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod list;
pub(super) mod retrieve;
pub(super) mod rotate_secret;
pub(super) mod test;

use alerts::AlertsError;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use super::list::Listed;
use crate::problem::Problem;

/// An address that events are posted to.
#[derive(Serialize, ToSchema)]
pub(crate) struct Webhook {
    /// Always `organization.webhook`.
    object: &'static str,
    /// Its id.
    id: String,
    /// What people call it.
    name: String,
    /// The address.
    url: String,
    /// The types of events that are posted there; empty: all.
    events: Vec<String>,
    /// When it was made, in seconds since the Unix epoch.
    created_at: i64,
    /// Since when nothing is posted there; null: everything is.
    #[schema(required)]
    disabled_at: Option<i64>,
}

/// A webhook with the secret that its posts are signed with.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookWithSecret {
    #[serde(flatten)]
    webhook: Webhook,
    /// The secret, shown this once.
    #[schema(example = "whsec_...")]
    secret: String,
}

impl WebhookWithSecret {
    fn new((webhook, secret): (store::Webhook, SecretString)) -> Self {
        Self { webhook: webhook.into(), secret: secret.expose_secret().to_owned() }
    }
}

impl From<store::Webhook> for Webhook {
    fn from(webhook: store::Webhook) -> Self {
        Self {
            object: "organization.webhook",
            id: webhook.id.to_string(),
            name: webhook.name,
            url: webhook.url,
            events: webhook.events,
            created_at: webhook.created_at.as_secs(),
            disabled_at: webhook.disabled_at.map(kernel::Timestamp::as_secs),
        }
    }
}

impl Listed for Webhook {
    fn id(&self) -> &str {
        &self.id
    }
}

impl From<AlertsError> for Problem {
    fn from(error: AlertsError) -> Self {
        let message = error.to_string();
        match error {
            AlertsError::Store(error) => error.into(),
            AlertsError::Field { field, .. } => Self::invalid(field, message),
            AlertsError::Invalid { .. } => {
                Self::new(409, "invalid_request_error", Some("conflict"), message)
            }
        }
    }
}
