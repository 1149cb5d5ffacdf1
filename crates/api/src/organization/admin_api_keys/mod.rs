//! `/v1/organization/admin_api_keys`

pub(super) mod create;
pub(super) mod delete;
pub(super) mod list;
pub(super) mod retrieve;

use kernel::{Scope, Timestamp};
use serde::Serialize;
use store::{AdminKey, StoreError};
use utoipa::ToSchema;

use super::list::Listed;
use crate::App;
use crate::problem::Problem;

/// An admin key, as it may be shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct AdminApiKey {
    /// Always `organization.admin_api_key`.
    object: &'static str,
    /// Its id.
    id: String,
    /// What people call it.
    name: String,
    /// Enough of the key for its owner to recognise it.
    redacted_value: String,
    /// When it was made, in seconds since the Unix epoch.
    created_at: i64,
    /// When it stops working; null: never.
    #[schema(required)]
    expires_at: Option<i64>,
    /// When it was last used.
    #[schema(required)]
    last_used_at: Option<i64>,
    /// Whose it is.
    owner: AdminKeyOwner,
}

/// Whose an admin key is: its organization's.
#[derive(Serialize, ToSchema)]
pub(crate) struct AdminKeyOwner {
    /// Always `organization`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Always `organization`.
    object: &'static str,
    /// The organization's id.
    id: String,
    /// What it may do.
    role: &'static str,
}

impl From<AdminKey> for AdminApiKey {
    fn from(key: AdminKey) -> Self {
        Self {
            object: "organization.admin_api_key",
            id: key.id.to_string(),
            name: key.name,
            redacted_value: key.redacted,
            created_at: key.created_at.as_secs(),
            expires_at: key.expires_at.map(Timestamp::as_secs),
            last_used_at: key.last_used_at.map(Timestamp::as_secs),
            owner: AdminKeyOwner {
                kind: "organization",
                object: "organization",
                id: key.organization.to_string(),
                role: "owner",
            },
        }
    }
}

/// The key of this id, unless it is revoked: then it is gone.
async fn living(app: &App, scope: &Scope, id: &str) -> Result<AdminKey, Problem> {
    let key = app.administration.admin_key_get(scope, &id.into()).await?;
    match key.revoked_at {
        None => Ok(key),
        Some(_) => Err(StoreError::NotFound { what: "admin key", id: id.to_owned() }.into()),
    }
}

impl Listed for AdminApiKey {
    fn id(&self) -> &str {
        &self.id
    }
}
