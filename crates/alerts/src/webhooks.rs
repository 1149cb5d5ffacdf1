//! Making and changing webhooks: the rules that both doors, API and shell, go through.

use kernel::{NoticeId, Scope, WebhookId};
use secrecy::SecretString;
use serde_json::json;
use store::{NewWebhook, Store, Webhook};

use crate::event::{EVENT_TYPES, Event, WEBHOOK_TEST};
use crate::post::Target;
use crate::signature::new_secret;
use crate::{Alerts, AlertsError, Reach};

/// The most webhooks of one organisation.
const MOST: usize = 20;

impl Alerts {
    /// Makes a webhook. Its secret is shown this once.
    ///
    /// # Errors
    /// When nothing can or may be posted to its URL, or there is no such type of event.
    pub async fn webhook_create(
        &self,
        store: &Store,
        scope: &Scope,
        new: &NewWebhook,
    ) -> Result<(Webhook, SecretString), AlertsError> {
        check(new, self.config().webhook_addresses)?;
        if store.webhook_list(scope).await?.len() >= MOST {
            let reason = format!("are {MOST} at most; delete one that is not used");
            return Err(AlertsError::invalid("an organisation's webhooks", reason));
        }
        let secret = new_secret(self.rng());
        Ok((store.webhook_create(scope, new, &secret).await?, secret))
    }

    /// Changes all of a webhook but its secret.
    ///
    /// # Errors
    /// As [`Alerts::webhook_create`].
    pub async fn webhook_update(
        &self,
        store: &Store,
        scope: &Scope,
        id: &WebhookId,
        new: &NewWebhook,
    ) -> Result<Webhook, AlertsError> {
        check(new, self.config().webhook_addresses)?;
        Ok(store.webhook_update(scope, id, new).await?)
    }

    /// Gives a webhook a new secret, shown this once. From now on posts are signed with it.
    ///
    /// # Errors
    /// When there is no such webhook in the scope.
    pub async fn webhook_rotate(
        &self,
        store: &Store,
        scope: &Scope,
        id: &WebhookId,
    ) -> Result<(Webhook, SecretString), AlertsError> {
        let secret = new_secret(self.rng());
        Ok((store.webhook_update_secret(scope, id, &secret).await?, secret))
    }

    /// Posts a test event to a webhook, whatever types of events it asked for. What becomes of it
    /// stands in the outbox.
    ///
    /// # Errors
    /// When there is no such webhook in the scope, or it is disabled.
    pub async fn webhook_test(
        &self,
        scope: &Scope,
        id: &WebhookId,
    ) -> Result<NoticeId, AlertsError> {
        let webhook = self.store().webhook_get(scope, id).await?;
        if webhook.disabled_at.is_some() {
            return Err(AlertsError::invalid("the webhook", "is disabled; enable it first"));
        }
        let subject = format!("Test of webhook {}", webhook.name);
        let event = Event {
            kind: WEBHOOK_TEST,
            log: subject.clone(),
            subject,
            text: String::new(),
            data: json!({ "webhook_id": webhook.id.as_str(), "name": webhook.name }),
        };
        let notice = event.to_webhook(&webhook, self.now(), self.rng());
        let made = self.store().notice_create(vec![notice]).await?;
        let none = || AlertsError::invalid("the test event", "was not written down");
        made.into_iter().next().ok_or_else(none)
    }
}

fn check(new: &NewWebhook, reach: Reach) -> Result<(), AlertsError> {
    let wrong = |field, reason| AlertsError::Field { field, reason };
    let target = Target::parse(&new.url).map_err(|reason| wrong("url", reason))?;
    // Nothing is posted to a disabled one, and disabling must always be possible.
    if !new.disabled && target.is_out_of(reach) {
        let reason = "has an address that webhooks may not lead to; alerts.webhook_addresses in \
                      the configuration says which they may";
        return Err(wrong("url", reason.to_owned()));
    }
    match new.events.iter().all(|event| EVENT_TYPES.contains(&event.as_str())) {
        true => Ok(()),
        false => {
            let known = EVENT_TYPES.join(", ");
            Err(wrong("events", format!("names a type that is not known; there are {known}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(url: &str, events: &[&str]) -> NewWebhook {
        NewWebhook {
            name: "ops".into(),
            url: url.into(),
            events: events.iter().map(|&event| event.into()).collect(),
            disabled: false,
        }
    }

    #[test]
    fn webhooks_that_nothing_would_come_of_are_refused() {
        let check = |new: &NewWebhook| check(new, Reach::Private);
        assert!(check(&new("https://example.com/x", &[WEBHOOK_TEST])).is_ok());
        let url = check(&new("example.com", &[])).unwrap_err().to_string();
        assert!(url.contains("https://"), "{url}");
        let event = check(&new("https://example.com", &["response.completed"])).unwrap_err();
        assert!(event.to_string().contains("kijun.budget.reached"), "{event}");
    }

    #[test]
    fn addresses_that_webhooks_may_never_lead_to_are_refused_at_once() {
        for (url, reach, allowed) in [
            ("http://169.254.169.254/hunter2", Reach::Private, false),
            ("https://[fd00:ec2::254]:8443/hunter2", Reach::Private, false),
            ("http://169.254.169.254/hunter2", Reach::Any, true),
            ("http://10.0.0.1/hunter2", Reach::Private, true),
            ("http://10.0.0.1/hunter2", Reach::Public, false),
            // A name may lead elsewhere tomorrow: it is looked up when something is posted.
            ("http://localhost/hunter2", Reach::Public, true),
        ] {
            match check(&new(url, &[]), reach) {
                Ok(()) => assert!(allowed, "{url} {reach:?}"),
                Err(error) => {
                    let said = error.to_string();
                    assert!(!allowed && said.contains("alerts.webhook_addresses"), "{said}");
                    assert!(!said.contains("hunter2"), "{said}");
                }
            }
            assert!(check(&NewWebhook { disabled: true, ..new(url, &[]) }, reach).is_ok());
        }
    }
}
