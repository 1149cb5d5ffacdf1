//! Who may administer: the holder of an admin key.

use axum::extract::FromRequestParts;
use gateway::Refusal;
use http::header;
use http::request::Parts;
use kernel::{Acting, Actor, Principal, Scope, Who};

use crate::App;
use crate::credential::credential;
use crate::edge::Arrival;
use crate::peer::Peer;
use crate::problem::Problem;

/// The administrator who asks. As a handler's first argument it turns strangers away before
/// anything else of the request is looked at.
pub(crate) struct Admin {
    /// The organisation that is administered.
    pub(crate) scope: Scope,
    /// Who it is, for the audit log.
    pub(crate) actor: Actor,
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
            Principal::Admin { key, organization } => {
                app.gateway.admin_seen(key);
                let (id, organization) = (key.clone(), organization.clone());
                let actor = actor(parts, Who::AdminKey { id, organization });
                Ok(Self { scope: principal.scope(), actor })
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

/// The longest `User-Agent` that is written down, in characters.
const LONGEST_USER_AGENT: usize = 256;

fn actor(parts: &Parts, who: Who) -> Actor {
    let user_agent = parts.headers.get(header::USER_AGENT).map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        text.chars().filter(|c| !c.is_control()).take(LONGEST_USER_AGENT).collect()
    });
    Actor::new(Acting {
        who,
        address: parts.extensions.get().map(|Peer(address)| *address),
        user_agent,
        request: parts.extensions.get().map(|arrival: &Arrival| arrival.id.clone()),
    })
}
