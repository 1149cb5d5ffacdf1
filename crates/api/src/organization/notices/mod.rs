//! `/v1/organization/notices`: the outbox of what is told by mail and webhook. Kijun's own.

pub(super) mod list;
pub(super) mod retrieve;
pub(super) mod retry;

use kernel::Timestamp;
use serde::Serialize;
use store::Recipient;
use utoipa::ToSchema;

use super::list::Listed;

/// Something that somebody is told, once.
#[derive(Serialize, ToSchema)]
pub(crate) struct Notice {
    /// Always `organization.notice`.
    object: &'static str,
    /// Its id, the same at every attempt.
    id: String,
    /// `waiting`, `delivered` or `failed`.
    status: &'static str,
    /// `email` or `webhook`.
    channel: &'static str,
    /// The e-mail address, or the webhook's id.
    recipient: String,
    /// The type of the event.
    #[schema(example = "kijun.budget.reached")]
    event: String,
    /// What it is about, in a line.
    subject: String,
    /// What is sent: JSON to a webhook, text to a person.
    body: String,
    /// When it was written down, in seconds since the Unix epoch.
    created_at: i64,
    /// How often somebody began to deliver it.
    attempts: u32,
    /// When it is tried next; null: never.
    #[schema(required)]
    next_attempt_at: Option<i64>,
    /// When it was delivered.
    #[schema(required)]
    delivered_at: Option<i64>,
    /// When it was given up.
    #[schema(required)]
    failed_at: Option<i64>,
    /// Why the last attempt failed.
    #[schema(required)]
    last_error: Option<String>,
}

impl From<store::Notice> for Notice {
    fn from(notice: store::Notice) -> Self {
        let status = match (notice.delivered_at, notice.failed_at) {
            (Some(_), _) => "delivered",
            (None, Some(_)) => "failed",
            (None, None) => "waiting",
        };
        let store::NewNotice { to, kind, subject, body, .. } = notice.notice;
        Self {
            object: "organization.notice",
            id: notice.id.to_string(),
            status,
            channel: to.channel().as_str(),
            recipient: match to {
                Recipient::Email(address) => address,
                Recipient::Webhook(id) => id.to_string(),
            },
            event: kind,
            subject,
            body,
            created_at: notice.created_at.as_secs(),
            attempts: notice.attempts,
            next_attempt_at: (status == "waiting").then(|| notice.next_at.as_secs()),
            delivered_at: notice.delivered_at.map(Timestamp::as_secs),
            failed_at: notice.failed_at.map(Timestamp::as_secs),
            last_error: notice.last_error,
        }
    }
}

impl Listed for Notice {
    fn id(&self) -> &str {
        &self.id
    }
}
