//! What there is to tell, as programs and as people read it.

use kernel::{Money, OrganizationId, Rng, Timestamp, id};
use serde_json::{Value, json};
use store::{NewNotice, NotificationChannel, Recipient, Webhook};

/// The types of events that webhooks can ask for.
pub const EVENT_TYPES: [&str; 5] = [
    SPEND_ALERT_TRIGGERED,
    BUDGET_REACHED,
    SERVICE_LEVEL_BURNING,
    SERVICE_LEVEL_RECOVERED,
    WEBHOOK_TEST,
];

/// A spend alert's threshold was passed.
pub const SPEND_ALERT_TRIGGERED: &str = "kijun.spend_alert.triggered";
/// A share of a budget was used up.
pub const BUDGET_REACHED: &str = "kijun.budget.reached";
/// An error budget burns too fast.
pub const SERVICE_LEVEL_BURNING: &str = "kijun.service_level.burning";
/// It does no more.
pub const SERVICE_LEVEL_RECOVERED: &str = "kijun.service_level.recovered";
/// Somebody tries a webhook.
pub const WEBHOOK_TEST: &str = "kijun.webhook.test";

/// Something to tell.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) kind: &'static str,
    /// In a line, for those who are told.
    pub(crate) subject: String,
    /// In a line, for the log: without the name of any end user.
    pub(crate) log: String,
    /// For people: what, how much, and what to do.
    pub(crate) text: String,
    /// For programs.
    pub(crate) data: Value,
}

impl Event {
    /// The notice for a webhook: OpenAI's envelope of events.
    pub(crate) fn to_webhook(&self, webhook: &Webhook, now: Timestamp, rng: &dyn Rng) -> NewNotice {
        let body = json!({
            "id": id::time_ordered("evt_", now, rng),
            "object": "event",
            "created_at": now.as_secs(),
            "type": self.kind,
            "data": self.data,
        });
        self.notice(
            &webhook.organization,
            Recipient::Webhook(webhook.id.clone()),
            self.subject.clone(),
            body.to_string(),
        )
    }

    /// The notices for those whom a channel tells.
    pub(crate) fn to_channel(
        &self,
        organization: &OrganizationId,
        channel: &NotificationChannel,
    ) -> Vec<NewNotice> {
        let NotificationChannel::Email { recipients, subject_prefix } = channel;
        let prefix = subject_prefix.as_deref().unwrap_or("Kijun");
        let mail = |address: &String| {
            self.notice(
                organization,
                Recipient::Email(address.clone()),
                format!("{prefix}: {}", self.subject),
                self.text.clone(),
            )
        };
        recipients.iter().map(mail).collect()
    }

    fn notice(
        &self,
        organization: &OrganizationId,
        to: Recipient,
        subject: String,
        body: String,
    ) -> NewNotice {
        let organization = organization.clone();
        NewNotice { organization, to, kind: self.kind.to_owned(), subject, body }
    }
}

/// Whether a webhook asked for events of this type, and is not disabled.
pub(crate) fn wants(webhook: &Webhook, kind: &str) -> bool {
    let asked = webhook.events.is_empty() || webhook.events.iter().any(|event| event == kind);
    asked && webhook.disabled_at.is_none()
}

/// An amount as people read it: in whole cents, never more than it is, or to the last decimal where it is less than one.
pub(crate) fn dollars(money: Money) -> String {
    const CENT: i64 = 10_000_000;
    let nanos = money.as_nanos();
    if nanos % CENT != 0 && nanos.unsigned_abs() < CENT.unsigned_abs() {
        return format!("${}", money.to_string().trim_end_matches('0'));
    }
    let cents = nanos.div_euclid(CENT);
    let (whole, rest) = (cents.div_euclid(100).to_string(), cents.rem_euclid(100));
    let mut grouped = String::with_capacity(whole.len() + 8);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("${grouped}.{rest:02}")
}

#[cfg(test)]
mod tests {
    use kernel::SystemRng;

    use super::*;

    fn event() -> Event {
        Event {
            kind: WEBHOOK_TEST,
            subject: "A test".into(),
            log: "A test".into(),
            text: "This is a test.".into(),
            data: json!({ "n": 1 }),
        }
    }

    #[test]
    fn amounts_are_written_as_people_read_them() {
        for (nanos, text) in [
            (0, "$0.00"),
            (1_230_000, "$0.00123"),
            (10_000_000, "$0.01"),
            (999_996_000_000, "$999.99"),
            (1_234_567_890_000_000, "$1,234,567.89"),
            (12_345_000_000, "$12.34"),
        ] {
            assert_eq!(dollars(Money::from_nanos(nanos)), text, "{nanos}");
        }
    }

    #[test]
    fn every_recipient_gets_a_mail_of_their_own() {
        let channel = NotificationChannel::Email {
            recipients: vec!["a@b.example".into(), "c@d.example".into()],
            subject_prefix: Some("Prod".into()),
        };
        let notices = event().to_channel(&"org-1".into(), &channel);
        let to: Vec<_> = notices.iter().map(|notice| notice.to.clone()).collect();
        assert_eq!(to, ["a@b.example", "c@d.example"].map(|to| Recipient::Email(to.into())));
        assert_eq!((&*notices[0].subject, &*notices[0].body), ("Prod: A test", "This is a test."));
    }

    #[test]
    fn programs_get_the_official_envelope() {
        let webhook = Webhook {
            id: "webhook_1".into(),
            organization: "org-1".into(),
            name: "ops".into(),
            url: "https://example.com".into(),
            events: vec![],
            created_at: Timestamp::default(),
            disabled_at: None,
        };
        let notice = event().to_webhook(&webhook, Timestamp::from_secs(1_800_000_000), &SystemRng);
        let body: Value = serde_json::from_str(&notice.body).unwrap();
        assert_eq!(
            (body["object"].as_str(), body["type"].as_str()),
            (Some("event"), Some(WEBHOOK_TEST))
        );
        assert_eq!(
            (body["created_at"].as_i64(), body["data"]["n"].as_i64()),
            (Some(1_800_000_000), Some(1))
        );
        assert!(body["id"].as_str().unwrap().starts_with("evt_"));

        assert!(wants(&webhook, WEBHOOK_TEST));
        let picky = Webhook { events: vec![BUDGET_REACHED.into()], ..webhook.clone() };
        assert!(wants(&picky, BUDGET_REACHED) && !wants(&picky, WEBHOOK_TEST));
        let off = Webhook { disabled_at: Some(Timestamp::default()), ..webhook };
        assert!(!wants(&off, WEBHOOK_TEST));
    }
}
