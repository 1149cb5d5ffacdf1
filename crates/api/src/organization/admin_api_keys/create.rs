//! `POST /v1/organization/admin_api_keys`

use axum::Json;
use axum::extract::State;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AdminApiKey;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::expiry::expiry;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// An admin key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminApiKeyToCreate {
    /// What people call it: 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200, example = "Team 5")]
    name: String,
    /// For how many seconds it works; without it, until it is deleted.
    #[schema(minimum = 1, maximum = 31_536_000)]
    expires_in_seconds: Option<u64>,
}

/// A new admin key. This is the only time that its value is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedAdminApiKey {
    #[serde(flatten)]
    key: AdminApiKey,
    /// The key itself.
    value: String,
}

/// Make an admin key; its value is shown once.
#[utoipa::path(
    post,
    path = "/v1/organization/admin_api_keys",
    operation_id = "createAdminApiKey",
    tag = "Administration",
    request_body = AdminApiKeyToCreate,
    responses(
        (status = 200, description = "The admin key and its value.", body = CreatedAdminApiKey),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    admin: Admin,
    Sent(new): Sent<AdminApiKeyToCreate>,
) -> Result<Json<CreatedAdminApiKey>, Problem> {
    let expires_at = expiry(app.clock.now(), new.expires_in_seconds, None)?;
    let made = app
        .administration
        .by(&admin.actor)
        .admin_key_create(&admin.scope, &new.name, expires_at)
        .await?;
    app.gateway.see_change().await;
    let value = made.secret.expose_secret().to_owned();
    Ok(Json(CreatedAdminApiKey { key: made.key.into(), value }))
}
