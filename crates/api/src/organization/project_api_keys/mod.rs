//! `/v1/organization/projects/{project_id}/api_keys`

pub(super) mod create;
pub(super) mod delete;
pub(super) mod list;
pub(super) mod retrieve;
pub(super) mod rotate;

use identity::MadeKey;
use kernel::{Scope, ServiceAccountId, Timestamp};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use store::{ApiKey, ProjectStatus, StoreError};
use utoipa::ToSchema;

use super::list::Listed;
use super::service_accounts::ServiceAccount;
use crate::App;
use crate::problem::Problem;

/// An API key of a project, as it may be shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProjectApiKey {
    /// Always `organization.project.api_key`.
    object: &'static str,
    /// Enough of the key for its owner to recognise it.
    redacted_value: String,
    /// What people call it.
    name: String,
    /// When it was made, in seconds since the Unix epoch.
    created_at: i64,
    /// When it was last used, to within a minute.
    #[schema(required)]
    last_used_at: Option<i64>,
    /// When it stops working; null: never. Kijun's own field.
    #[schema(required)]
    expires_at: Option<i64>,
    /// Its id, which stays the same when it is rotated.
    id: String,
    /// `active`, or `inactive` once the project is archived.
    owner_project_access: &'static str,
    /// Whose it is.
    owner: Owner,
}

/// Whose a key is. A key without a service account is its project's.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct Owner {
    /// `service_account`, where one owns the key.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    kind: Option<&'static str>,
    /// The service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    service_account: Option<ServiceAccount>,
}

/// A key with a new value. This is the only time that it is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeProjectApiKey {
    #[serde(flatten)]
    key: ProjectApiKey,
    /// The key itself.
    value: String,
}

impl ProjectApiKey {
    /// The key with its owner.
    async fn of(app: &App, scope: &Scope, key: ApiKey) -> Result<Self, Problem> {
        let project = app.administration.project_get(scope, &key.project).await?;
        Ok(Self {
            object: "organization.project.api_key",
            redacted_value: key.redacted,
            name: key.name,
            created_at: key.created_at.as_secs(),
            last_used_at: key.last_used_at.map(Timestamp::as_secs),
            expires_at: key.expires_at.map(Timestamp::as_secs),
            id: key.id.to_string(),
            owner_project_access: match project.status() {
                ProjectStatus::Active => "active",
                ProjectStatus::Archived => "inactive",
            },
            owner: Owner::of(app, scope, key.service_account).await?,
        })
    }
}

impl Owner {
    async fn of(
        app: &App,
        scope: &Scope,
        account: Option<ServiceAccountId>,
    ) -> Result<Self, Problem> {
        let Some(id) = account else { return Ok(Self::default()) };
        let account = match app.store.service_account_get(scope, &id).await {
            Ok(account) => Some(account.into()),
            // Deleted meanwhile.
            Err(StoreError::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { kind: Some("service_account"), service_account: account })
    }
}

impl MadeProjectApiKey {
    async fn of(app: &App, scope: &Scope, made: MadeKey) -> Result<Self, Problem> {
        let value = made.secret.expose_secret().to_owned();
        Ok(Self { key: ProjectApiKey::of(app, scope, made.key).await?, value })
    }
}

/// The key of this project that works or will have to be revoked: one that is revoked is gone.
async fn living(app: &App, scope: &Scope, id: &str) -> Result<ApiKey, Problem> {
    let key = app.administration.api_key_get(scope, &id.into()).await?;
    match key.revoked_at {
        None => Ok(key),
        Some(_) => Err(StoreError::NotFound { what: "API key", id: id.to_owned() }.into()),
    }
}

impl Listed for ProjectApiKey {
    fn id(&self) -> &str {
        &self.id
    }
}
