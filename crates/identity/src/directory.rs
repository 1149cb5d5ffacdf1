//! Who a shown key belongs to: one hash, one lookup, no database.

use std::collections::HashMap;
use std::sync::Arc;

use kernel::{ApiKeyId, Principal, Timestamp};

use crate::secret::{Check, check, hash, redact};

/// The credentials of a request, as its headers have them.
#[derive(Clone, Copy, Default)]
pub struct Presented<'a> {
    /// `authorization`.
    pub authorization: Option<&'a str>,
    /// `x-api-key`, as Anthropic's clients send it, or `api-key`, as Azure's do. It counts where
    /// there is no `authorization`.
    pub api_key: Option<&'a str>,
}

/// Why a request has no known caller. No message shows more of a key than its redacted form.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IdentityError {
    /// No credential.
    #[error(
        "No API key was sent. Send one in the Authorization header: `Authorization: Bearer \
         YOUR_KEY`."
    )]
    Missing,
    /// An authorization header that holds no key.
    #[error(
        "The Authorization header holds no API key. It must read `Authorization: Bearer \
         YOUR_KEY`, with one space and the key as it was given to you."
    )]
    Malformed,
    /// A key of ours with a wrong checksum.
    #[error(
        "Incorrect API key provided: {key}. It is no complete key: check that it was copied \
         whole and unchanged."
    )]
    Mistyped {
        /// The key, redacted.
        key: String,
    },
    /// A key that opens nothing here.
    #[error(
        "Incorrect API key provided: {key}. It is not known here, was revoked, has expired, or \
         its project was archived. Ask an administrator for a key of this installation."
    )]
    Unknown {
        /// The key, redacted.
        key: String,
    },
    /// A key whose time is over.
    #[error("The API key {key} has expired. Use its successor, or ask an administrator for one.")]
    Expired {
        /// The key, redacted.
        key: String,
    },
}

impl IdentityError {
    /// The machine-readable code, as OpenAI's API has it; `None` where no key was sent.
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Self::Missing | Self::Malformed => None,
            Self::Mistyped { .. } | Self::Unknown { .. } | Self::Expired { .. } => {
                Some("invalid_api_key")
            }
        }
    }
}

/// All keys that work, by the hashes of their secrets: a snapshot of the store.
#[derive(Debug, Default)]
pub struct Directory {
    entries: HashMap<[u8; 32], Entry>,
    /// Keys of projects by their ids, until when any of their secrets works.
    keys: HashMap<ApiKeyId, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    principal: Arc<Principal>,
    expires_at: Option<Timestamp>,
}

impl Directory {
    /// From what the store holds at the moment.
    pub fn new(stored: &store::Directory) -> Self {
        let mut entries = HashMap::with_capacity(stored.secrets.len());
        let mut keys: HashMap<ApiKeyId, Entry> = HashMap::new();
        for secret in &stored.secrets {
            let entry =
                Entry { principal: Arc::new(secret.owner.clone()), expires_at: secret.expires_at };
            if let Principal::Project { key, .. } = &secret.owner {
                let longest = keys.entry(key.clone()).or_insert_with(|| entry.clone());
                // No end is later than any.
                let end = |entry: &Entry| entry.expires_at.unwrap_or(Timestamp::MAX);
                if end(&entry) > end(longest) {
                    longest.expires_at = entry.expires_at;
                }
            }
            // Should one text be a project's key and an admin key, the lesser power stands: the
            // store lists projects' keys first.
            entries.entry(secret.hash).or_insert(entry);
        }
        Self { entries, keys }
    }

    /// The owner of a key of a project, as long as any of its secrets works: for work that goes on
    /// after its request.
    pub fn by_id(&self, key: &ApiKeyId, now: Timestamp) -> Option<&Arc<Principal>> {
        let entry = self.keys.get(key)?;
        entry.expires_at.is_none_or(|end| end > now).then_some(&entry.principal)
    }

    /// The caller that shows these credentials.
    ///
    /// # Errors
    /// Every request without a known, living key is refused.
    pub fn identify(
        &self,
        presented: Presented<'_>,
        now: Timestamp,
    ) -> Result<&Arc<Principal>, IdentityError> {
        let key = presented.key()?;
        let Some(entry) = self.entries.get(&hash(key)) else {
            // Only now is the text itself looked at: operators may choose keys of any form.
            let mistyped = check(key) == Check::Mistyped;
            let key = redact(key);
            return Err(if mistyped {
                IdentityError::Mistyped { key }
            } else {
                IdentityError::Unknown { key }
            });
        };
        match entry.expires_at {
            Some(end) if end <= now => Err(IdentityError::Expired { key: redact(key) }),
            _ => Ok(&entry.principal),
        }
    }
}

impl<'a> Presented<'a> {
    fn key(self) -> Result<&'a str, IdentityError> {
        let key = match (self.authorization, self.api_key) {
            (Some(header), _) => bearer(header).ok_or(IdentityError::Malformed)?,
            (None, Some(key)) => key.trim(),
            (None, None) => return Err(IdentityError::Missing),
        };
        if key.is_empty() { Err(IdentityError::Missing) } else { Ok(key) }
    }
}

/// The token of `Bearer <token>`; the scheme is written in any case (RFC 9110, 11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = match header.trim().split_once(' ') {
        Some((scheme, token)) => (scheme, token.trim()),
        None => (header.trim(), ""),
    };
    let whole = !token.contains(char::is_whitespace);
    (scheme.eq_ignore_ascii_case("bearer") && whole).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{ApiSecret, SecretKind};
    use kernel::SystemRng;
    use secrecy::ExposeSecret;
    use store::SecretRow;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn principal(key: &str) -> Principal {
        Principal::Project {
            organization: "org-1".into(),
            project: "proj_1".into(),
            key: key.into(),
            service_account: None,
        }
    }

    fn directory(secrets: &[(&str, Option<Timestamp>)]) -> Directory {
        let secrets = secrets
            .iter()
            .map(|(text, expires_at)| SecretRow {
                hash: hash(text),
                owner: principal(text),
                expires_at: *expires_at,
            })
            .collect();
        Directory::new(&store::Directory {
            generation: 1,
            organizations: Vec::new(),
            projects: Vec::new(),
            secrets,
        })
    }

    fn authorization(header: &str) -> Presented<'_> {
        Presented { authorization: Some(header), api_key: None }
    }

    #[test]
    fn a_key_is_known_however_it_is_sent() {
        let directory = directory(&[("test-key-1", None)]);
        let expected = principal("test-key-1");
        let by_api_key = Presented { authorization: None, api_key: Some("test-key-1") };
        for presented in
            [authorization("Bearer test-key-1"), authorization("bearer  test-key-1 "), by_api_key]
        {
            assert_eq!(**directory.identify(presented, NOW).unwrap(), expected);
        }
        // The authorization header is the one that counts.
        let both = Presented { authorization: Some("Bearer wrong-key"), ..by_api_key };
        assert!(directory.identify(both, NOW).is_err());
    }

    #[test]
    fn a_key_is_found_by_its_hash_alone_so_that_no_time_tells_how_near_a_guess_is() {
        let row = SecretRow { hash: hash("secret-1"), owner: principal("key_1"), expires_at: None };
        let directory = Directory::new(&store::Directory {
            generation: 1,
            organizations: Vec::new(),
            projects: Vec::new(),
            secrets: vec![row],
        });
        assert!(directory.identify(authorization("Bearer secret-1"), NOW).is_ok());
        for guess in ["secret-2", "secret-", "secret-11", "SECRET-1"] {
            let shown = format!("Bearer {guess}");
            assert!(directory.identify(authorization(&shown), NOW).is_err(), "{guess}");
        }
    }

    #[test]
    fn what_holds_no_key_is_told_apart() {
        let directory = directory(&[]);
        let missing = Presented { authorization: None, api_key: Some(" ") };
        for presented in [Presented::default(), authorization("Bearer "), missing] {
            assert_eq!(directory.identify(presented, NOW), Err(IdentityError::Missing));
        }
        for header in ["", "Basic dXNlcjpwYXNz", "test-key-1", "Bearer two words"] {
            let error = directory.identify(authorization(header), NOW).unwrap_err();
            assert_eq!(error, IdentityError::Malformed, "{header}");
        }
    }

    #[test]
    fn unknown_and_mistyped_keys_are_refused_without_showing_them() {
        let directory = directory(&[("sk-kj-chosen-by-hand", None)]);
        assert!(directory.identify(authorization("Bearer sk-kj-chosen-by-hand"), NOW).is_ok());
        let secret = ApiSecret::generate(SecretKind::Project, &SystemRng).into_text();
        let whole = secret.expose_secret();
        let cut = &whole[..whole.len() - 3];
        let refuse = |key: &str| {
            directory.identify(authorization(&format!("Bearer {key}")), NOW).unwrap_err()
        };
        assert!(matches!(refuse(whole), IdentityError::Unknown { .. }));
        assert!(matches!(refuse(cut), IdentityError::Mistyped { .. }));
        assert!(matches!(refuse("sk-proj-somebody-else"), IdentityError::Unknown { .. }));
        for key in [whole, cut] {
            let error = refuse(key);
            assert!(!format!("{error:?} {error}").contains(&key[10..30]));
            assert_eq!(error.code(), Some("invalid_api_key"));
        }
    }

    #[test]
    fn a_key_works_until_the_moment_it_expires() {
        let directory = directory(&[("test-key-1", Some(NOW))]);
        let before = Timestamp::from_micros(NOW.as_micros() - 1);
        let presented = authorization("Bearer test-key-1");
        assert!(directory.identify(presented, before).is_ok());
        let expired = IdentityError::Expired { key: "te…".into() };
        assert_eq!(directory.identify(presented, NOW), Err(expired));
    }
}
