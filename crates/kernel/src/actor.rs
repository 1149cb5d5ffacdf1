//! Who makes a change: what the audit log says of every administrative act.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{AdminKeyId, OrganizationId, RequestId};

/// Who acts, and from where. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Actor(Arc<Acting>);

/// Characters of a user's name.
const LONGEST_USER: usize = 200;

/// What is known of an actor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Acting {
    /// Who.
    pub who: Who,
    /// The address that the request came from, where it came over a network.
    pub address: Option<IpAddr>,
    /// The client's `User-Agent`, cut to 256 characters.
    pub user_agent: Option<String>,
    /// The request that did it.
    pub request: Option<RequestId>,
}

/// Who acts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Who {
    /// The holder of an admin key.
    AdminKey {
        /// The key.
        id: AdminKeyId,
        /// The organisation that it administers.
        organization: OrganizationId,
    },
    /// Somebody with a shell on the machine, by the name of the operating system's user.
    Shell {
        /// That name, cut to 200 characters.
        user: String,
    },
    /// Kijun itself: at its first start, or on its own schedule.
    System {
        /// Which part of it.
        part: String,
    },
}

impl Actor {
    /// Somebody of whom all this is known.
    pub fn new(acting: Acting) -> Self {
        Self(Arc::new(acting))
    }

    /// A part of Kijun itself.
    pub fn system(part: &str) -> Self {
        Self::of(Who::System { part: part.into() })
    }

    /// A user of the shell, by the first characters of a name that the user can make as long as they
    /// like.
    pub fn shell(user: &str) -> Self {
        Self::of(Who::Shell { user: user.chars().take(LONGEST_USER).collect() })
    }

    fn of(who: Who) -> Self {
        Self::new(Acting { who, address: None, user_agent: None, request: None })
    }
}

impl std::ops::Deref for Actor {
    type Target = Acting;
    fn deref(&self) -> &Acting {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_shells_user_is_bounded() {
        let user = |name: &str| match &Actor::shell(name).who {
            Who::Shell { user } => user.clone(),
            who => panic!("{who:?}"),
        };
        assert_eq!(user("ann"), "ann");
        assert_eq!(user(&"\u{e9}".repeat(5_000)).chars().count(), LONGEST_USER);
    }
}
