//! Organisations: the tenants.

use kernel::{OrganizationId, Scope};
use secrecy::SecretString;
use store::{Organization, Project};

use crate::administration::{Administration, AdministrationError, checked_name};

/// A new organisation. This is the only place where its admin key is ever seen.
#[derive(Clone, Debug)]
pub struct MadeOrganization {
    /// The organisation.
    pub organization: Organization,
    /// Its first project.
    pub project: Project,
    /// Its first admin key, to be handed to its owner.
    pub admin_key: SecretString,
}

impl Administration {
    /// Makes an organisation with a project and an admin key to begin with.
    ///
    /// # Errors
    /// A name that is empty or too long; the store.
    pub async fn organization_create(
        &self,
        name: &str,
    ) -> Result<MadeOrganization, AdministrationError> {
        let organization = self.store.organization_create(checked_name(name)?).await?;
        let scope = Scope::organization(organization.id.clone());
        let project = self.store.project_create(&scope, "Default project").await?;
        let admin_key = self.admin_key_create(&scope, "First admin key", None).await?.secret;
        Ok(MadeOrganization { organization, project, admin_key })
    }

    /// All organisations, oldest first.
    ///
    /// # Errors
    /// The store.
    pub async fn organization_list(&self) -> Result<Vec<Organization>, AdministrationError> {
        Ok(self.store.organization_list().await?)
    }

    /// One organisation.
    ///
    /// # Errors
    /// There is none with this id; the store.
    pub async fn organization_get(
        &self,
        id: &OrganizationId,
    ) -> Result<Organization, AdministrationError> {
        Ok(self.store.organization_get(id).await?)
    }
}
