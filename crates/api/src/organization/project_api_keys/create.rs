//! `POST /v1/organization/projects/{project_id}/api_keys`

use axum::Json;
use axum::extract::State;
use identity::KeyToMake;
use serde::Deserialize;
use utoipa::ToSchema;

use super::MadeProjectApiKey;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::expiry::expiry;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// An API key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectApiKeyToCreate {
    /// What people call it: 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200, example = "Team 5")]
    name: String,
    /// For how many seconds it works; without it and `expires_at`, until it is revoked.
    #[schema(minimum = 1, maximum = 31_536_000)]
    expires_in_seconds: Option<u64>,
    /// Until when it works, in seconds since the Unix epoch.
    expires_at: Option<i64>,
}

/// Make an API key; its value is shown once. Kijun's own.
#[utoipa::path(
    post,
    path = "/v1/organization/projects/{project_id}/api_keys",
    operation_id = "createProjectApiKey",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
    ),
    request_body = ProjectApiKeyToCreate,
    responses(
        (status = 200, description = "The key and its value.", body = MadeProjectApiKey),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    admin: Admin,
    Ids(project): Ids<String>,
    Sent(new): Sent<ProjectApiKeyToCreate>,
) -> Result<Json<MadeProjectApiKey>, Problem> {
    let scope = admin.within(&project);
    let key = KeyToMake {
        project: project.into(),
        name: new.name,
        service_account: None,
        expires_at: expiry(app.clock.now(), new.expires_in_seconds, new.expires_at)?,
    };
    let made = app.administration.by(&admin.actor).api_key_create(&scope, key).await?;
    app.gateway.see_change().await;
    Ok(Json(MadeProjectApiKey::of(&app, &scope, made).await?))
}
