//! What a scope lets through.

use kernel::Scope;

use crate::StoreError;

/// The scope's project as it is bound to `$n IS NULL OR project_id = $n`.
pub(crate) fn project_of(scope: &Scope) -> Option<&str> {
    scope.project.as_ref().map(kernel::ProjectId::as_str)
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
