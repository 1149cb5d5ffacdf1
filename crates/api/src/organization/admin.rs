//! Who may administer: the holder of an admin key.

use axum::extract::FromRequestParts;
use gateway::Refusal;
use http::request::Parts;
use kernel::{Principal, Scope};

use crate::App;
use crate::credential::credential;
use crate::problem::Problem;

/// The administrator who asks. As a handler's first argument it turns strangers away before
/// anything else of the request is looked at.
pub(crate) struct Admin {
    /// The organisation that is administered.
    pub(crate) scope: Scope,
}

impl Admin {
    /// The part of the organisation that is one project's.
    pub(crate) fn within(&self, project: &str) -> Scope {
        Scope { organization: self.scope.organization.clone(), project: Some(project.into()) }
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let snapshot = app.gateway.snapshot();
        let shown = credential(&parts.headers);
        let principal =
            snapshot.directory.identify(shown, app.clock.now()).map_err(Refusal::Identity)?;
        match &**principal {
            Principal::Admin { key, .. } => {
                app.gateway.admin_seen(key);
                Ok(Self { scope: principal.scope() })
            }
            Principal::Project { .. } => Err(Problem::new(
                403,
                "invalid_request_error",
                Some("admin_key_required"),
                "this key calls models for a project; /v1/organization needs an admin key of the \
                 organization",
            )),
        }
    }
}
