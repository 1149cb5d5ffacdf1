//! Organisations: the tenants.

use kernel::OrganizationId;
use store::Organization;

use crate::administration::{Administration, AdministrationError, checked_name};

impl Administration {
    /// Makes an organisation. It has no project and no key yet.
    ///
    /// # Errors
    /// A name that is empty or too long; the store.
    pub async fn organization_create(
        &self,
        name: &str,
    ) -> Result<Organization, AdministrationError> {
        Ok(self.store.organization_create(checked_name(name)?).await?)
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
