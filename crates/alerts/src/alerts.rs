//! The whole: what watches and what delivers, and what both are made of.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kernel::{OrganizationId, Rng, Scope, SharedClock, SharedRng, Timestamp};
use store::{Firing, NewNotice, NoticeChannel, NotificationChannel, Store, StoreError, Webhook};

use crate::backlog::Seen;
use crate::event::{Event, wants};
use crate::mail::Mailer;
use crate::post::Poster;
use crate::{AlertsConfig, AlertsError, MailConfig};

/// What alerts are made of.
pub struct Parts {
    /// How they behave.
    pub config: AlertsConfig,
    /// By which server mail goes out.
    pub mail: MailConfig,
    /// Where everything is.
    pub store: Store,
    /// The time.
    pub clock: SharedClock,
    /// Randomness, fit for secrets.
    pub rng: SharedRng,
}

/// Tells people what they must be told. Clones are the same.
#[derive(Clone)]
pub struct Alerts(Arc<Inner>);

struct Inner {
    config: AlertsConfig,
    mailer: Option<Mailer>,
    poster: Poster,
    store: Store,
    clock: SharedClock,
    rng: SharedRng,
    /// How many mails waited for a mail server when it was last said.
    waiting: AtomicU64,
    seen: Seen,
}

impl Alerts {
    /// Alerts that look and deliver when they are told to, or [run](Alerts::run).
    ///
    /// # Errors
    /// When mail could not be sent as it is set.
    pub fn new(parts: Parts) -> Result<Self, AlertsError> {
        let Parts { config, mail, store, clock, rng } = parts;
        if !config.operators.is_empty() {
            let recipients = config.operators.clone();
            let operators = NotificationChannel::Email { recipients, subject_prefix: None };
            let wrong = |error: StoreError| {
                AlertsError::invalid("alerts.operators", format!("cannot all be told: {error}"))
            };
            operators.check().map_err(wrong)?;
        }
        Ok(Self(Arc::new(Inner {
            mailer: Mailer::new(&mail)?,
            poster: Poster::new(config.webhook_addresses, config.webhook_timeout()),
            config,
            store,
            clock,
            rng,
            waiting: AtomicU64::new(0),
            seen: Seen::default(),
        })))
    }

    /// Watches and delivers for ever; drop it to stop. What it was at then is delivered by another
    /// node, or after the next start.
    pub async fn run(&self) {
        // Apart, so that a mail server that is slow holds up no webhook.
        let (webhooks, mail) = (NoticeChannel::Webhook, NoticeChannel::Email);
        tokio::join!(self.watch(), self.deliver(webhooks), self.deliver(mail));
    }

    /// Whether there is a server that mail goes out by.
    pub fn can_mail(&self) -> bool {
        self.0.mailer.is_some()
    }

    /// Puts an event into the outbox for all whom it concerns, unless it was there before.
    pub(crate) async fn tell(
        &self,
        firing: &Firing,
        event: &Event,
        organization: &OrganizationId,
        channels: &[&NotificationChannel],
    ) -> Result<(), StoreError> {
        let notices = self.notices(event, organization, channels).await?;
        if self.store().alert_fire(firing, notices).await? {
            tracing::warn!(kind = event.kind, %organization, "{}", event.log);
        }
        Ok(())
    }

    /// The notices of an event: to the webhooks that asked for it, and by these channels.
    pub(crate) async fn notices(
        &self,
        event: &Event,
        organization: &OrganizationId,
        channels: &[&NotificationChannel],
    ) -> Result<Vec<NewNotice>, StoreError> {
        let (now, rng) = (self.now(), self.rng());
        let listeners = self.listeners(organization, event.kind).await?;
        let posts = listeners.iter().map(|webhook| event.to_webhook(webhook, now, rng));
        let mails = channels.iter().flat_map(|channel| event.to_channel(organization, channel));
        Ok(posts.chain(mails).collect())
    }

    /// The webhooks that asked for events of a type.
    pub(crate) async fn listeners(
        &self,
        organization: &OrganizationId,
        kind: &str,
    ) -> Result<Vec<Webhook>, StoreError> {
        let scope = Scope::organization(organization.clone());
        let mut webhooks = self.store().webhook_list(&scope).await?;
        webhooks.retain(|webhook| wants(webhook, kind));
        Ok(webhooks)
    }

    /// Passes over what is wrong with one row, which must not hide the others; not over a database
    /// that is away.
    pub(crate) fn pass_over(result: Result<(), StoreError>) -> Result<(), StoreError> {
        match result {
            Err(error) if !matches!(error, StoreError::Unavailable { .. }) => {
                tracing::error!(%error, "what cannot be read is not watched over");
                Ok(())
            }
            result => result,
        }
    }

    /// Says that mail waits for a server, whenever there is more of it than was said before.
    pub(crate) fn say_waiting(&self, waiting: u64) {
        if waiting > self.0.waiting.swap(waiting, Ordering::Relaxed) {
            tracing::warn!(waiting, "mail waits in the outbox for a server: set mail.url");
        }
    }

    pub(crate) fn config(&self) -> &AlertsConfig {
        &self.0.config
    }

    pub(crate) fn mailer(&self) -> Option<&Mailer> {
        self.0.mailer.as_ref()
    }

    pub(crate) fn poster(&self) -> &Poster {
        &self.0.poster
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.0.seen
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn rng(&self) -> &dyn Rng {
        self.0.rng.as_ref()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
}

impl fmt::Debug for Alerts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alerts").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node runs it on any of its threads.
    #[test]
    fn it_can_be_moved_to_another_thread() {
        fn moved<T: Send>(_: impl Fn(&'static Alerts) -> T) {}
        moved(Alerts::run);
    }
}
