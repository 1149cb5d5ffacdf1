//! Projects: the unit of access inside an organisation.

use kernel::{ProjectId, Scope};
use store::{ModelMode, ModelPermission, Page, Paged, Project, StoreError};

use crate::administration::{Administration, AdministrationError, checked_name, invalid};

impl Administration {
    /// Makes a project. Its keys may call every model until it is given a list.
    ///
    /// # Errors
    /// A name that is empty or too long; the store.
    pub async fn project_create(
        &self,
        scope: &Scope,
        name: &str,
    ) -> Result<Project, AdministrationError> {
        Ok(self.store.project_create(scope, checked_name(name)?).await?)
    }

    /// The projects in the scope.
    ///
    /// # Errors
    /// The store.
    pub async fn project_list(
        &self,
        scope: &Scope,
        page: &Page,
    ) -> Result<Paged<Project>, AdministrationError> {
        Ok(self.store.project_list(scope, page).await?)
    }

    /// One project, archived or not.
    ///
    /// # Errors
    /// There is none with this id in the scope; the store.
    pub async fn project_get(
        &self,
        scope: &Scope,
        id: &ProjectId,
    ) -> Result<Project, AdministrationError> {
        Ok(self.store.project_get(scope, id).await?)
    }

    /// Gives a project another name.
    ///
    /// # Errors
    /// A name that is empty or too long; the store.
    pub async fn project_rename(
        &self,
        scope: &Scope,
        id: &ProjectId,
        name: &str,
    ) -> Result<Project, AdministrationError> {
        Ok(self.store.project_update(scope, id, checked_name(name)?).await?)
    }

    /// Archives a project: its keys stop working for good, its records stay.
    ///
    /// # Errors
    /// [`AdministrationError::LastProject`]; the store.
    pub async fn project_archive(
        &self,
        scope: &Scope,
        id: &ProjectId,
    ) -> Result<Project, AdministrationError> {
        self.store.project_archive(scope, id).await.map_err(|error| match error {
            StoreError::LastOne { .. } => AdministrationError::LastProject { project: id.clone() },
            error => error.into(),
        })
    }

    /// Sets which models a project's keys may call.
    ///
    /// # Errors
    /// A list where every model is allowed, since it would say nothing; the store.
    pub async fn project_models_set(
        &self,
        scope: &Scope,
        id: &ProjectId,
        mut models: ModelPermission,
    ) -> Result<Project, AdministrationError> {
        if models.mode == ModelMode::All && !models.models.is_empty() {
            let reason = "must be empty with mode `all`; choose mode `allow` or `deny`";
            return Err(invalid("models", reason));
        }
        models.models.sort();
        models.models.dedup();
        Ok(self.store.project_models_set(scope, id, &models).await?)
    }
}
