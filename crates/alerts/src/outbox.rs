//! Delivering what is in the outbox: at least once, by whichever node comes first.
//!
//! ```text
//! leased -> sent -> marked
//!             \-> put back, later and later, for a day -> given up, where it can be seen
//! ```
//!
//! A node that dies between sending and marking leaves its lease, after which another one sends the
//! same again, under the same id.

use std::time::Duration;

use futures_util::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use kernel::WebhookId;
use store::{Attempt, Notice, NoticeChannel, Recipient, StoreError};
use tokio::time::sleep;

use crate::signature::sign;
use crate::{Alerts, AlertsError};

/// How often the outbox is looked into.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Notices that a node delivers at once.
const AT_ONCE: u32 = 16;
/// How long a node has a notice for itself; longer than any delivery takes.
const LEASE: Duration = Duration::from_secs(120);
/// The pause after the first attempt; each one is four times as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(4 * 3_600);
/// When an attempt that fails is the last.
const GIVE_UP_AFTER: Duration = Duration::from_secs(86_400);

impl Alerts {
    /// Delivers by one channel for ever; drop it to stop.
    pub(crate) async fn deliver(&self, channel: NoticeChannel) {
        loop {
            match self.deliver_due(channel).await {
                // There may be more.
                Ok(AT_ONCE) => {}
                Ok(_) => sleep(LOOK_EVERY).await,
                Err(error) => {
                    tracing::warn!(%error, "the outbox is looked into later");
                    sleep(LOOK_EVERY).await;
                }
            }
        }
    }

    /// Delivers what is due by one channel, as much as a node does at once, and returns how many
    /// notices that were. Without a mail server mail is never due.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn deliver_due(&self, channel: NoticeChannel) -> Result<u32, AlertsError> {
        if channel == NoticeChannel::Email && !self.can_mail() {
            return Ok(0);
        }
        let until = self.now().plus(LEASE);
        let notices = self.store().notice_claim(channel, until, AT_ONCE).await?;
        let settled = join_all(notices.iter().map(|notice| self.attempt(notice))).await;
        settled.into_iter().collect::<Result<(), _>>()?;
        Ok(u32::try_from(notices.len()).unwrap_or(AT_ONCE))
    }

    async fn attempt(&self, notice: &Notice) -> Result<(), StoreError> {
        let attempt = match self.send(notice).await? {
            Ok(()) => Attempt::Delivered,
            Err(failure) => self.after(notice, failure),
        };
        if let Attempt::GivenUp { error } = &attempt {
            let (id, kind) = (&notice.id, &notice.notice.kind);
            tracing::warn!(%id, kind, error, "a notice could not be delivered and is given up");
            self.seen().gave_up();
        }
        self.store().notice_settle(&notice.id, &attempt).await
    }

    /// Sends a notice; the outer error is the database's.
    async fn send(&self, notice: &Notice) -> Result<Result<(), Failure>, StoreError> {
        match (&notice.notice.to, self.mailer()) {
            (Recipient::Webhook(webhook), _) => self.post(notice, webhook).await,
            (Recipient::Email(address), Some(mailer)) => {
                let sent = mailer.send(notice, address, self.now()).await;
                let failure =
                    |error: crate::mail::MailError| Failure::new(error.reason, error.for_good);
                Ok(sent.map_err(failure))
            }
            // Not claimed as long as nobody can send it.
            (Recipient::Email(_), None) => {
                Ok(Err(Failure::new("there is no mail server: set mail.url", false)))
            }
        }
    }

    async fn post(
        &self,
        notice: &Notice,
        webhook: &WebhookId,
    ) -> Result<Result<(), Failure>, StoreError> {
        let Some((webhook, secret)) = self.store().webhook_open(webhook).await? else {
            return Ok(Err(Failure::new("its webhook was deleted", true)));
        };
        if webhook.disabled_at.is_some() {
            return Ok(Err(Failure::new("its webhook is disabled", true)));
        }
        let (at, body) = (self.now(), &notice.notice.body);
        let headers = sign(&secret, &notice.id, at, body)
            .and_then(|signature| headers(&notice.id, &at.as_secs().to_string(), &signature));
        let Some(headers) = headers else {
            return Ok(Err(Failure::new("its webhook's secret cannot be used; rotate it", true)));
        };
        let posted = self.poster().post(&webhook.url, headers, body.clone()).await;
        Ok(match posted {
            Ok(status) if status.is_success() => Ok(()),
            // "Gone" is the receiver's word for never again.
            Ok(status) => {
                let reason = format!("the receiver answered {}", status.as_u16());
                Err(Failure::new(reason, status == StatusCode::GONE))
            }
            Err(error) => Err(Failure::new(error.to_string(), false)),
        })
    }

    /// What becomes of a notice after an attempt that failed. What waited long for a mail server has
    /// one attempt all the same.
    fn after(&self, notice: &Notice, failure: Failure) -> Attempt {
        let error = failure.reason;
        let now = self.now();
        let at = now.plus(pause(notice.attempts, self.rng().next_f64()));
        match failure.for_good || at.since(notice.created_at) > GIVE_UP_AFTER {
            true => Attempt::GivenUp { error },
            false => Attempt::Again { at, error },
        }
    }
}

/// Why a notice was not delivered.
struct Failure {
    reason: String,
    /// Whether another attempt would fail the same way.
    for_good: bool,
}

impl Failure {
    fn new(reason: impl Into<String>, for_good: bool) -> Self {
        Self { reason: reason.into(), for_good }
    }
}

/// The headers of a post, by the Standard Webhooks specification.
fn headers(id: &kernel::NoticeId, timestamp: &str, signature: &str) -> Option<HeaderMap> {
    const AGENT: &str = concat!("Kijun-Webhook/", env!("CARGO_PKG_VERSION"));
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
    for (name, value) in [
        ("webhook-id", id.as_str()),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", signature),
    ] {
        headers.insert(HeaderName::from_static(name), value.parse().ok()?);
    }
    Some(headers)
}

/// The pause after so many attempts, a fifth shorter or longer at random, so that what failed
/// together is not tried again together.
fn pause(attempts: u32, random: f64) -> Duration {
    let times = 4u32.saturating_pow(attempts.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(times).min(LONGEST_PAUSE).mul_f64(0.8 + 0.4 * random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_longest() {
        let pauses: Vec<_> = (1..9).map(|attempts| pause(attempts, 0.5).as_secs()).collect();
        assert_eq!(pauses, [5, 20, 80, 320, 1_280, 5_120, 14_400, 14_400]);
        assert!(pause(1, 0.0) < pause(1, 1.0));
        assert_eq!(pause(u32::MAX, 0.5), LONGEST_PAUSE);
    }
}
