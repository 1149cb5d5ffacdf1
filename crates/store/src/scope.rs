//! What a scope lets through.

use kernel::{OrganizationId, ProjectId, Scope};

use crate::StoreError;

/// The scope's project as it is bound to `$n IS NULL OR project_id = $n`.
pub(crate) fn project_of(scope: &Scope) -> Option<&str> {
    scope.project.as_ref().map(ProjectId::as_str)
}

/// The organisation, for what belongs to the whole of it and to no project.
pub(crate) fn whole_organization<'a>(
    scope: &'a Scope,
    what: &'static str,
) -> Result<&'a str, StoreError> {
    match scope.project {
        None => Ok(scope.organization.as_str()),
        Some(_) => Err(StoreError::OutOfScope { what }),
    }
}

/// The scope's project, for what is written under one project's key.
pub(crate) fn one_project<'a>(
    scope: &'a Scope,
    what: &'static str,
) -> Result<&'a ProjectId, StoreError> {
    let reason = "belongs to a project; use a scope with one";
    scope.project.as_ref().ok_or_else(|| StoreError::invalid(what, reason))
}

/// Fails when a row that is to be written belongs to somebody outside the scope.
pub(crate) fn check_owner(
    scope: &Scope,
    organization: &OrganizationId,
    project: &ProjectId,
) -> Result<(), StoreError> {
    let ours = scope.organization == *organization
        && scope.project.as_ref().is_none_or(|own| own == project);
    if ours { Ok(()) } else { Err(StoreError::not_found("project", project.as_str())) }
}
