//! `POST /v1/organization/projects/{project_id}/service_accounts/{service_account_id}/api_keys`

use axum::Json;
use axum::extract::State;
use identity::KeyToMake;
use serde::Deserialize;
use utoipa::ToSchema;

use super::ServiceAccountKey;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceAccountKeyToCreate {
    /// What people call it; without one, as the service account.
    #[schema(min_length = 1, max_length = 200, example = "Second key")]
    name: Option<String>,
}

/// Make another API key for a service account; its value is shown once.
#[utoipa::path(
    post,
    path = "/v1/organization/projects/{project_id}/service_accounts/{service_account_id}/api_keys",
    operation_id = "createProjectServiceAccountApiKey",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
        ("service_account_id" = String, Path, description = "The service account's id."),
    ),
    request_body = ServiceAccountKeyToCreate,
    responses(
        (status = 200, description = "The key.", body = ServiceAccountKey),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn create_api_key(
    State(app): State<App>,
    admin: Admin,
    Ids((project, account)): Ids<(String, String)>,
    Sent(new): Sent<ServiceAccountKeyToCreate>,
) -> Result<Json<ServiceAccountKey>, Problem> {
    let (rules, scope) = (app.administration.by(&admin.actor), admin.within(&project));
    let account = rules.service_account_get(&scope, &account.into()).await?;
    let key = KeyToMake {
        project: account.project,
        name: new.name.unwrap_or(account.name),
        service_account: Some(account.id),
        expires_at: None,
    };
    let made = rules.api_key_create(&scope, key).await?;
    app.gateway.see_change().await;
    Ok(Json(made.into()))
}
