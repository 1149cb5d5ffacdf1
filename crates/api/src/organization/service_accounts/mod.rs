//! `/v1/organization/projects/{project_id}/service_accounts`

pub(super) mod create;
pub(super) mod create_api_key;
pub(super) mod delete;
pub(super) mod list;
pub(super) mod retrieve;

use identity::MadeKey;
use kernel::Role;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use utoipa::ToSchema;

use super::list::Listed;

/// A caller that is no person.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServiceAccount {
    /// Always `organization.project.service_account`.
    object: &'static str,
    /// Its id.
    id: String,
    /// What people call it.
    name: String,
    /// What it may do: `member`.
    role: &'static str,
    /// When it was made, in seconds since the Unix epoch.
    created_at: i64,
}

/// A service account's API key. This is the only time that its value is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServiceAccountKey {
    /// Always `organization.project.service_account.api_key`.
    object: &'static str,
    /// The key itself.
    value: String,
    /// What people call it.
    name: String,
    /// When it was made, in seconds since the Unix epoch.
    created_at: i64,
    /// The key's id.
    id: String,
}

impl From<store::ServiceAccount> for ServiceAccount {
    fn from(account: store::ServiceAccount) -> Self {
        Self {
            object: "organization.project.service_account",
            id: account.id.to_string(),
            name: account.name,
            role: match account.role {
                Role::Member => "member",
                Role::Admin => "owner",
            },
            created_at: account.created_at.as_secs(),
        }
    }
}

impl From<MadeKey> for ServiceAccountKey {
    fn from(made: MadeKey) -> Self {
        Self {
            object: "organization.project.service_account.api_key",
            value: made.secret.expose_secret().to_owned(),
            name: made.key.name,
            created_at: made.key.created_at.as_secs(),
            id: made.key.id.to_string(),
        }
    }
}

impl Listed for ServiceAccount {
    fn id(&self) -> &str {
        &self.id
    }
}
