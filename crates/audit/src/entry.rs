//! An entry of the audit log, and the link that binds it to the entry before.

use std::fmt;

use aws_lc_rs::hmac;
use kernel::{Actor, Timestamp, Who};
use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::canonical::{Canonical, sha256};

/// The name of the chain of what belongs to no organisation.
pub const INSTALLATION: &str = "installation";

/// One administrative change. Every field is as it is stored, so that what was altered can be read
/// and named too.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The chain that it stands in: an organisation's id, or [`INSTALLATION`].
    pub chain: String,
    /// Its place in the chain, from 1.
    pub sequence: i64,
    /// Its id.
    pub id: String,
    /// When it happened, in microseconds since the Unix epoch.
    pub at: Timestamp,
    /// What happened: `project.created`.
    pub event: String,
    /// Who did it.
    pub actor: By,
    /// The project that it happened to or in, if it did.
    pub project: Option<String>,
    /// What it was done to: a JSON list of pairs of kind and id.
    pub resources: String,
    /// What it changed: a JSON object with `before` and `after`; never a secret, never content.
    pub details: String,
}

/// Who did it, as it is stored.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct By {
    /// `admin_key`, `shell` or `system`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The admin key's id, the user's name, or the part of Kijun.
    pub id: String,
    /// The organisation that the admin key administers.
    pub organization: Option<String>,
    /// The address that the request came from.
    pub address: Option<String>,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
    /// The request that did it.
    pub request: Option<String>,
}

impl From<&Actor> for By {
    fn from(actor: &Actor) -> Self {
        let (kind, id, organization) = match &actor.who {
            Who::AdminKey { id, organization } => ("admin_key", id.as_str(), Some(organization)),
            Who::Shell { user } => ("shell", user.as_str(), None),
            Who::System { part } => ("system", part.as_str(), None),
        };
        Self {
            kind: kind.to_owned(),
            id: id.to_owned(),
            organization: organization.map(ToString::to_string),
            address: actor.address.map(|address| address.to_string()),
            user_agent: actor.user_agent.clone(),
            request: actor.request.as_ref().map(ToString::to_string),
        }
    }
}

impl Entry {
    /// Its canonical bytes; `docs/audit.md` says them field by field.
    fn canonical(&self) -> Canonical {
        let By { kind, id, organization, address, user_agent, request } = &self.actor;
        Canonical::new("kijun audit entry", 1)
            .text(&self.chain)
            .number(self.sequence)
            .text(&self.id)
            .number(self.at.as_micros())
            .text(&self.event)
            .text(kind)
            .text(id)
            .maybe(organization.as_deref())
            .maybe(address.as_deref())
            .maybe(user_agent.as_deref())
            .maybe(request.as_deref())
            .maybe(self.project.as_deref())
            .text(&self.resources)
            .text(&self.details)
    }

    /// The hash that binds it to the entry before it.
    pub(crate) fn hash(&self, previous: &Digest) -> Digest {
        sha256(&[&previous.0, self.canonical().bytes()])
    }
}

/// An entry in its chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Link {
    /// The entry.
    #[serde(flatten)]
    pub entry: Entry,
    /// The hash of the entry before it; zeros before the first.
    pub previous: Digest,
    /// The SHA-256 of `previous` and the entry's canonical bytes.
    pub hash: Digest,
    /// The HMAC-SHA256 of `hash` under the installation's key, so that nobody who can only write to
    /// the database can add an entry.
    pub seal: Digest,
}

impl Link {
    /// Binds an entry to the one before it.
    pub fn new(entry: Entry, previous: Digest, key: &SealKey) -> Self {
        let hash = entry.hash(&previous);
        Self { entry, previous, hash, seal: key.seal(&hash) }
    }

    /// Whether the hash is that of the fields.
    pub(crate) fn is_whole(&self) -> bool {
        self.entry.hash(&self.previous) == self.hash
    }
}

/// The installation's key for [`Link::seal`].
pub struct SealKey(hmac::Key);

impl SealKey {
    /// Of 32 random bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    fn seal(&self, hash: &Digest) -> Digest {
        let mut seal = Digest::ZERO;
        let tag = hmac::sign(&self.0, &hash.0);
        seal.0.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        seal
    }

    /// Whether this key sealed the link, in constant time.
    pub(crate) fn sealed(&self, link: &Link) -> bool {
        hmac::verify(&self.0, &link.hash.0, &link.seal.0).is_ok()
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of `docs/audit.md`, made without [`Canonical`].
    #[test]
    fn the_canonical_bytes_are_as_documented() {
        let entry = Entry {
            chain: "org-1".into(),
            sequence: 2,
            id: "audit_log-1".into(),
            at: Timestamp::from_micros(1_800_000_000_000_001),
            event: "project.created".into(),
            actor: By { kind: "shell".into(), id: "ann".into(), ..By::default() },
            project: Some("proj_1".into()),
            resources: r#"[["project","proj_1"]]"#.into(),
            details: "{}".into(),
        };
        let mut expected = Vec::new();
        let mut put = |bytes: &[u8]| {
            expected.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            expected.extend_from_slice(bytes);
        };
        put(b"kijun audit entry");
        put(&1i64.to_be_bytes());
        put(b"org-1");
        put(&2i64.to_be_bytes());
        put(b"audit_log-1");
        put(&1_800_000_000_000_001i64.to_be_bytes());
        put(b"project.created");
        put(b"shell");
        put(b"ann");
        for _ in ["organization", "address", "user_agent", "request"] {
            put(&0i64.to_be_bytes());
        }
        put(&1i64.to_be_bytes());
        put(b"proj_1");
        put(br#"[["project","proj_1"]]"#);
        put(b"{}");
        assert_eq!(entry.canonical().bytes(), expected);
        assert_eq!(entry.hash(&Digest::ZERO), sha256(&[&[0; 32], &expected]));
    }

    #[test]
    fn an_entry_comes_back_from_its_line() {
        let actor = Actor::new(kernel::Acting {
            who: Who::AdminKey { id: "key_admin_1".into(), organization: "org-1".into() },
            address: Some([127, 0, 0, 1].into()),
            user_agent: Some("a \"client\"".into()),
            request: Some("req_1".into()),
        });
        let entry = Entry {
            chain: INSTALLATION.into(),
            sequence: 1,
            id: "audit_log-1".into(),
            at: Timestamp::from_secs(1),
            event: "kijun.price.created".into(),
            actor: By::from(&actor),
            project: None,
            resources: "[]".into(),
            details: r#"{"after":{"source":"a \u0000"}}"#.into(),
        };
        let link = Link::new(entry, Digest::ZERO, &SealKey::new(&[7; 32]));
        let line = serde_json::to_string(&link).unwrap();
        assert_eq!(serde_json::from_str::<Link>(&line).unwrap(), link);
        assert!(link.is_whole());
    }
}
