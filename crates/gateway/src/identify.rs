//! Phase *identify*: whose call is this.
//!
//! Work that goes on after its request (background responses, batches) is done on behalf of its
//! [`Owner`], whose key must still work then.

use std::sync::Arc;

use identity::Presented;
use kernel::{
    ApiKeyId, OrganizationId, Principal, ProjectId, Retention, Scope, ServiceAccountId, Timestamp,
};

use crate::Refusal;
use crate::snapshot::Snapshot;

/// A caller that may call models, and the snapshot that said so: one call sees one state of the
/// world from here to its end.
#[derive(Debug, Clone)]
pub struct Identified {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) caller: Owner,
}

/// Whose call it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The organisation.
    pub organization: OrganizationId,
    /// The project.
    pub project: ProjectId,
    /// The key.
    pub key: ApiKeyId,
    /// The service account that owns the key, if one does.
    pub service_account: Option<ServiceAccountId>,
}

/// Finds the caller by the credential it showed.
pub(crate) fn identify(
    snapshot: Arc<Snapshot>,
    presented: Presented<'_>,
    now: Timestamp,
) -> Result<Identified, Refusal> {
    let principal = snapshot.directory.identify(presented, now)?;
    let caller = Owner::of(principal).ok_or(Refusal::NotAProjectKey)?;
    Ok(Identified { snapshot, caller })
}

/// Goes on with work that this owner's key began.
pub(crate) fn on_behalf(
    snapshot: Arc<Snapshot>,
    owner: &Owner,
    now: Timestamp,
) -> Result<Identified, Refusal> {
    let living = snapshot.directory.by_id(&owner.key, now).and_then(|found| Owner::of(found));
    match living.filter(|living| living.project == owner.project) {
        Some(caller) => Ok(Identified { snapshot, caller }),
        None => Err(Refusal::KeyGone { key: owner.key.clone() }),
    }
}

impl Owner {
    fn of(principal: &Principal) -> Option<Self> {
        match principal {
            Principal::Project { organization, project, key, service_account } => Some(Self {
                organization: organization.clone(),
                project: project.clone(),
                key: key.clone(),
                service_account: service_account.clone(),
            }),
            Principal::Admin { .. } => None,
        }
    }

    /// The rows that its key may reach.
    pub fn scope(&self) -> Scope {
        Scope { organization: self.organization.clone(), project: Some(self.project.clone()) }
    }
}

impl Identified {
    /// Whose call it is.
    pub fn owner(&self) -> &Owner {
        &self.caller
    }

    /// The rows that the caller may reach.
    pub fn scope(&self) -> Scope {
        self.caller.scope()
    }

    /// How long the project's content may be kept.
    pub fn retention(&self) -> Retention {
        self.snapshot.retention(&self.caller)
    }

    /// The project whose call it is.
    pub fn project(&self) -> &ProjectId {
        &self.caller.project
    }

    /// The aliases that the caller may use, by name.
    pub fn models(&self) -> Vec<&Arc<crate::route::Alias>> {
        let allowed = |name: &str| self.snapshot.models.allows(&self.caller.project, name);
        self.snapshot.routes.sorted().into_iter().filter(|alias| allowed(&alias.name)).collect()
    }
}
