//! Service accounts: callers that are no persons. Each is made with its first key.

use kernel::{ProjectId, Role, Scope, ServiceAccountId};
use store::{NewServiceAccount, Page, Paged, ServiceAccount};

use crate::administration::{Administration, AdministrationError, checked_name};
use crate::keys::{KeyToMake, MadeKey};

/// A new service account with its first key.
#[derive(Clone, Debug)]
pub struct MadeServiceAccount {
    /// The service account.
    pub account: ServiceAccount,
    /// Its first key, of the same name.
    pub key: MadeKey,
}

impl Administration {
    /// Makes a service account and its first key.
    ///
    /// # Errors
    /// A name that is empty or too long, an archived project; the store. If the key cannot be
    /// made, the account is not kept.
    pub async fn service_account_create(
        &self,
        scope: &Scope,
        project: &ProjectId,
        name: &str,
    ) -> Result<MadeServiceAccount, AdministrationError> {
        let name = checked_name(name)?.to_owned();
        let new =
            NewServiceAccount { project: project.clone(), name: name.clone(), role: Role::Member };
        let account = self.store.service_account_create(scope, new).await?;
        let key = KeyToMake {
            project: project.clone(),
            name,
            service_account: Some(account.id.clone()),
            expires_at: None,
        };
        match self.api_key_create(scope, key).await {
            Ok(key) => Ok(MadeServiceAccount { account, key }),
            Err(error) => {
                self.store.service_account_delete(scope, &account.id).await?;
                Err(error)
            }
        }
    }

    /// The service accounts of a project.
    ///
    /// # Errors
    /// The store.
    pub async fn service_account_list(
        &self,
        scope: &Scope,
        project: &ProjectId,
        page: &Page,
    ) -> Result<Paged<ServiceAccount>, AdministrationError> {
        Ok(self.store.service_account_list(scope, project, page).await?)
    }

    /// One service account.
    ///
    /// # Errors
    /// There is none with this id in the scope; the store.
    pub async fn service_account_get(
        &self,
        scope: &Scope,
        id: &ServiceAccountId,
    ) -> Result<ServiceAccount, AdministrationError> {
        Ok(self.store.service_account_get(scope, id).await?)
    }

    /// Deletes a service account and revokes its keys.
    ///
    /// # Errors
    /// There is none with this id in the scope; the store.
    pub async fn service_account_delete(
        &self,
        scope: &Scope,
        id: &ServiceAccountId,
    ) -> Result<(), AdministrationError> {
        Ok(self.store.service_account_delete(scope, id).await?)
    }
}
