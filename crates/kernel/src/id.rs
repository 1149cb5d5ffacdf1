//! Typed ids: a prefix that says what it names (OpenAI's where it has one), then 32 hexadecimal
//! digits of which the first twelve are the time in milliseconds, so that ids sort by age.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Rng, Timestamp};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, unique by 80 random bits within its millisecond.
            pub fn new(now: Timestamp, rng: &dyn Rng) -> Self {
                Self(time_ordered($prefix, now, rng).into())
            }

            /// The id as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// An organisation: the tenant that everything else belongs to.
    OrganizationId,
    "org-"
);
id!(
    /// A project: the unit of access, limits and reporting inside an organisation.
    ProjectId,
    "proj_"
);
id!(
    /// A service account: a caller that is no person.
    ServiceAccountId,
    "svc_acct_"
);
id!(
    /// An API key of a project. It stays the same when the key's secret rotates.
    ApiKeyId,
    "key_"
);
id!(
    /// An admin key of an organisation.
    AdminKeyId,
    "key_admin_"
);
id!(
    /// A limit on requests, tokens or concurrent calls.
    LimitId,
    "limit_"
);
id!(
    /// One HTTP request; it is also the id of the call's ledger record.
    RequestId,
    "req_"
);
id!(
    /// A response, of the Responses API.
    ResponseId,
    "resp_"
);
id!(
    /// A conversation.
    ConversationId,
    "conv_"
);
id!(
    /// A file.
    FileId,
    "file-"
);
id!(
    /// A file on its way in, part by part.
    UploadId,
    "upload_"
);
id!(
    /// A part of an upload.
    UploadPartId,
    "part_"
);
id!(
    /// A batch of calls.
    BatchId,
    "batch_"
);

id!(
    /// A budget.
    BudgetId,
    "budget_"
);
id!(
    /// A threshold of spending that somebody is told of.
    AlertId,
    "alert_"
);
id!(
    /// An address that events are posted to.
    WebhookId,
    "webhook_"
);
id!(
    /// A message on its way to somebody.
    NoticeId,
    "notice_"
);
id!(
    /// An entry of the audit log.
    AuditId,
    "audit_log-"
);

/// `prefix` + 12 hexadecimal digits of Unix milliseconds + 20 random ones.
pub fn time_ordered(prefix: &str, now: Timestamp, rng: &dyn Rng) -> String {
    let mut bytes = [0u8; 16];
    rng.fill(&mut bytes);
    let millis = now.as_millis().to_be_bytes();
    bytes[..6].copy_from_slice(&millis[2..]);
    let mut text = String::with_capacity(prefix.len() + 32);
    text.push_str(prefix);
    for byte in bytes {
        text.push(hex_digit(byte >> 4));
        text.push(hex_digit(byte & 15));
    }
    text
}

fn hex_digit(nibble: u8) -> char {
    char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SystemRng;

    #[test]
    fn ids_carry_their_prefix_and_sort_by_age() {
        let young = RequestId::new(Timestamp::from_millis(2_000), &SystemRng);
        let old = RequestId::new(Timestamp::from_millis(1_000), &SystemRng);
        assert!(old < young);
        assert!(old.as_str().starts_with("req_0000000003e8"));
        assert_eq!(old.as_str().len(), "req_".len() + 32);
    }
}
