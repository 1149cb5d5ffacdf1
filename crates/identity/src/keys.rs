//! API keys of projects: made, rotated with an overlap, revoked.

use std::time::Duration;

use kernel::{ApiKeyId, ProjectId, Scope, ServiceAccountId, Timestamp};
use secrecy::SecretString;
use store::{ApiKey, NewApiKey, Page, Paged};

use crate::administration::{
    Administration, AdministrationError, checked_name, days, invalid, stored,
};
use crate::secret::{ApiSecret, SecretKind};

/// For how long the old secret of a rotated key works, where nothing else is said.
pub const DEFAULT_OVERLAP: Duration = days(1);
/// For how long it may work at most.
pub const LONGEST_OVERLAP: Duration = days(30);

/// An API key to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyToMake {
    /// The project that it calls for.
    pub project: ProjectId,
    /// What people call it.
    pub name: String,
    /// The service account that it belongs to, if it does.
    pub service_account: Option<ServiceAccountId>,
    /// When it stops working; `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// A key with a new secret. This is the only place where the secret is ever seen.
#[derive(Clone, Debug)]
pub struct MadeKey {
    /// The key.
    pub key: ApiKey,
    /// Its plain text, to be handed to its owner.
    pub secret: SecretString,
}

/// How a key gets a new secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rotation {
    /// For how long the old secret still works; `None`: [`DEFAULT_OVERLAP`].
    pub overlap: Option<Duration>,
    /// When the new secret stops working; `None`: when the old one would have, so that rotating a
    /// key does not quietly prolong its life.
    pub expires_at: Option<Timestamp>,
}

impl Administration {
    /// Makes an API key.
    ///
    /// # Errors
    /// A name that is empty or too long, an expiry in the past, an archived project; the store.
    pub async fn api_key_create(
        &self,
        scope: &Scope,
        new: KeyToMake,
    ) -> Result<MadeKey, AdministrationError> {
        let secret = ApiSecret::generate(SecretKind::Project, self.rng.as_ref());
        let key = self.api_key_add(scope, new, &secret).await?;
        Ok(MadeKey { key, secret: secret.into_text() })
    }

    /// Makes an API key of a secret that exists.
    pub(crate) async fn api_key_add(
        &self,
        scope: &Scope,
        new: KeyToMake,
        secret: &ApiSecret,
    ) -> Result<ApiKey, AdministrationError> {
        let expires_at = self.checked_expiry(new.expires_at)?;
        let new = NewApiKey {
            name: checked_name(&new.name)?.to_owned(),
            project: new.project,
            service_account: new.service_account,
            secret: stored(secret, expires_at),
        };
        Ok(self.store.api_key_create(scope, new).await?)
    }

    /// The API keys of a project.
    ///
    /// # Errors
    /// The store.
    pub async fn api_key_list(
        &self,
        scope: &Scope,
        project: &ProjectId,
        page: &Page,
    ) -> Result<Paged<ApiKey>, AdministrationError> {
        Ok(self.store.api_key_list(scope, project, page).await?)
    }

    /// One API key, revoked or not.
    ///
    /// # Errors
    /// There is none with this id in the scope; the store.
    pub async fn api_key_get(
        &self,
        scope: &Scope,
        id: &ApiKeyId,
    ) -> Result<ApiKey, AdministrationError> {
        Ok(self.store.api_key_get(scope, id).await?)
    }

    /// Gives a key a new secret. It keeps its id, its limits and its records.
    ///
    /// # Errors
    /// An overlap that is too long, an expiry in the past, a revoked key; the store.
    pub async fn api_key_rotate(
        &self,
        scope: &Scope,
        id: &ApiKeyId,
        rotation: Rotation,
    ) -> Result<MadeKey, AdministrationError> {
        let overlap = rotation.overlap.unwrap_or(DEFAULT_OVERLAP);
        if overlap > LONGEST_OVERLAP {
            let reason = "is too long; the old secret may work for 30 days at most";
            return Err(invalid("overlap", reason));
        }
        let key = self.store.api_key_get(scope, id).await?;
        let expires_at = self.checked_expiry(rotation.expires_at.or(key.expires_at))?;
        let secret = ApiSecret::generate(SecretKind::Project, self.rng.as_ref());
        let old_expires_at = self.clock.now().plus(overlap);
        let new = stored(&secret, expires_at);
        let key = self.store.api_key_rotate(scope, id, &new, old_expires_at).await?;
        Ok(MadeKey { key, secret: secret.into_text() })
    }

    /// Revokes a key with all its secrets, for good.
    ///
    /// # Errors
    /// There is none with this id in the scope; the store.
    pub async fn api_key_revoke(
        &self,
        scope: &Scope,
        id: &ApiKeyId,
    ) -> Result<ApiKey, AdministrationError> {
        Ok(self.store.api_key_revoke(scope, id).await?)
    }
}
