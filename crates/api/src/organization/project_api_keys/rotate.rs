//! `POST /v1/organization/projects/{project_id}/api_keys/{api_key_id}/rotate`

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use identity::Rotation;
use identity::keys::LONGEST_OVERLAP;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{MadeProjectApiKey, living};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::expiry::expiry;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// How a key gets its new value.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyRotation {
    /// For how many seconds the old value still works: a day where nothing is said.
    #[schema(minimum = 0, maximum = 2_592_000)]
    overlap_seconds: Option<u64>,
    /// For how many seconds the new value works; without it and `expires_at`, for as long as the
    /// old one would have.
    #[schema(minimum = 1, maximum = 31_536_000)]
    expires_in_seconds: Option<u64>,
    /// Until when the new value works, in seconds since the Unix epoch.
    expires_at: Option<i64>,
}

/// Give an API key a new value, shown once; the old one goes on working for a while. Kijun's own.
#[utoipa::path(
    post,
    path = "/v1/organization/projects/{project_id}/api_keys/{api_key_id}/rotate",
    operation_id = "rotateProjectApiKey",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
        ("api_key_id" = String, Path, description = "The key's id."),
    ),
    request_body = KeyRotation,
    responses(
        (status = 200, description = "The key and its new value.", body = MadeProjectApiKey),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn rotate(
    State(app): State<App>,
    admin: Admin,
    Ids((project, key)): Ids<(String, String)>,
    Sent(wish): Sent<KeyRotation>,
) -> Result<Json<MadeProjectApiKey>, Problem> {
    let scope = admin.within(&project);
    let overlap = wish.overlap_seconds.map(Duration::from_secs);
    if overlap.is_some_and(|overlap| overlap > LONGEST_OVERLAP) {
        let message = format!("`overlap_seconds` must be from 0 to {}", LONGEST_OVERLAP.as_secs());
        return Err(Problem::invalid("overlap_seconds", message));
    }
    let expires_at = expiry(app.clock.now(), wish.expires_in_seconds, wish.expires_at)?;
    let key = living(&app, &scope, &key).await?;
    let rotation = Rotation { overlap, expires_at };
    let made =
        app.administration.by(&admin.actor).api_key_rotate(&scope, &key.id, rotation).await?;
    app.gateway.see_change().await;
    Ok(Json(MadeProjectApiKey::of(&app, &scope, made).await?))
}
