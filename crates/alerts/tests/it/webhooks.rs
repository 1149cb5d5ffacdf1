//! The rules of making webhooks.

use alerts::{AlertsError, EVENT_TYPES};
use secrecy::ExposeSecret;
use store::{NewWebhook, StoreError};

use crate::bench::Bench;

fn new(url: &str) -> NewWebhook {
    NewWebhook { name: "ops".into(), url: url.into(), events: vec![], disabled: false }
}

#[tokio::test]
async fn secrets_are_new_each_time() {
    let bench = Bench::new().await;
    let (webhook, one) = bench.webhook("https://hooks.example").await;
    let (_, two) = bench.webhook("https://hooks.example").await;
    let rotated = bench.alerts.webhook_rotate(&bench.store, &bench.scope, &webhook.id).await;
    let (_, three) = rotated.unwrap();
    let mut all = [one, two, three].map(|secret| secret.expose_secret().to_owned());
    all.sort();
    assert!(all.iter().all(|secret| secret.starts_with("whsec_")));
    assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
}

#[tokio::test]
async fn what_nothing_would_come_of_is_refused() {
    let bench = Bench::new().await;
    let create = async |new| bench.alerts.webhook_create(&bench.store, &bench.scope, &new).await;
    let wrong_event =
        NewWebhook { events: vec!["response.completed".into()], ..new("https://h.example") };
    for wrong in [new("hooks.example"), new("ftp://hooks.example"), wrong_event] {
        assert!(matches!(create(wrong).await, Err(AlertsError::Field { .. })));
    }
    let all = EVENT_TYPES.iter().map(|&event| event.to_owned()).collect();
    let made = create(NewWebhook { events: all, ..new("https://h.example") }).await;
    let (made, _) = made.unwrap();
    let changed =
        bench.alerts.webhook_update(&bench.store, &bench.scope, &made.id, &new("h")).await;
    assert!(matches!(changed, Err(AlertsError::Field { .. })));
    let nameless = NewWebhook { name: " ".into(), ..new("https://h.example") };
    assert!(matches!(create(nameless).await, Err(AlertsError::Store(StoreError::Invalid { .. }))));
}

#[tokio::test]
async fn there_are_not_endlessly_many() {
    let bench = Bench::new().await;
    for _ in 0..20 {
        bench.webhook("https://hooks.example").await;
    }
    let one = new("https://h.example");
    let more = bench.alerts.webhook_create(&bench.store, &bench.scope, &one).await;
    let said = more.unwrap_err().to_string();
    assert!(said.contains("20 at most"), "{said}");
}
