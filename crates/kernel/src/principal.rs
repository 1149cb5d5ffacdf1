//! Who is calling, and whose data they may touch.

use serde::{Deserialize, Serialize};

use crate::{AdminKeyId, ApiKeyId, OrganizationId, ProjectId, ServiceAccountId};

/// What a key may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Calls models, within a project.
    Member,
    /// Administers an organisation; calls no model.
    Admin,
}

/// An authenticated caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Principal {
    /// An API key of a project.
    Project {
        /// The organisation that the project belongs to.
        organization: OrganizationId,
        /// The project.
        project: ProjectId,
        /// The key that was shown.
        key: ApiKeyId,
        /// The service account that owns the key, if one does.
        service_account: Option<ServiceAccountId>,
    },
    /// An admin key of an organisation.
    Admin {
        /// The organisation that is administered.
        organization: OrganizationId,
        /// The key that was shown.
        key: AdminKeyId,
    },
}

impl Principal {
    /// The organisation that the caller belongs to.
    pub fn organization(&self) -> &OrganizationId {
        match self {
            Self::Project { organization, .. } | Self::Admin { organization, .. } => organization,
        }
    }

    /// The rows this caller may reach.
    pub fn scope(&self) -> Scope {
        match self {
            Self::Project { organization, project, .. } => {
                Scope { organization: organization.clone(), project: Some(project.clone()) }
            }
            Self::Admin { organization, .. } => {
                Scope { organization: organization.clone(), project: None }
            }
        }
    }
}

/// The rows that a store operation may reach: an organisation's, or one project's of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scope {
    /// The organisation.
    pub organization: OrganizationId,
    /// The project, or all of the organisation's.
    pub project: Option<ProjectId>,
}

impl Scope {
    /// All of an organisation.
    pub fn organization(organization: OrganizationId) -> Self {
        Self { organization, project: None }
    }
}
