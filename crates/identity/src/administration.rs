//! The administration of keys and of what owns them: one value that both doors hold, its methods
//! in a file per resource.

use std::time::Duration;

use kernel::{Actor, AdminKeyId, ProjectId, SharedClock, SharedRng, Timestamp};
use store::{NewSecret, Store, StoreError};

use crate::secret::ApiSecret;

const LONGEST_NAME: usize = 200;

/// Makes, changes and ends organisations, projects, service accounts and keys, by the rules.
#[derive(Clone, Debug)]
pub struct Administration {
    pub(crate) store: Store,
    pub(crate) clock: SharedClock,
    pub(crate) rng: SharedRng,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum AdministrationError {
    /// A value that is not allowed.
    #[error("`{field}` {reason}")]
    Invalid {
        /// Which value.
        field: &'static str,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// An organisation keeps at least one admin key that works, or nobody could administer it.
    #[error(
        "admin key `{key}` is the last one of its organisation that works; make another one \
         before you delete it"
    )]
    LastAdminKey {
        /// The key.
        key: AdminKeyId,
    },
    /// An organisation keeps at least one project.
    #[error(
        "project `{project}` is the last active one of its organisation; make another one before \
         you archive it"
    )]
    LastProject {
        /// The project.
        project: ProjectId,
    },
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Administration {
    /// The administration of what this store holds.
    pub fn new(store: Store, clock: SharedClock, rng: SharedRng) -> Self {
        Self { store, clock, rng }
    }

    /// The same, by somebody. Nothing is changed by nobody.
    #[must_use]
    pub fn by(&self, actor: &Actor) -> Self {
        Self { store: self.store.by(actor), ..self.clone() }
    }

    /// The end of a new secret's life, which must lie ahead.
    pub(crate) fn checked_expiry(
        &self,
        expires_at: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, AdministrationError> {
        match expires_at {
            Some(end) if end <= self.clock.now() => {
                Err(invalid("expires_at", "lies in the past; choose a later time, or none"))
            }
            any => Ok(any),
        }
    }
}

pub(crate) fn invalid(field: &'static str, reason: impl Into<String>) -> AdministrationError {
    AdministrationError::Invalid { field, reason: reason.into() }
}

/// A name without the blanks around it.
pub(crate) fn checked_name(name: &str) -> Result<&str, AdministrationError> {
    let name = name.trim();
    match name.chars().count() {
        0 => Err(invalid("name", "is empty; write 1 to 200 characters")),
        1..=LONGEST_NAME => Ok(name),
        many => Err(invalid("name", format!("has {many} characters; 200 are allowed"))),
    }
}

/// What the store keeps of a secret.
pub(crate) fn stored(secret: &ApiSecret, expires_at: Option<Timestamp>) -> NewSecret {
    NewSecret { hash: secret.hash(), redacted: secret.redacted(), expires_at }
}

/// A number of days.
pub(crate) const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_in_characters_and_trimmed() {
        assert_eq!(checked_name(" 本番 ").unwrap(), "本番");
        assert!(checked_name(&"é".repeat(200)).is_ok());
        for wrong in ["", " \t", &"x".repeat(201)] {
            let error = checked_name(wrong).unwrap_err();
            assert!(matches!(error, AdministrationError::Invalid { field: "name", .. }), "{error}");
        }
    }
}
