//! Admin keys of organisations. The last one that works cannot be deleted.

use kernel::{AdminKeyId, Scope, Timestamp};
use secrecy::SecretString;
use store::{AdminKey, NewAdminKey, Page, Paged, StoreError};

use crate::administration::{Administration, AdministrationError, checked_name, stored};
use crate::secret::{ApiSecret, SecretKind};

/// A new admin key. This is the only place where its secret is ever seen.
#[derive(Clone, Debug)]
pub struct MadeAdminKey {
    /// The key.
    pub key: AdminKey,
    /// Its plain text, to be handed to its owner.
    pub secret: SecretString,
}

impl Administration {
    /// Makes an admin key of the scope's organisation.
    ///
    /// # Errors
    /// A name that is empty or too long, an expiry in the past; the store.
    pub async fn admin_key_create(
        &self,
        scope: &Scope,
        name: &str,
        expires_at: Option<Timestamp>,
    ) -> Result<MadeAdminKey, AdministrationError> {
        let secret = ApiSecret::generate(SecretKind::Admin, self.rng.as_ref());
        let key = self.admin_key_add(scope, name, expires_at, &secret).await?;
        Ok(MadeAdminKey { key, secret: secret.into_text() })
    }

    /// Makes an admin key of a secret that exists.
    pub(crate) async fn admin_key_add(
        &self,
        scope: &Scope,
        name: &str,
        expires_at: Option<Timestamp>,
        secret: &ApiSecret,
    ) -> Result<AdminKey, AdministrationError> {
        let expires_at = self.checked_expiry(expires_at)?;
        let name = checked_name(name)?.to_owned();
        let new = NewAdminKey { name, secret: stored(secret, expires_at) };
        Ok(self.store.admin_key_create(scope, new).await?)
    }

    /// The admin keys of the scope's organisation.
    ///
    /// # Errors
    /// The store.
    pub async fn admin_key_list(
        &self,
        scope: &Scope,
        page: &Page,
    ) -> Result<Paged<AdminKey>, AdministrationError> {
        Ok(self.store.admin_key_list(scope, page).await?)
    }

    /// One admin key, revoked or not.
    ///
    /// # Errors
    /// There is none with this id in the scope; the store.
    pub async fn admin_key_get(
        &self,
        scope: &Scope,
        id: &AdminKeyId,
    ) -> Result<AdminKey, AdministrationError> {
        Ok(self.store.admin_key_get(scope, id).await?)
    }

    /// Deletes an admin key: it stops working for good.
    ///
    /// # Errors
    /// [`AdministrationError::LastAdminKey`]; the store.
    pub async fn admin_key_delete(
        &self,
        scope: &Scope,
        id: &AdminKeyId,
    ) -> Result<AdminKey, AdministrationError> {
        self.store.admin_key_revoke(scope, id).await.map_err(|error| match error {
            StoreError::LastOne { .. } => AdministrationError::LastAdminKey { key: id.clone() },
            error => error.into(),
        })
    }
}
