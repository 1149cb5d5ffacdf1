//! The first start: an organisation, a project and the keys to begin with. Every later start finds
//! them as they are.

use kernel::{OrganizationId, ProjectId, Scope};
use secrecy::SecretString;
use store::Project;

use crate::administration::{Administration, AdministrationError, invalid};
use crate::keys::KeyToMake;
use crate::secret::ApiSecret;

/// Settings that say that a first key was made or given once. Without them, a key that was deleted
/// would be made again at the next start.
const API_KEY_DONE: &str = "bootstrap.api_key";
const ADMIN_KEY_DONE: &str = "bootstrap.admin_key";

/// Keys that the operator gives at start.
#[derive(Clone, Debug, Default)]
pub struct Bootstrap {
    /// `KIJUN_BOOTSTRAP_API_KEY`.
    pub api_key: Option<SecretString>,
    /// `KIJUN_BOOTSTRAP_ADMIN_KEY`.
    pub admin_key: Option<SecretString>,
}

/// What an installation begins with.
#[derive(Clone, Debug)]
pub struct FirstKeys {
    /// The first organisation.
    pub organization: OrganizationId,
    /// Its first active project.
    pub project: ProjectId,
    /// The API key, if it was made just now; it is shown once. `None` where the operator gave one.
    pub api_key: Option<SecretString>,
    /// The admin key, likewise.
    pub admin_key: Option<SecretString>,
}

impl Administration {
    /// Makes whatever is missing of an organisation, a project, an API key and an admin key.
    ///
    /// Given keys are added at any start at which they are not there yet. One that was revoked
    /// stays revoked. Without given keys, the first start makes its own.
    ///
    /// # Errors
    /// A given key that is too weak, or the same text for both; the store.
    pub async fn bootstrap(&self, given: Bootstrap) -> Result<FirstKeys, AdministrationError> {
        let api_key = given.api_key.map(ApiSecret::chosen).transpose();
        let api_key = api_key.map_err(|reason| invalid("KIJUN_BOOTSTRAP_API_KEY", reason))?;
        let admin_key = given.admin_key.map(ApiSecret::chosen).transpose();
        let admin_key = admin_key.map_err(|reason| invalid("KIJUN_BOOTSTRAP_ADMIN_KEY", reason))?;
        self.refuse_shared(api_key.as_ref(), admin_key.as_ref()).await?;
        let Project { id: project, organization, .. } = self.first_project().await?;
        let scope = Scope::organization(organization);
        Ok(FirstKeys {
            api_key: self.first_api_key(&scope, &project, api_key).await?,
            admin_key: self.first_admin_key(&scope, admin_key).await?,
            organization: scope.organization,
            project,
        })
    }

    /// One text must not open both a project's models and the administration.
    async fn refuse_shared(
        &self,
        api_key: Option<&ApiSecret>,
        admin_key: Option<&ApiSecret>,
    ) -> Result<(), AdministrationError> {
        let api_hash = api_key.map(ApiSecret::hash);
        let admin_hash = admin_key.map(ApiSecret::hash);
        if let Some(hash) = api_hash
            && (admin_hash == Some(hash) || self.store.admin_key_find(&hash).await?.is_some())
        {
            let reason = "is an admin key; give a text of its own for each";
            return Err(invalid("KIJUN_BOOTSTRAP_API_KEY", reason));
        }
        if let Some(hash) = admin_hash
            && self.store.api_key_find(&hash).await?.is_some()
        {
            let reason = "is a project's API key; give a text of its own for each";
            return Err(invalid("KIJUN_BOOTSTRAP_ADMIN_KEY", reason));
        }
        Ok(())
    }

    /// The oldest organisation, made now if there is none: what the shell administers.
    ///
    /// # Errors
    /// The store.
    pub async fn first_organization(&self) -> Result<OrganizationId, AdministrationError> {
        Ok(self.first_project().await?.organization)
    }

    async fn first_project(&self) -> Result<Project, AdministrationError> {
        Ok(self.store.project_first("Default", "Default project").await?)
    }

    async fn first_api_key(
        &self,
        scope: &Scope,
        project: &ProjectId,
        given: Option<ApiSecret>,
    ) -> Result<Option<SecretString>, AdministrationError> {
        let new = |name: &str| KeyToMake {
            project: project.clone(),
            name: name.into(),
            service_account: None,
            expires_at: None,
        };
        if let Some(secret) = given {
            let hash = secret.hash();
            match self.store.api_key_find(&hash).await? {
                Some(key) => warn_if_revoked("KIJUN_BOOTSTRAP_API_KEY", key.revoked_at.is_some()),
                None => match self.api_key_add(scope, new("Bootstrap key"), &secret).await {
                    // Another node that starts with the same key was faster.
                    Err(_) if self.store.api_key_find(&hash).await?.is_some() => {}
                    added => drop(added?),
                },
            }
            self.store.setting_put(API_KEY_DONE, "given").await?;
            return Ok(None);
        }
        if self.store.setting_get(API_KEY_DONE).await?.is_some() {
            return Ok(None);
        }
        let made = self.api_key_create(scope, new("First key")).await?;
        if !self.store.setting_claim(API_KEY_DONE, "made").await? {
            // Another node that starts at the same time was faster, and shows its own.
            self.api_key_revoke(scope, &made.key.id).await?;
            return Ok(None);
        }
        Ok(Some(made.secret))
    }

    async fn first_admin_key(
        &self,
        scope: &Scope,
        given: Option<ApiSecret>,
    ) -> Result<Option<SecretString>, AdministrationError> {
        if let Some(secret) = given {
            let hash = secret.hash();
            match self.store.admin_key_find(&hash).await? {
                Some(key) => warn_if_revoked("KIJUN_BOOTSTRAP_ADMIN_KEY", key.revoked_at.is_some()),
                None => match self.admin_key_add(scope, "Bootstrap admin key", None, &secret).await
                {
                    Err(_) if self.store.admin_key_find(&hash).await?.is_some() => {}
                    added => drop(added?),
                },
            }
            self.store.setting_put(ADMIN_KEY_DONE, "given").await?;
            return Ok(None);
        }
        if self.store.setting_get(ADMIN_KEY_DONE).await?.is_some() {
            return Ok(None);
        }
        let made = self.admin_key_create(scope, "First admin key", None).await?;
        if !self.store.setting_claim(ADMIN_KEY_DONE, "made").await? {
            self.admin_key_delete(scope, &made.key.id).await?;
            return Ok(None);
        }
        Ok(Some(made.secret))
    }
}

fn warn_if_revoked(variable: &str, revoked: bool) {
    if revoked {
        tracing::warn!("the key in {variable} was revoked and stays so; give another one");
    }
}
