//! Whose request it is, for verbs that need nothing else of its head.

use axum::extract::FromRequestParts;
use gateway::Identified;
use http::request::Parts;

use crate::App;
use crate::credential::credential;
use crate::problem::Problem;

/// The caller, by a key of a project.
pub(crate) struct Caller(pub(crate) Identified);

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(Self(app.gateway.identify(credential(&parts.headers))?))
    }
}
