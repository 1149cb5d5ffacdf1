//! A store in memory, a clock that stands still, and alerts on both.

use std::sync::Arc;
use std::time::Duration;

use alerts::{Alerts, AlertsConfig, MailConfig, Parts};
use kernel::{
    CallRecord, Clock, Money, Operation, OrganizationId, Outcome, ProjectId, RequestId, Scope,
    ServiceTier, SystemRng, Timestamp, Usage,
};
use secrecy::SecretString;
use store::{
    ItemPage, NewWebhook, Notice, NoticeChannel, NotificationChannel, Recipient, Store, Webhook,
};
use testkit::FakeClock;

pub(crate) struct Bench {
    pub(crate) alerts: Alerts,
    pub(crate) store: Store,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) scope: Scope,
    pub(crate) project: ProjectId,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(AlertsConfig::default(), MailConfig::default()).await
    }

    pub(crate) async fn with(config: AlertsConfig, mail: MailConfig) -> Self {
        // 2026-03-15T12:00:00Z
        let clock = Arc::new(FakeClock::at(Timestamp::from_secs(1_773_576_000)));
        let store = Store::in_memory(clock.clone(), Arc::new(SystemRng)).await.unwrap();
        let organization = store.organization_create("Acme").await.unwrap().id;
        let scope = Scope::organization(organization);
        let project = store.project_create(&scope, "Acme").await.unwrap().id;
        let alerts = node(&store, &clock, config, mail);
        Self { alerts, store, clock, scope, project }
    }

    /// Another node on the same database.
    pub(crate) fn another(&self, config: AlertsConfig, mail: MailConfig) -> Alerts {
        node(&self.store, &self.clock, config, mail)
    }

    /// Looks as if a minute had passed.
    pub(crate) async fn look(&self) {
        self.clock.advance(Duration::from_secs(60));
        assert!(self.alerts.look().await.unwrap(), "nobody else looks");
    }

    pub(crate) async fn webhook(&self, url: &str) -> (Webhook, SecretString) {
        let new =
            NewWebhook { name: "ops".into(), url: url.into(), events: vec![], disabled: false };
        self.alerts.webhook_create(&self.store, &self.scope, &new).await.unwrap()
    }

    /// Everything in the outbox, the oldest first.
    pub(crate) async fn outbox(&self) -> Vec<Notice> {
        let page = ItemPage { after: None, limit: 1_000, descending: false };
        let mut all = self.store.notice_list(&self.scope, &page).await.unwrap().data;
        all.sort_by_key(|notice| notice.created_at);
        all
    }

    /// The subjects of all mails in the outbox.
    pub(crate) async fn subjects(&self) -> Vec<String> {
        let mails = self.outbox().await.into_iter();
        let mails = mails.filter(|notice| matches!(notice.notice.to, Recipient::Email(_)));
        mails.map(|notice| notice.notice.subject).collect()
    }

    pub(crate) async fn post(&self) {
        self.alerts.deliver_due(NoticeChannel::Webhook).await.unwrap();
    }

    /// A call of this cost that ended now, after a second.
    pub(crate) async fn call(&self, number: u32, change: impl FnOnce(&mut CallRecord)) {
        let mut record = self.record(number);
        change(&mut record);
        self.store.call_insert("", &[record]).await.unwrap();
    }

    pub(crate) fn record(&self, number: u32) -> CallRecord {
        let started = self.clock.now().as_micros() - 1_000_000;
        CallRecord {
            id: RequestId::from(format!("req_{number:08}")),
            started_at: Timestamp::from_micros(started),
            duration_us: 1_000_000,
            first_byte_us: Some(500_000),
            organization: self.organization().clone(),
            project: self.project.clone(),
            api_key: "key_1".into(),
            service_account: None,
            end_user: None,
            response: None,
            batch: None,
            operation: Operation::ChatCompletions,
            model: "gpt-4o".into(),
            provider: "mock".into(),
            upstream_model: "gpt-4o".into(),
            stream: false,
            status: 200,
            outcome: Outcome::Completed,
            attempts: 1,
            service_tier: ServiceTier::Default,
            usage: Usage::default(),
            cost: None,
        }
    }

    pub(crate) fn organization(&self) -> &OrganizationId {
        &self.scope.organization
    }
}

fn node(store: &Store, clock: &Arc<FakeClock>, config: AlertsConfig, mail: MailConfig) -> Alerts {
    let (store, clock) = (store.clone(), clock.clone());
    Alerts::new(Parts { config, mail, store, clock, rng: Arc::new(SystemRng) }).unwrap()
}

pub(crate) const fn dollars(amount: i64) -> Money {
    Money::from_nanos(amount * 1_000_000_000)
}

pub(crate) fn email(recipients: &[&str]) -> NotificationChannel {
    NotificationChannel::Email {
        recipients: recipients.iter().map(|&address| address.into()).collect(),
        subject_prefix: None,
    }
}
