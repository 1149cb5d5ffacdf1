//! `POST /v1/organization/projects/{project_id}/service_accounts`

use axum::Json;
use axum::extract::State;
use kernel::Role;
use serde::{Deserialize, Serialize};
use store::NewServiceAccount;
use utoipa::ToSchema;

use super::{ServiceAccount, ServiceAccountKey};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// A service account to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceAccountToCreate {
    /// What people call it: 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200, example = "Team 5")]
    name: String,
    /// Whether to make no key with it.
    create_service_account_only: Option<bool>,
}

/// A new service account.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedServiceAccount {
    #[serde(flatten)]
    account: ServiceAccount,
    /// Its first key, unless none was wanted.
    #[schema(required)]
    api_key: Option<ServiceAccountKey>,
}

/// Make a service account, and its first API key, whose value is shown once.
#[utoipa::path(
    post,
    path = "/v1/organization/projects/{project_id}/service_accounts",
    operation_id = "createProjectServiceAccount",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
    ),
    request_body = ServiceAccountToCreate,
    responses(
        (status = 200, description = "The service account and its key.", body = CreatedServiceAccount),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    admin: Admin,
    Ids(project): Ids<String>,
    Sent(new): Sent<ServiceAccountToCreate>,
) -> Result<Json<CreatedServiceAccount>, Problem> {
    let project = project.into();
    if new.create_service_account_only == Some(true) {
        let new = NewServiceAccount { project, name: new.name, role: Role::Member };
        let account = app.store.service_account_create(&admin.scope, new).await?;
        return Ok(Json(CreatedServiceAccount { account: account.into(), api_key: None }));
    }
    let rules = app.administration.by(&admin.actor);
    let made = rules.service_account_create(&admin.scope, &project, &new.name).await?;
    app.gateway.see_change().await;
    let (account, api_key) = (made.account.into(), Some(made.key.into()));
    Ok(Json(CreatedServiceAccount { account, api_key }))
}
