//! Phase *identify*: whose call is this.

use std::sync::Arc;

use identity::Presented;
use kernel::{ApiKeyId, OrganizationId, Principal, ProjectId, ServiceAccountId, Timestamp};

use crate::Refusal;
use crate::snapshot::Snapshot;

/// A caller that may call models, and the snapshot that said so: one call sees one state of the
/// world from here to its end.
#[derive(Debug, Clone)]
pub struct Identified {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) caller: Caller,
}

/// Whose call it is.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) organization: OrganizationId,
    pub(crate) project: ProjectId,
    pub(crate) key: ApiKeyId,
    pub(crate) service_account: Option<ServiceAccountId>,
}

/// Finds the caller by the credential it showed.
pub(crate) fn identify(
    snapshot: Arc<Snapshot>,
    presented: Presented<'_>,
    now: Timestamp,
) -> Result<Identified, Refusal> {
    let caller = match &**snapshot.directory.identify(presented, now)? {
        Principal::Project { organization, project, key, service_account } => Caller {
            organization: organization.clone(),
            project: project.clone(),
            key: key.clone(),
            service_account: service_account.clone(),
        },
        Principal::Admin { .. } => return Err(Refusal::NotAProjectKey),
    };
    Ok(Identified { snapshot, caller })
}

impl Identified {
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
